"""`python -m paas.registry.collect`: removes from the registry what nobody needs, and says what that freed.

It runs where the registry's storage is (a CronJob of the embedded cluster). What may go is decided by
`needed`; why no push can be under way is in `collection`; manifests and layers are removed by the registry's
own program.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from paas.api import names
from paas.api.resources import (
    BUILD,
    BUILDCONFIG,
    CONTROLLERREVISION,
    CRONJOB,
    DAEMONSET,
    DEPLOYMENT,
    DEPLOYMENTCONFIG,
    IMAGESTREAM,
    JOB,
    NAMESPACE,
    POD,
    REPLICASET,
    STATEFULSET,
    Manifest,
    key_of,
)
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.lease import Lease, LeaseLost
from paas.registry.collection import LEASE_KEY, LOCK
from paas.registry.needed import Needed, Stored, needed, unneeded
from paas.registry.storage import Storage

WAIT: Final = 1200.0
"""Seconds to wait for a moment in which no build runs."""
LOOK_EVERY: Final = 5.0
STARTS_WITHIN: Final = 20.0
USERS: Final = (
    BUILDCONFIG, BUILD, IMAGESTREAM, DEPLOYMENTCONFIG, CONTROLLERREVISION, DEPLOYMENT, REPLICASET,
    STATEFULSET, DAEMONSET, JOB, CRONJOB, POD,
)  # fmt: skip
"""Whatever may name an image."""

Say = Callable[[str], None]


class CannotCollect(Exception):
    """Nothing, or not all, was collected; why, and what follows."""


@dataclass(frozen=True)
class Registry:
    """The registry's program, and the storage that it works on."""

    program: Path
    storage: Storage


async def show(cluster: Cluster, registry: Registry, *, say: Say) -> list[Stored]:
    """Say what would go; change nothing."""
    going, kept = await _decide(cluster, registry.storage)
    _list(going, say)
    freed = await asyncio.to_thread(registry.storage.superfluous, kept)
    say(f"{_images(len(going))} would be removed, and {_size(freed)} be freed; nothing was changed")
    return going


async def collect(cluster: Cluster, registry: Registry, *, say: Say, wait: float = WAIT) -> int:
    """Remove what nobody needs; the bytes that came back. Raises CannotCollect, LeaseLost and what the
    cluster raises; what was removed by then was needed by nobody."""

    async def work(lease: Lease) -> int:
        before = await asyncio.to_thread(registry.storage.used)
        going, _ = await _decide(cluster, registry.storage)
        _list(going, say)
        await _remove(registry, going, lease)
        lease.check()
        # first: the registry's collection stops at a repository of which only a part is left
        for name in await asyncio.to_thread(registry.storage.remove_emptied):
            say(f"{name}: empty, removed")
        await _sweep(registry, lease)
        freed = before - await asyncio.to_thread(registry.storage.used)
        say(f"{_images(len(going))} removed, {_size(freed)} freed")
        return freed

    with _locked(registry.storage):
        return await _alone(cluster, work, wait=wait, say=say)


async def needs_of(cluster: Cluster) -> Needed:
    """What the objects of the cluster need, read live."""
    objects = {resource: await cluster.list(resource) for resource in USERS}
    return needed(
        (obj for found in objects.values() for obj in found),
        namespaces=await cluster.list(NAMESPACE),
        streams=objects[IMAGESTREAM],
        builds=[*objects[BUILDCONFIG], *objects[BUILD]],
    )


async def _decide(cluster: Cluster, storage: Storage) -> tuple[list[Stored], list[Stored]]:
    """The manifests that go, and the others. The storage is read first: what is pushed after that is not in
    question, and what is in it was pushed by a build that is older than the list of Builds."""
    stored = await asyncio.to_thread(storage.stored)
    going = unneeded(stored, await needs_of(cluster), now=datetime.now(UTC))
    gone = {image.key for image in going}
    return going, [image for image in stored if image.key not in gone]


# -- alone with the storage ------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(storage: Storage) -> Iterator[None]:
    with (storage.folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotCollect(
                "another collection is under way, or `paas up` loads images; try again when it has ended"
            ) from None
        yield


async def _alone(cluster: Cluster, work: Callable[[Lease], Awaitable[int]], *, wait: float, say: Say) -> int:
    """Work in a moment in which no push is under way, and none begins."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while True:
        running = await _running(cluster)
        if not running:
            lease = Lease(cluster, LEASE_KEY, identity=f"{socket.gethostname()}-{os.getpid()}")
            try:
                async with asyncio.timeout(max(30.0, deadline - clock())):
                    await lease.acquire()
                # Again, now that no token is given to a pod that is made from here on.
                running = await _running(cluster)
                if not running:
                    return await _holding(lease, work(lease))
            except TimeoutError:
                raise CannotCollect(f"the Lease {LEASE_KEY} is not to be had; try again later") from None
            finally:
                await lease.release()
        if clock() > deadline:
            raise CannotCollect(
                f"builds run ({', '.join(running[:3])}), and images are collected only while none does; "
                "try again later: paas registry gc"
            )
        say(f"waiting until no build runs: {', '.join(running[:3])}")
        await asyncio.sleep(LOOK_EVERY)


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


# -- by the registry's own program -----------------------------------------------------------------------


def _configuration(registry: Registry, port: int) -> str:
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(registry.storage.folder)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}"},
        }
    )


@contextlib.asynccontextmanager
async def _program(
    registry: Registry, word: str, *, port: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program with this command; it is killed when the block ends before it does."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(_configuration(registry, port))
        file.flush()
        process = await asyncio.create_subprocess_exec(
            registry.program,
            word,
            file.name,
            env={"OTEL_TRACES_EXPORTER": "none"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _remove(registry: Registry, going: Sequence[Stored], lease: Lease) -> None:
    """Delete manifests by a registry of our own on loopback, which works on the same storage."""
    if not going:
        return
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    address = f"http://127.0.0.1:{port}/v2/"
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        _program(registry, "serve", port=port) as process,
        aiohttp.ClientSession(timeout=timeout) as http,
    ):
        output = asyncio.ensure_future(_end_of_output(process))
        try:
            await _answering(http, address, process, output)
            for image in going:
                lease.check()
                async with http.delete(f"{address}{image.repository}/manifests/{image.digest}") as answer:
                    if answer.status not in (202, 404):
                        text = (await answer.text())[:300]
                        raise CannotCollect(f"{image.repository}@{image.digest} was not removed: {text}")
        finally:
            output.cancel()


async def _answering(
    http: aiohttp.ClientSession,
    address: str,
    process: asyncio.subprocess.Process,
    output: asyncio.Future[str],
) -> None:
    deadline = asyncio.get_running_loop().time() + STARTS_WITHIN
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(address) as answer:
                if answer.status == 200:
                    return
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            said = await output if process.returncode is not None else ""
            raise CannotCollect(f"the registry's program does not start: {said}")
        await asyncio.sleep(0.05)


async def _sweep(registry: Registry, lease: Lease) -> None:
    """Remove the layers that no manifest names any more."""
    lease.check()
    async with _program(registry, "garbage-collect") as process:
        said = await _end_of_output(process)
        if await process.wait() != 0:
            raise CannotCollect(f"the registry's garbage collection failed: {said}")


async def _end_of_output(process: asyncio.subprocess.Process) -> str:
    """The last lines of what the program prints, read to the end: a full pipe would stop it."""
    assert process.stdout is not None, "the program is started with a pipe"
    end = b""
    while piece := await process.stdout.read(65536):
        end = (end + piece)[-2000:]
    return end.decode(errors="replace").strip()


# -- what is said ----------------------------------------------------------------------------------------


def _list(going: Sequence[Stored], say: Say) -> None:
    repositories: dict[str, int] = {}
    for image in going:
        repositories[image.repository] = repositories.get(image.repository, 0) + 1
    for name, count in sorted(repositories.items()):
        say(f"{name}: {_images(count)} that nothing needs")


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count < 2**30 else f"{count / 2**30:.2f} GiB"


async def run(storage: Path, program: Path, *, dry_run: bool, wait: float, say: Say) -> None:
    """Against the cluster of the pod's ServiceAccount, else of the kubeconfig."""
    registry = Registry(program, Storage(storage))
    async with await Cluster.connect() as cluster:
        if dry_run:
            await show(cluster, registry, say=say)
        else:
            await collect(cluster, registry, say=say, wait=wait)


def main() -> int:
    """Exit code 0 when all is done, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m paas.registry.collect", description=__doc__)
    parser.add_argument("--storage", type=Path, required=True, help="the registry's rootdirectory")
    parser.add_argument("--registry", type=Path, required=True, help="the registry's program")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds to wait until no build runs")
    options = parser.parse_args()
    try:
        asyncio.run(
            run(
                options.storage,
                options.registry,
                dry_run=options.dry_run,
                wait=options.wait,
                say=lambda line: print(line, flush=True),
            )
        )
    except (CannotCollect, LeaseLost, ApiError, ClusterUnreachable, aiohttp.ClientError, OSError) as problem:
        print(f"error: {problem or 'no answer in time'}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
