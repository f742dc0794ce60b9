"""The hosted repositories on disk: one bare repository a BuildConfig, in a directory named by its UID.

A repository is made when it is first asked for, complete or not at all (made aside, then renamed), and
outlives its BuildConfig by a week. Git writes into it (receive-pack, update-ref), dulwich reads. What a power
cut tore is repaired whenever it is opened (`repair`).
Besides what git keeps there are:

    refs/paas/handled/<branch>   up to where the worker has handled the branch; the mark is in its reflog
    refs/paas/builds/<number>    keeps the commit of a Build while that Build lives
    paas.json                    which BuildConfig this is, and which branch HEAD names
    vanished                     since when (mtime) there has been no such BuildConfig
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dulwich.refs import Ref
from dulwich.repo import Repo

from paas.api.resources import Key
from paas.git import durable, process, repair, usage
from paas.git.push import BRANCHES, OWN_REFS, ZERO
from paas.git.reflog import Entry, Handled, mark_line, mark_message, mark_of, parse
from paas.git.repair import ATTRIBUTES, HANDLED

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long the repository of a BuildConfig that is gone is kept."""
LOCK_SECONDS: Final = 30
LEFTOVER_SECONDS: Final = 2 * 3600
PINS: Final = f"{OWN_REFS}/builds/"
_OBJECT_ID: Final = re.compile(rb"[0-9a-f]{40}")
_UID: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z-]{0,62}[0-9A-Za-z])?")


@dataclass(frozen=True)
class Repository:
    """One bare repository; `key` is its BuildConfig's."""

    path: Path
    uid: str
    key: Key

    # -- reading ---------------------------------------------------------------------------------------

    def open(self) -> Repo:
        """By dulwich, for reading; close it."""
        return Repo(str(self.path))

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Object ids in hex by full ref name; a ref whose file is torn is left out."""
        with contextlib.closing(self.open()) as repo:
            found = repo.refs.as_dict(Ref(prefix.rstrip("/").encode()))
        values = {prefix + name.decode(errors="surrogateescape"): sha for name, sha in found.items()}
        return {ref: sha.decode() for ref, sha in values.items() if _OBJECT_ID.fullmatch(sha)}

    def branches(self) -> dict[str, str]:
        """Commits by branch."""
        return {ref.removeprefix(BRANCHES): commit for ref, commit in self.refs(BRANCHES).items()}

    def head(self) -> str:
        """The branch that HEAD names, whether it exists or not."""
        return repair.head_of(self.path) or "main"

    def entries(self, branch: str) -> list[Entry]:
        """The branch's reflog, oldest first."""
        try:
            return parse((self.path / "logs" / BRANCHES / branch).read_bytes())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return []

    async def commit(self, revision: str) -> str | None:
        """The whole id of a stored commit of which `revision` is the id or its beginning (4 hexadecimal
        digits or more); None when there is none, or several begin so."""
        argv = ["--git-dir=.", "cat-file", "--batch-check"]
        asked = f"{revision}^{{commit}}\n".encode()
        said = (await process.run(argv, repository=self.path, input=asked)).decode().split()
        return said[0] if said[1:2] == ["commit"] else None

    async def size(self) -> int:
        """Bytes on the disk, as they were after the last push or repack."""
        return await usage.size_of(self.path)

    def handled(self) -> dict[str, Handled]:
        """Up to where each branch was handled."""
        torn = repair.torn_marks(self.path)
        values = {ref.removeprefix(HANDLED): commit for ref, commit in self.refs(HANDLED).items()}
        values |= dict.fromkeys(torn, "")
        return {branch: mark_of(self._mark_log(branch), commit) for branch, commit in values.items()}

    def _mark_log(self, branch: str) -> bytes:
        try:
            return (self.path / "logs" / HANDLED / branch).read_bytes()
        except OSError:
            return b""

    def tidy(self, *, now: float) -> list[Path]:
        """Remove what git children leave that were killed outright: locks, which would keep a branch
        from ever moving again, and half a pack. Git holds a lock for milliseconds, and a push lasts an hour
        at most. The paths removed."""
        found = [
            (path, LOCK_SECONDS) for path in (*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock"))
        ]
        found += [(path, LEFTOVER_SECONDS) for path in self.path.glob("objects/tmp_objdir-*")]
        for half_a_pack in ("tmp_*", ".tmp-*"):
            found += [(path, LEFTOVER_SECONDS) for path in self.path.glob(f"objects/pack/{half_a_pack}")]
        found += [(path, LEFTOVER_SECONDS) for path in (*self.path.glob(".*"), *self.path.glob("info/.*"))]
        removed = []
        for path, age in found:
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > age:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed.append(path)
        if removed:
            usage.changed(self.path)  # half a pack counts for the quota as long as it is measured
        return removed

    # -- writing ---------------------------------------------------------------------------------------

    async def mark(self, handled: Mapping[str, Entry], *, pins: Mapping[int, str]) -> None:
        """Note that these entries, one a branch, were handled; keep commits for Builds, by their numbers."""
        await self._update("".join(f"update {PINS}{n}\0{commit}\0\0" for n, commit in pins.items()))
        before, torn = self.refs(HANDLED), repair.torn_marks(self.path)
        moving = {b: e for b, e in handled.items() if b in torn or before.get(HANDLED + b) != e.new}
        message = "paas"
        for branch, entry in handled.items():
            if branch in torn:
                (self.path / HANDLED / branch).unlink(missing_ok=True)  # git would stumble over it
            if len(moving) == 1 and branch in moving:
                message = mark_message(entry.mark)
            else:
                # Git has one message for all refs of a transaction, and writes none for a ref that stays. The
                # line goes first: without it the mark would say nothing.
                self._log_mark(branch, before.get(HANDLED + branch, ZERO), entry)
        lines = (f"update {HANDLED}{branch}\0{entry.new}\0\0" for branch, entry in moving.items())
        await self._update("".join(lines), message=message)

    async def pin(self, number: int, commit: str) -> None:
        """Keep this commit for a Build that no push made."""
        await self._update(f"update {PINS}{number}\0{commit}\0\0")

    def _log_mark(self, branch: str, old: str, entry: Entry) -> None:
        path = self.path / "logs" / HANDLED / branch
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log_file:
            log_file.write(mark_line(old, entry, now=int(time.time())))

    async def forget(self, branches: Iterable[str]) -> None:
        """These branches are gone; whatever comes under their names is new."""
        branches = sorted(branches)
        for branch in repair.torn_marks(self.path).intersection(branches):
            (self.path / HANDLED / branch).unlink(missing_ok=True)
        await self._update("".join(f"delete {HANDLED}{branch}\0\0" for branch in branches))

    async def unpin(self, numbers: set[int]) -> None:
        """Commits of these Builds need not be kept any more."""
        await self._update("".join(f"delete {PINS}{number}\0\0" for number in sorted(numbers)))

    def pins(self) -> set[int]:
        """Numbers of the Builds whose commits are kept."""
        numbers = (ref.removeprefix(PINS) for ref in self.refs(PINS))
        return {int(number) for number in numbers if number.isdigit()}

    def set_head(self, branch: str) -> None:
        repair.write_head(self.path, branch)
        repair.write_about(self.path, self.key, branch)

    async def repair(self) -> None:
        """Rebuild what a power cut tore. Raises OSError."""
        for what in await asyncio.to_thread(repair.repair, self.path, self.key):
            log.warning("repository %s (%s): %s", self.uid, self.key, what)

    async def _update(self, lines: str, *, message: str = "paas") -> None:
        if lines:
            argv = ["--git-dir=.", "update-ref", "-m", message, "--stdin", "-z"]
            # not flushed: a mark that is lost with the power is made again
            quick = {"core.fsync": "none"}
            data = lines.encode(errors="surrogateescape")
            await process.run(argv, repository=self.path, input=data, config=quick)


class Repositories:
    """All repositories below one directory, which only one server writes to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._making: dict[str, asyncio.Lock] = {}

    async def open(self, uid: str, key: Key) -> Repository:
        """The repository of the BuildConfig with this UID; made when there is none yet."""
        if _UID.fullmatch(uid) is None:
            raise ValueError(f"not a UID: {uid!r}")
        repository = Repository(self.root / uid, uid, key)
        lock = self._making.setdefault(uid, asyncio.Lock())
        async with lock:
            if not repository.path.is_dir():
                await self._make(repository.path, key)
            else:
                await repository.repair()
        self._making.pop(uid, None)
        return repository

    async def _make(self, path: Path, key: Key) -> None:
        aside = self.root / f".new-{path.name}-{secrets.token_hex(4)}"
        try:
            await process.run(
                ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(aside)]
            )
            await asyncio.to_thread(self._complete, aside, key)
            os.rename(aside, path)
            await asyncio.to_thread(durable.flush, self.root)
        finally:
            usage.changed(path)
            shutil.rmtree(aside, ignore_errors=True)

    @staticmethod
    def _complete(path: Path, key: Key) -> None:
        (path / "config").write_bytes(repair.CONFIG)
        (path / "info").mkdir(exist_ok=True)
        (path / "info/attributes").write_text(ATTRIBUTES)
        repair.write_about(path, key, "main")
        durable.flush_tree(path)

    def get(self, uid: str) -> Repository | None:
        """The repository of that UID if there is one."""
        if _UID.fullmatch(uid) is None:
            return None
        try:
            about = repair.about(self.root / uid)
        except OSError:
            return None
        return Repository(self.root / uid, uid, Key(about["project"], about["name"])) if about else None

    def all(self) -> Iterator[Repository]:
        """Every repository, in no order."""
        if not self.root.is_dir():
            return
        for path in self.root.iterdir():
            if (found := self.get(path.name)) is not None:
                yield found

    async def size_of(self, project: str) -> int:
        """Bytes of all repositories of a project, also of those whose BuildConfig is gone."""
        found = await asyncio.to_thread(lambda: [r for r in self.all() if r.key.namespace == project])
        return sum([await repository.size() for repository in found])

    async def identify(self, live: Mapping[str, Key]) -> list[Repository]:
        """Repositories that did not know any more whose they are, and do again (`live`: as for `sweep`)."""
        found = []
        for uid, key in live.items():
            if (self.root / uid).is_dir() and self.get(uid) is None:
                with contextlib.suppress(OSError):  # the next look tries again
                    found.append(await self.open(uid, key))
        return found

    async def sweep(self, live: Mapping[str, Key], *, now: float | None = None) -> list[str]:
        """Note which BuildConfigs (`live`: all that exist, by UID) are gone, and remove repositories whose
        BuildConfig has been gone for a week. The UIDs removed."""
        moment = time.time() if now is None else now
        removed = []
        for repository in list(self.all()):
            try:
                if await self._sweep_one(repository, repository.uid in live, moment):
                    removed.append(repository.uid)
            except OSError:
                # one that cannot be looked at or removed must not keep the others on a full disk
                log.exception("repository %s (%s) could not be swept", repository.uid, repository.key)
        for leftover in self.root.glob(".*"):
            with contextlib.suppress(FileNotFoundError):  # it has just got its name
                if leftover.name.startswith((".gone-", ".new-")) and moment - leftover.stat().st_mtime > 3600:
                    await asyncio.to_thread(shutil.rmtree, leftover, True)
        return removed

    async def _sweep_one(self, repository: Repository, live: bool, moment: float) -> bool:
        """Whether it was removed."""
        for path in await asyncio.to_thread(repository.tidy, now=moment):
            log.warning("removed %s, which a killed git process left", path)
        mark = repository.path / "vanished"
        if live:
            mark.unlink(missing_ok=True)
        elif not mark.exists():
            mark.touch()
            os.utime(mark, (moment, moment))
            log.info("BuildConfig %s is gone; its repository is kept for 7 days", repository.key)
        elif moment - mark.stat().st_mtime > KEPT_SECONDS:
            await asyncio.to_thread(self._remove, repository.path)
            return True
        return False

    def _remove(self, path: Path) -> None:
        aside = self.root / f".gone-{path.name}-{secrets.token_hex(4)}"
        os.rename(path, aside)  # at once, so that nothing half removed is ever seen
        usage.changed(path)
        shutil.rmtree(aside, ignore_errors=True)
