"""What a client sends, kept until all of it is there: in memory when it is small, else in a file that has no
name and goes with its process.

So a git child is started for what has arrived only. A client that sends slowly holds a connection, and
neither a process nor the memory that is set apart for one; and what was kept can be given to a second child.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

IN_MEMORY: Final = 2**16
"""Bytes that need no file."""
PIECE: Final = 2**17
FREE: Final = 256 * 2**20
"""Bytes of the disk that are left to what was accepted already."""


class NoRoom(Exception):
    """The disk is nearly full."""


class TooMuchKept(Exception):
    """So much of one project is kept already."""


class Kept:
    """Bytes that are kept at the moment, by project: of packs that arrive, and of packs that wait for their
    turn. Quotas count what is stored; without this, one project could fill the disk for all others by what
    never will be."""

    def __init__(self, most_of_one: int) -> None:
        self._most = most_of_one
        self._held: Counter[str] = Counter()

    def take(self, project: str, count: int) -> None:
        """Raises TooMuchKept."""
        if self._held[project] + count > self._most:
            raise TooMuchKept
        self._held[project] += count

    def release(self, project: str, count: int) -> None:
        self._held[project] -= count
        self._held += Counter()  # forget projects of which nothing is kept

    @property
    def projects(self) -> int:
        """How many there are of which something is kept."""
        return len(self._held)


class Spool:
    """A file in `folder`, counted among what is `kept` of a project. Close it."""

    def __init__(self, folder: Path, kept: Kept, project: str) -> None:
        self._folder, self._kept, self._project = folder, kept, project
        self._pieces = bytearray()
        self._file: IO[bytes] | None = None
        self._checked = 0
        self._closed = False
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Keep these bytes, too. Raises NoRoom, TooMuchKept, OSError."""
        self._kept.take(self._project, len(data))
        self.size += len(data)
        self._pieces += data
        if len(self._pieces) > (PIECE if self._file else IN_MEMORY):
            # a disk that is busy must not keep the event loop waiting
            await asyncio.to_thread(self._to_file)

    def _to_file(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by `close`
        if self.size - self._checked > 16 * PIECE:
            self._checked = self.size
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < FREE:
                raise NoRoom
        self._file.write(self._pieces)
        self._pieces.clear()

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, from the beginning."""
        if self._file is None:
            yield bytes(self._pieces)
            return
        file, rest = self._file, bytes(self._pieces)
        await asyncio.to_thread(file.seek, 0)
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
        yield rest

    def close(self) -> None:
        """Keep nothing any more. Again and again does nothing."""
        if not self._closed:
            self._closed = True
            self._kept.release(self._project, self.size)
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
