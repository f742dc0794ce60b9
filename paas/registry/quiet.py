"""A moment in which nobody pushes: how the collector gets it, and keeps it. Why is in `collection`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from paas.api import names
from paas.api.resources import POD, key_of
from paas.kube.cluster import Cluster
from paas.kube.lease import Lease
from paas.registry.collection import LEASE_KEY, LOCK, CannotCollect, is_other_version, may_push
from paas.registry.storage import Storage

LOOK_EVERY: Final = 5.0
"""Seconds from one look for builds to the next."""

Say = Callable[[str], None]


@contextlib.contextmanager
def locked(storage: Storage) -> Iterator[None]:
    """While the block lasts, nobody else collects, and `paas up` loads no images. Raises CannotCollect."""
    with (storage.folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotCollect(
                "another collection is under way, or `paas up` loads images; try again when it has ended"
            ) from None
        yield


async def alone(
    cluster: Cluster, work: Callable[[Lease], Awaitable[int]], *, image: str, wait: float, say: Say
) -> int:
    """Do the work in a moment in which no push is under way, and none begins; what it brings. `image` is what
    all of the platform must run, '' for any. Raises CannotCollect, LeaseLost and what the work and the
    cluster raise."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while True:
        obstacle = await _obstacle(cluster, image)
        if not obstacle:
            lease = Lease(cluster, LEASE_KEY, identity=f"{socket.gethostname()}-{os.getpid()}")
            try:
                await _acquire(lease, within=max(30.0, deadline - clock()))
                # Again, now that no token is given to a pod that is made from here on.
                obstacle = await _obstacle(cluster, image)
                if not obstacle:
                    return await _holding(lease, work(lease))
            finally:
                await lease.release()
        if clock() > deadline:
            raise CannotCollect(f"{obstacle}; try again later: paas registry gc")
        say(f"waiting: {obstacle}")
        await asyncio.sleep(LOOK_EVERY)


async def _acquire(lease: Lease, *, within: float) -> None:
    try:
        async with asyncio.timeout(within):
            await lease.acquire()
    except TimeoutError:
        raise CannotCollect(
            f"the Lease {LEASE_KEY} was not given in {within:.0f} s; who holds it is shown by: "
            f"kubectl get lease {LEASE_KEY.name} -n {LEASE_KEY.namespace} -o yaml"
        ) from None


async def _holding(lease: Lease, work: Awaitable[int]) -> int:
    """What the work brings; it is cancelled, and with it the registry's program killed, when the Lease is
    lost."""
    working, holding = asyncio.ensure_future(work), asyncio.ensure_future(lease.hold())
    both: set[asyncio.Future[Any]] = {working, holding}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            holding.result()  # raises LeaseLost
        return working.result()
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _obstacle(cluster: Cluster, image: str) -> str:
    """What is in the way of a collection; '' when nothing is."""
    pods = await cluster.list(POD, labels=names.LABEL_BUILD)
    if running := [str(key_of(pod)) for pod in pods if may_push(pod)]:
        return f"builds run ({', '.join(running[:3])}), and images are collected only while none does"
    pods = await cluster.list(POD, names.SYSTEM_NAMESPACE, labels=f"{names.LABEL_PART_OF}=paas-system")
    if others := [str(key_of(pod)) for pod in pods if image and is_other_version(pod, image)]:
        return (
            f"pods of the platform ({', '.join(others[:3])}) are of another version than the one that "
            "collects, and might let builds push meanwhile; paas up brings all to one version"
        )
    return ""
