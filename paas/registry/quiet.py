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
from paas.api.resources import POD, Manifest, key_of
from paas.kube.cluster import Cluster
from paas.kube.lease import Lease
from paas.registry.collection import LEASE_KEY, LOCK, CannotCollect
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


async def alone(cluster: Cluster, work: Callable[[Lease], Awaitable[int]], *, wait: float, say: Say) -> int:
    """Do the work in a moment in which no push is under way, and none begins; what it brings. Raises
    CannotCollect, LeaseLost and what the work and the cluster raise."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while True:
        running = await _running(cluster)
        if not running:
            lease = Lease(cluster, LEASE_KEY, identity=f"{socket.gethostname()}-{os.getpid()}")
            try:
                await _acquire(lease, within=max(30.0, deadline - clock()))
                # Again, now that no token is given to a pod that is made from here on.
                running = await _running(cluster)
                if not running:
                    return await _holding(lease, work(lease))
            finally:
                await lease.release()
        if clock() > deadline:
            raise CannotCollect(
                f"builds run ({', '.join(running[:3])}), and images are collected only while none does; "
                "try again later: paas registry gc"
            )
        say(f"waiting until no build runs: {', '.join(running[:3])}")
        await asyncio.sleep(LOOK_EVERY)


async def _acquire(lease: Lease, *, within: float) -> None:
    try:
        async with asyncio.timeout(within):
            await lease.acquire()
    except TimeoutError:
        raise CannotCollect(f"another collection has the Lease {LEASE_KEY}; try again later") from None


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


async def _running(cluster: Cluster) -> list[str]:
    """Pods of builds that may push, of all projects."""
    pods = await cluster.list(POD, labels=names.LABEL_BUILD)
    return [str(key_of(pod)) for pod in pods if not _ended(pod)]


def _ended(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
