"""The hosted repositories on disk: one bare repository a BuildConfig, in a directory named by its UID.

A repository is made when it is first asked for, complete or not at all (made aside, then renamed), and
outlives its BuildConfig by a week. Git writes into it (receive-pack, update-ref), dulwich reads.
Besides what git keeps there are:

    refs/paas/handled/<branch>   up to where the worker has handled the branch; the mark is in its reflog
    refs/paas/builds/<number>    keeps the commit of a Build while that Build lives
    paas.json                    which BuildConfig this is
    vanished                     since when (mtime) there has been no such BuildConfig
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dulwich.refs import Ref
from dulwich.repo import Repo

from paas.api.resources import Key
from paas.git import process
from paas.git.push import BRANCHES, OWN_REFS
from paas.git.reflog import Entry, Handled, parse

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long the repository of a BuildConfig that is gone is kept."""
LOCK_SECONDS: Final = 30
LEFTOVER_SECONDS: Final = 2 * 3600
HANDLED: Final = f"{OWN_REFS}/handled/"
PINS: Final = f"{OWN_REFS}/builds/"
_UID: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z-]{0,62}[0-9A-Za-z])?")
ATTRIBUTES: Final = "* -export-ignore -export-subst -text -ident -filter !working-tree-encoding\n"
"""A build gets every file of its commit byte by byte, whatever .gitattributes says about archives and working
folders; so does one of an external repository."""


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
        """Object ids in hex by full ref name."""
        with contextlib.closing(self.open()) as repo:
            found = repo.refs.as_dict(Ref(prefix.rstrip("/").encode()))
        return {prefix + name.decode(errors="surrogateescape"): sha.decode() for name, sha in found.items()}

    def branches(self) -> dict[str, str]:
        """Commits by branch."""
        return {ref.removeprefix(BRANCHES): commit for ref, commit in self.refs(BRANCHES).items()}

    def head(self) -> str:
        """The branch that HEAD names, whether it exists or not."""
        text = (self.path / "HEAD").read_text().strip()
        return text.removeprefix("ref: ").removeprefix(BRANCHES)

    def entries(self, branch: str) -> list[Entry]:
        """The branch's reflog, oldest first."""
        try:
            return parse((self.path / "logs" / BRANCHES / branch).read_bytes())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return []

    async def commit(self, revision: str) -> str | None:
        """The whole id of a stored commit of which `revision` is the id or its beginning (4 hexadecimal
        digits or more); None when there is none, or several begin so."""
        argv = [f"--git-dir={self.path}", "cat-file", "--batch-check"]
        said = (await process.run(argv, input=f"{revision}^{{commit}}\n".encode())).decode().split()
        return said[0] if said[1:2] == ["commit"] else None

    def handled(self) -> dict[str, Handled]:
        """Up to where each branch was handled."""
        marks = {}
        for ref, commit in self.refs(HANDLED).items():
            marks[ref.removeprefix(HANDLED)] = Handled(commit, self._mark(ref, commit))
        return marks

    def _mark(self, ref: str, commit: str) -> str | None:
        try:
            lines = (self.path / "logs" / ref).read_bytes().split(b"\n")[:-1]
        except OSError:
            return None
        message = lines[-1].rpartition(b"\t")[2].decode(errors="replace").split() if lines else []
        agrees = bool(lines) and lines[-1][41:81].decode(errors="replace") == commit
        return message[1] if agrees and message[:1] == ["handled"] and message[1] != "-" else None

    def tidy(self, *, now: float) -> list[Path]:
        """Remove what git children leave that were killed outright: locks, which would keep a branch
        from ever moving again, and half a pack. Git holds a lock for milliseconds, and a push lasts an hour
        at most. The paths removed."""
        found = [
            (path, LOCK_SECONDS) for path in (*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock"))
        ]
        found += [(path, LEFTOVER_SECONDS) for path in self.path.glob("objects/tmp_objdir-*")]
        found += [(path, LEFTOVER_SECONDS) for path in self.path.glob("objects/pack/tmp_*")]
        removed = []
        for path, age in found:
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > age:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed.append(path)
        return removed

    # -- writing ---------------------------------------------------------------------------------------

    async def mark(self, branch: str, entry: Entry, *, pin: int | None) -> None:
        """Note that `entry` was handled, and keep its commit for Build number `pin`."""
        ref = HANDLED + branch
        if self.refs(HANDLED).get(ref) == entry.new:
            # git writes no log line for a ref that stays where it is, and the mark is in the log
            await self._update(f"delete {ref}\0\0")
        lines = f"update {ref}\0{entry.new}\0\0"
        if pin is not None:
            lines += f"update {PINS}{pin}\0{entry.new}\0\0"
        await self._update(lines, message=f"handled {entry.mark or '-'}")

    async def pin(self, number: int, commit: str) -> None:
        """Keep this commit for a Build that no push made."""
        await self._update(f"update {PINS}{number}\0{commit}\0\0")

    async def forget(self, branch: str) -> None:
        """The branch is gone; whatever comes under its name is new."""
        await self._update(f"delete {HANDLED}{branch}\0\0")

    async def unpin(self, numbers: set[int]) -> None:
        """Commits of these Builds need not be kept any more."""
        await self._update("".join(f"delete {PINS}{number}\0\0" for number in sorted(numbers)))

    def pins(self) -> set[int]:
        """Numbers of the Builds whose commits are kept."""
        numbers = (ref.removeprefix(PINS) for ref in self.refs(PINS))
        return {int(number) for number in numbers if number.isdigit()}

    async def set_head(self, branch: str) -> None:
        await process.run([f"--git-dir={self.path}", "symbolic-ref", "HEAD", BRANCHES + branch])

    async def _update(self, lines: str, *, message: str = "paas") -> None:
        if lines:
            argv = [f"--git-dir={self.path}", "update-ref", "-m", message, "--stdin", "-z"]
            # not flushed: a mark that is lost with the power is made again
            quick = {"core.fsync": "none"}
            await process.run(argv, input=lines.encode(errors="surrogateescape"), config=quick)


class Repositories:
    """All repositories below one directory, which only one server writes to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._making: dict[str, asyncio.Lock] = {}
        self._attributed: set[Path] = set()
        """Repositories whose attributes are known to be those of this version."""

    async def open(self, uid: str, key: Key) -> Repository:
        """The repository of the BuildConfig with this UID; made when there is none yet."""
        if _UID.fullmatch(uid) is None:
            raise ValueError(f"not a UID: {uid!r}")
        path = self.root / uid
        lock = self._making.setdefault(uid, asyncio.Lock())
        async with lock:
            if not path.is_dir():
                await self._make(path, key)
            elif path not in self._attributed:
                _renew_attributes(path)
            self._attributed.add(path)
        self._making.pop(uid, None)
        return Repository(path, uid, key)

    async def _make(self, path: Path, key: Key) -> None:
        aside = self.root / f".new-{path.name}-{secrets.token_hex(4)}"
        try:
            await process.run(
                ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(aside)]
            )
            (aside / "info").mkdir(exist_ok=True)
            (aside / "info" / "attributes").write_text(ATTRIBUTES)
            (aside / "paas.json").write_text(json.dumps({"project": key.namespace, "name": key.name}))
            os.rename(aside, path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def get(self, uid: str) -> Repository | None:
        """The repository of that UID if there is one."""
        if _UID.fullmatch(uid) is None:
            return None
        try:
            about = json.loads((self.root / uid / "paas.json").read_text())
            return Repository(self.root / uid, uid, Key(about["project"], about["name"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def all(self) -> Iterator[Repository]:
        """Every repository, in no order."""
        if not self.root.is_dir():
            return
        for path in self.root.iterdir():
            if (found := self.get(path.name)) is not None:
                yield found

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
        shutil.rmtree(aside, ignore_errors=True)


def _renew_attributes(repository: Path) -> None:
    """Give a repository that an earlier version made the attributes of this one."""
    file = repository / "info" / "attributes"
    if not file.is_file() or file.read_text() != ATTRIBUTES:
        file.parent.mkdir(exist_ok=True)
        file.with_name("attributes.new").write_text(ATTRIBUTES)
        file.with_name("attributes.new").rename(file)
