"""Packing repositories again, so that pushes, fetches and the disk do not pay for their past.

Every push leaves a pack or loose objects of its own; git looks through all of them for each object, and what
a deleted branch had stays on the disk. A repack makes one pack of all that is reachable and takes away the
rest.

- It begins only when it pays, the repository has been quiet for a while, and nothing else is packed.
- Whatever comes for the repository meanwhile ends it at once: nobody waits for a repack, and none runs while
  a push, a fetch or an archive does, so that nothing is taken away under them.
- It has little memory, a low priority, and a time.
- It may be killed at any moment: the new pack is on the disk before an old one is removed, and what is left
  half made is removed by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paas.git import durable, memory, process, usage
from paas.git.repositories import Repositories, Repository
from paas.reconcile.tasks import cancelled

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 60.0
"""How long a repository must have been left alone."""
LONGEST: Final = 900.0
"""Seconds that one repack may take."""
AGAIN_SECONDS: Final = 24 * 3600.0
"""After one that failed: until it is tried again."""
PACKS: Final = 20
LOOSE: Final = 2000
"""From so many packs or loose objects on it pays."""
GARBAGE: Final = "garbage"
"""File of a repository: a branch or tag went away since the last repack, and perhaps objects with it."""
CONFIG: Final = {
    "pack.threads": "1",
    "pack.windowMemory": "16m",
    "pack.deltaCacheSize": "16m",
    "core.deltaBaseCacheLimit": "16m",
    "core.packedGitLimit": "64m",
    "repack.writeBitmaps": "false",
}


@dataclass(frozen=True)
class Stored:
    """How the objects of a repository are stored."""

    packs: int
    loose: int
    """About: git's names are even, so some of the folders tell for all."""
    garbage: bool

    @property
    def pays(self) -> bool:
        return self.garbage or self.packs >= PACKS or self.loose >= LOOSE


@dataclass
class _Use:
    """What is known of one repository since the server runs."""

    last: float = field(default_factory=time.monotonic)
    not_before: float = 0.0


class Upkeep:
    """One of a server. `use` is around everything that works in a repository for a client."""

    def __init__(
        self,
        repositories: Repositories,
        *,
        quiet: float = QUIET_SECONDS,
        counted: Callable[[str], None] = lambda _result: None,
    ) -> None:
        self._repositories, self._quiet, self._counted = repositories, quiet, counted
        self._using: Counter[Path] = Counter()
        self._known: dict[Path, _Use] = {}
        self._packing: tuple[Path, asyncio.Task[None]] | None = None

    @contextlib.asynccontextmanager
    async def use(self, repository: Repository) -> AsyncIterator[None]:
        """Work in this repository, which is not packed meanwhile."""
        path = repository.path
        self._using[path] += 1
        try:
            if self._packing is not None and self._packing[0] == path:
                await cancelled(self._packing[1])
            yield
        finally:
            self._using[path] -= 1
            if not self._using[path]:
                del self._using[path]
            self._known.setdefault(path, _Use()).last = time.monotonic()

    async def run(self) -> None:
        """For ever: pack what it pays for, one after the other."""
        while True:
            await asyncio.sleep(self._quiet / 2)
            for repository in await asyncio.to_thread(lambda: list(self._repositories.all())):
                try:
                    await self.look(repository)
                except Exception:
                    # what one repository does must not keep the others from being packed
                    log.exception("repository %s (%s) could not be packed", repository.uid, repository.key)
                    self._later(repository.path)

    async def look(self, repository: Repository) -> bool:
        """Pack this repository if it pays and nobody uses it; whether it did."""
        path, now = repository.path, time.monotonic()
        known = self._known.setdefault(path, _Use(last=now - self._quiet))
        if self._using[path] or now < max(known.last + self._quiet, known.not_before):
            return False
        stored = await asyncio.to_thread(look, path)
        if not stored.pays or self._using[path]:
            return False
        task = asyncio.create_task(self._pack(repository, stored), name=f"pack {repository.key}")
        self._packing = (path, task)
        try:
            await asyncio.wait({task})
        finally:
            await cancelled(task)
            self._packing = None
        return task.cancelled() is False and task.exception() is None

    async def _pack(self, repository: Repository, stored: Stored) -> None:
        path = repository.path
        began, before = time.monotonic(), await usage.size_of(path)
        try:
            async with asyncio.timeout(LONGEST):
                await repack(path)
        except asyncio.CancelledError:
            self._counted("interrupted")
            raise
        except (process.GitFailed, TimeoutError, OSError) as problem:
            self._counted("failed")
            self._later(path)
            log.warning("repository %s (%s) cannot be packed: %s", repository.uid, repository.key, problem)
            return
        finally:
            usage.changed(path)
            await asyncio.to_thread(remove_leftovers, path)
        self._counted("packed")
        log.info(
            "packed repository %s (%s): %d packs, about %d loose objects, %d bytes before, %d after, %.1f s",
            repository.uid, repository.key, stored.packs, stored.loose, before, await usage.size_of(path),
            time.monotonic() - began,
        )  # fmt: skip

    def _later(self, path: Path) -> None:
        self._known.setdefault(path, _Use()).not_before = time.monotonic() + AGAIN_SECONDS


def branch_deleted(repository: Path) -> None:
    """Note that objects may have become unreachable."""
    (repository / GARBAGE).touch()


def look(repository: Path) -> Stored:
    """Blocking."""
    objects = repository / "objects"
    packs = sum(1 for _ in (objects / "pack").glob("pack-*.pack"))
    sampled = [objects / f"{number:02x}" for number in range(0, 256, 16)]
    loose = sum(len(os.listdir(folder)) for folder in sampled if folder.is_dir())
    return Stored(packs, loose * 16, (repository / GARBAGE).exists())


async def repack(repository: Path) -> None:
    """One pack of all that is reachable, and nothing else. Nobody else may write meanwhile. Raises GitFailed,
    OSError; whatever ends it, all that is reachable stays."""
    folder = repository / "objects/pack"
    old = {path.stem for path in folder.glob("pack-*.pack")}
    await _run(repository, ["repack", "-a", "-q", "--no-write-bitmap-index"])
    # a file system may carry out the removal of an old pack before it has written the new one
    await asyncio.to_thread(durable.flush, folder)
    new = {path.stem for path in folder.glob("pack-*.pack")} - old
    if new:
        await asyncio.to_thread(_remove_packs, folder, old)
    await _run(repository, ["prune-packed", "-q"])
    if new or not old:
        # What no ref and no reflog reaches. Not what is young: should this server die, git goes on for a
        # moment, and a push to the next server may have brought objects by then that no ref reaches yet.
        await _run(repository, ["prune", "--expire=1.hour.ago"])
    (repository / GARBAGE).unlink(missing_ok=True)


async def _run(repository: Path, argv: list[str]) -> None:
    child = await process.start(
        ["--git-dir=.", *argv], repository=repository, limit=memory.REPACK, config=CONFIG
    )
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, child.pid, 15)
    try:
        _, said = await child.communicate()
    finally:
        await process.stop(child)
    if child.returncode != 0:
        raise process.GitFailed(argv, child.returncode, said.decode(errors="replace"))


def _remove_packs(folder: Path, names: set[str]) -> None:
    """As git does: the index first, without which nobody looks for the pack."""
    for name in sorted(names):
        if (folder / f"{name}.keep").exists():
            continue
        for ending in (".idx", ".rev", ".bitmap", ".mtimes", ".pack"):
            (folder / f"{name}{ending}").unlink(missing_ok=True)


def remove_leftovers(repository: Path) -> None:
    """What a repack that was ended left half made. Blocking; nobody else may write meanwhile."""
    folder = repository / "objects/pack"
    for path in (*folder.glob(".tmp-*"), *folder.glob("tmp_*")):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
