"""Short-lived files of the user, believed only when nobody but the user can have written them.

Folder and files must be the user's own and writable by nobody else: else whoever shares the folder would
choose what our commands ask for and delete, or whose token they send. What is not so counts as missing, and
costs a request. A file with a secret in it must also be readable by nobody else (`forbidden`).

git starts a process that reads here for every request, so this imports the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST: Final = 4 * 2**20
"""Bytes of a file that is read."""
NO_WRITE: Final = 0o022
"""What others may not have for a text to be believed: they may read it."""
NOTHING: Final = 0o077
"""What others may not have for a secret."""


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """The user's cache folder for us; None when nobody knows where the user's home is."""
    given = environment.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "paas"
    except RuntimeError:
        return None


def runtime_folder(environment: Mapping[str, str]) -> Path | None:
    """The user's folder for us that is gone at logout, else the cache folder."""
    given = environment.get("XDG_RUNTIME_DIR")
    if given and os.access(given, os.W_OK):
        return Path(given) / "paas"
    return cache_folder(environment)


@dataclass(frozen=True)
class PrivateCache:
    """Files of one folder. `forbidden`: what others must not be allowed of a file. Where there is no folder,
    nothing is kept."""

    folder: Path | None
    forbidden: int

    def read(self, name: str, *, seconds: float) -> str | None:
        """The text of a file that was written less than `seconds` ago, else None."""
        try:
            with self._open(make=False) as folder:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
                    about = os.fstat(file.fileno())
                    if not stat.S_ISREG(about.st_mode) or not _is_private(about, self.forbidden):
                        return None
                    if not 0 <= time.time() - about.st_mtime < seconds or about.st_size > LARGEST:
                        return None
                    return file.read(LARGEST).decode()
        except (OSError, ValueError):
            return None

    def write(self, name: str, text: str) -> None:
        """Keep a text (0600). A folder that cannot be written only costs the next command."""
        aside = f".{name}-{secrets.token_hex(8)}"
        with contextlib.suppress(OSError), self._open(make=True) as folder:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(aside, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(aside, dir_fd=folder)  # a full disk would get one from every command

    def forget(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(OSError), self._open(make=False) as folder:
            os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _open(self, *, make: bool) -> Iterator[int]:
        """The folder, held open so that it cannot be exchanged meanwhile. Raises OSError."""
        if self.folder is None:
            raise FileNotFoundError("no folder")
        if make:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # who may only list the folder learns names that are digests, and can exchange nothing
            if not _is_private(os.fstat(handle), NO_WRITE):
                raise PermissionError(f"{self.folder} is not the user's alone")
            yield handle
        finally:
            os.close(handle)


def _is_private(about: os.stat_result, forbidden: int) -> bool:
    return about.st_uid == os.geteuid() and not about.st_mode & forbidden
