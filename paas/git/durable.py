"""Files that are whole after a power cut, or not there: written aside, flushed, renamed, the folder flushed.

Git flushes objects and the content of refs itself (`process.STORE_CONFIG`), but neither reflogs nor the
folders in which it renames; whoever promises something to a pusher flushes those here first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Final

MANY: Final = 50
"""Refs from which on the whole file system is flushed at once: one by one, each would cost the disk several
waits."""
_libc: Final = ctypes.CDLL(None, use_errno=True)


def write(path: Path, content: bytes) -> None:
    """Replace a file. Raises OSError, and then the file is as it was."""
    aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    flush(path.parent)


def flush(path: Path) -> None:
    """What was written to this file, or which names this folder has, is on the disk; nothing to do when there
    is no such path."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(root: Path) -> None:
    """All below `root`, and `root`."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            flush(Path(folder, name))
        flush(Path(folder))


def flush_file_system(path: Path) -> None:
    """All that was written to the file system on which `path` is."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(handle) != 0:
            problem = ctypes.get_errno()
            raise OSError(problem, os.strerror(problem), str(path))
    finally:
        os.close(handle)


def flush_refs(repository: Path, refs: Collection[str], *, since: float) -> None:
    """These refs, their reflogs, and the names of objects that were stored since then (seconds since 1970).
    Blocking."""
    if len(refs) > MANY:
        flush_file_system(repository)
        return
    folders: set[Path] = set()
    for ref in refs:
        for path in (repository / ref, repository / "logs" / ref):
            flush(path)
            while path != repository:
                path = path.parent
                folders.add(path)
    objects = repository / "objects"
    with os.scandir(objects) as found:
        # the clock of a file system is coarser than time()
        folders |= {Path(entry.path) for entry in found if entry.is_dir() and _changed(entry) >= since - 2}
    for folder in sorted(folders | {objects}, reverse=True):
        flush(folder)


def _changed(entry: os.DirEntry[str]) -> float:
    """When this folder changed last, in seconds since 1970; 0 for one that is gone: another push keeps what
    is not accepted yet in a folder of its own beside the others, and takes it away at any moment."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0
