"""`python -m paas.registry.collect`: removes from the registry what nobody needs, and says what that freed.

It runs where the registry's storage is (a CronJob of the embedded cluster). What may go is decided by
`needed`; why no push can be under way is in `collection`; manifests and layers are removed by the registry's
own program.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
    REPLICATIONCONTROLLER,
    STATEFULSET,
)
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.lease import Lease, LeaseLost
from paas.reconcile.tasks import to_its_end
from paas.registry import program
from paas.registry.collection import CannotCollect
from paas.registry.needed import Needed, Stored, needed, unneeded
from paas.registry.program import Registry
from paas.registry.quiet import Say, alone, locked
from paas.registry.storage import Storage

WAIT: Final = 1200.0
"""Seconds to wait for a moment in which no build runs."""
USERS: Final = (
    BUILDCONFIG, BUILD, IMAGESTREAM, DEPLOYMENTCONFIG, CONTROLLERREVISION, DEPLOYMENT, REPLICASET,
    REPLICATIONCONTROLLER, STATEFULSET, DAEMONSET, JOB, CRONJOB, POD,
)  # fmt: skip
"""Whatever may name an image."""


async def show(cluster: Cluster, registry: Registry, *, say: Say) -> list[Stored]:
    """Say what would go; change nothing."""
    going, kept = await _decide(cluster, registry.storage)
    _list(going, say)
    freed = await asyncio.to_thread(registry.storage.superfluous, kept)
    say(f"{_images(len(going))} would be removed, and {_size(freed)} be freed; nothing was changed")
    return going


async def collect(
    cluster: Cluster, registry: Registry, *, say: Say, version: str = "", wait: float = WAIT
) -> int:
    """Remove what nobody needs; the bytes that came back. `version` is the image that the whole platform must
    run, '' for any. Raises CannotCollect, LeaseLost and what the cluster raises; what was removed by then was
    needed by nobody."""

    async def work(lease: Lease) -> int:
        # only now: while builds are waited for, `paas up` may load images
        with locked(registry.storage):
            before = await asyncio.to_thread(registry.storage.used)
            going, kept = await _decide(cluster, registry.storage)
            _list(going, say)
            await to_its_end(_clear, registry.storage, going, kept, say)
            for image in going:
                lease.check()
                await to_its_end(registry.storage.forget, image)
            await to_its_end(registry.storage.complete)
            # first: the registry's collection stops at a repository of which only a part is left
            for name in await to_its_end(registry.storage.remove_emptied):
                say(f"{name}: empty, removed")
            lease.check()
            await program.sweep(registry)
            freed = before - await asyncio.to_thread(registry.storage.used)
        say(f"{_images(len(going))} removed, {_size(freed)} freed")
        return freed

    return await alone(cluster, work, image=version, wait=wait, say=say)


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


def _clear(storage: Storage, going: Sequence[Stored], kept: Sequence[Stored], say: Say) -> None:
    """Remove what a power cut left of manifests: the registry's collection ends at it, and a push of the very
    same image would not write it again."""
    for image in (*going, *kept):
        if image.broken:
            storage.clear(image)
    for image in kept:
        if image.broken:
            say(f"{image.repository}@{image.digest}: needed, but torn or gone on the disk; build it again")


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


async def run(storage: Path, executable: Path, *, image: str, dry_run: bool, wait: float, say: Say) -> None:
    """Against the cluster of the pod's ServiceAccount, else of the kubeconfig."""
    registry = Registry(executable, Storage(storage))
    async with await Cluster.connect() as cluster:
        if dry_run:
            await show(cluster, registry, say=say)
        else:
            await collect(cluster, registry, say=say, version=image, wait=wait)


def main() -> int:
    """Exit code 0 when all is done, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m paas.registry.collect", description=__doc__)
    parser.add_argument("--storage", type=Path, required=True, help="the registry's rootdirectory")
    parser.add_argument("--registry", type=Path, required=True, help="the registry's program")
    parser.add_argument("--image", default="", help="the platform's image: nobody may run another version")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds to wait until no build runs")
    options = parser.parse_args()
    try:
        asyncio.run(
            run(
                options.storage,
                options.registry,
                image=options.image,
                dry_run=options.dry_run,
                wait=options.wait,
                say=lambda line: print(line, flush=True),
            )
        )
    except (CannotCollect, LeaseLost, ApiError, ClusterUnreachable, OSError) as problem:
        print(f"error: {str(problem) or 'no answer in time'}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
