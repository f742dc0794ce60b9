"""Source trees to look into: a commit of a git repository, or a folder on disk.

Symbolic links are followed inside the tree, as `docker build` does inside its context, and never out of
it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final, Protocol

from dulwich.objects import Blob, ObjectID, ShaFile, Tree

from paas.source.tree import ObjectTooLarge

MAX_LINKS: Final = 8


class Store(Protocol):
    """Objects by id: a dulwich object store, or anything that reads like one."""

    def __getitem__(self, object_id: ObjectID, /) -> ShaFile: ...


class GitTree:
    """The tree of one commit, out of a store of objects; `tree` is its hex id."""

    def __init__(self, store: Store, tree: str | bytes) -> None:
        self._store = store
        self._root = ObjectID(tree.encode() if isinstance(tree, str) else tree)

    def entries(self, folder: str) -> Collection[str] | None:
        found = self._find(folder)
        if found is None or not stat.S_ISDIR(found[0]):
            return None
        tree = self._store[found[1]]
        if not isinstance(tree, Tree):
            return None  # the mode of a damaged tree says what is not so
        return [os.fsdecode(name) for name, _, _ in tree.iteritems()]

    def holds_file(self, path: str) -> bool:
        found = self._find(path)
        return found is not None and stat.S_ISREG(found[0])

    def read(self, path: str, limit: int) -> bytes | None:
        found = self._find(path)
        if found is None or not stat.S_ISREG(found[0]):
            return None
        try:
            blob = self._store[found[1]]
        except ObjectTooLarge as problem:
            raise ObjectTooLarge(problem.reason, f"{path}: {problem.what}", problem.hint) from problem
        return blob.data if isinstance(blob, Blob) and blob.raw_length() <= limit else None

    def tree_hash(self, folder: str) -> str:
        found = self._find(folder)
        if found is None:
            raise FileNotFoundError(folder)
        return found[1].decode()

    def _find(self, path: str) -> tuple[int, ObjectID] | None:
        """Mode and id of what is at `path`, links followed; None when there is nothing."""
        waiting = [part for part in path.split("/") if part]
        at: list[str] = []
        links = 0
        mode, found = stat.S_IFDIR, self._root
        while waiting:
            part = waiting.pop(0)
            tree = self._store[found] if stat.S_ISDIR(mode) else None
            if not isinstance(tree, Tree):
                return None
            try:
                mode, found = tree[os.fsencode(part)]
            except KeyError:
                return None
            if not stat.S_ISLNK(mode):
                at.append(part)
                continue
            links += 1
            target = os.fsdecode(self._store[found].as_raw_string())
            joined = posixpath.normpath(posixpath.join(*at, target))
            if links > MAX_LINKS or target.startswith("/") or joined.startswith("../") or joined == "..":
                return None
            waiting = [*([] if joined == "." else joined.split("/")), *waiting]
            at, mode, found = [], stat.S_IFDIR, self._root
        return mode, found


class FolderTree:
    """A folder on disk, for `new-app`: what is there now, committed or not."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def entries(self, folder: str) -> Collection[str] | None:
        path = self._inside(folder)
        try:
            return [entry.name for entry in path.iterdir()] if path is not None and path.is_dir() else None
        except OSError:
            return None  # not for us to read

    def holds_file(self, path: str) -> bool:
        found = self._inside(path)
        return found is not None and found.is_file()

    def read(self, path: str, limit: int) -> bytes | None:
        found = self._inside(path)
        try:
            if found is None or not found.is_file() or found.stat().st_size > limit:
                return None
            return found.read_bytes()
        except OSError:
            return None  # not for us to read

    def _inside(self, path: str) -> Path | None:
        try:
            found = (self._root / path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        return found if found.is_relative_to(self._root) else None
