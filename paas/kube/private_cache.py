"""Short-lived files in the user's cache folder, believed only when nobody but the user can have written them.

Folder and files must be the user's own and writable by nobody else: else whoever shares the folder would
choose what our commands ask for and delete. What is not so counts as missing, and costs a request.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LARGEST: Final = 4 * 2**20
"""Bytes of a file that is read."""
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def read(name: str, *, seconds: float) -> str | None:
    """The text of a file that was written less than `seconds` ago, else None."""
    try:
        with _folder(make=False) as folder:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(handle, "rb") as file:
                about = os.fstat(handle)
                if not stat.S_ISREG(about.st_mode) or not _is_private(about):
                    return None
                if not 0 <= time.time() - about.st_mtime < seconds or about.st_size > LARGEST:
                    return None
                return file.read(LARGEST).decode()
    except (OSError, ValueError, RuntimeError):  # the last: nobody knows where the user's home is
        return None


def write(name: str, text: str) -> None:
    """Keep a text. A folder that cannot be written only costs the next command."""
    aside = f".{name}-{secrets.token_hex(8)}"
    with contextlib.suppress(OSError, RuntimeError), _folder(make=True) as folder:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(aside, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(aside, dir_fd=folder)


@contextlib.contextmanager
def _folder(*, make: bool) -> Iterator[int]:
    """The folder, held open so that it cannot be exchanged meanwhile. Raises OSError."""
    home = os.environ.get("XDG_CACHE_HOME")
    path = (Path(home) if home else Path.home() / ".cache") / "paas"
    if make:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _is_private(os.fstat(handle)):
            raise PermissionError(f"{path} is not the user's alone")
        yield handle
    finally:
        os.close(handle)


def _is_private(about: os.stat_result) -> bool:
    return about.st_uid == os.geteuid() and not about.st_mode & _OTHERS_WRITE
