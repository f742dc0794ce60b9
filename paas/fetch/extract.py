"""Writing files that somebody else named: nothing is ever written outside one folder.

Every path is walked part by part from the folder's own descriptor, without following links, so neither
`..` nor a link that the same source brought along leads out. Executable bits and symbolic links are kept;
everything else of a mode, owners, devices and the like are not.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from paas.terminal.progress_lines import step

CHUNK: Final = 1 << 20
MAX_ENTRIES: Final = 1_000_000
MAX_DEPTH: Final = 128
POINTER: Final = b"version https://git-lfs.github.com/spec/v1\noid sha256:"
"""How a file begins that stands for one in Git LFS; the whole of it is below 1,024 bytes."""
END_OF_ARCHIVE: Final = 1024
"""Bytes of zeros at the end of a tar archive."""


class UnsafePath(Exception):
    """The source contains something that must not be written; the text says what."""


class TooLarge(Exception):
    """The source is larger than its limit."""


class Extraction:
    """An empty folder that a source is written into. Not for several threads."""

    def __init__(self, root: Path, *, size_limit: int) -> None:
        """`root` is made if need be; `size_limit` is the sum of file sizes in bytes."""
        root.mkdir(parents=True, exist_ok=True)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._left = size_limit
        self._limit = size_limit
        self._at: tuple[tuple[str, ...], int] = ((), self._root)
        self.files = 0
        self.pointers: list[str] = []
        """Files that are Git LFS pointers."""
        self._entries = 0
        self._folders: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        os.close(self._root)

    @property
    def written(self) -> int:
        """Bytes written so far."""
        return self._limit - self._left

    @property
    def empty(self) -> list[str]:
        """Folders without anything in them. git stores none, so each stands for a submodule."""
        return sorted(self._folders)

    def folder(self, path: str) -> None:
        parts = _parts(path)
        self._enter(parts)
        self._folders.add("/".join(parts))
        self._folders.discard("/".join(parts[:-1]))

    def file(self, path: str, content: IO[bytes] | Iterable[bytes], *, executable: bool) -> None:
        *parents, name = self._new(path)
        folder = self._enter(tuple(parents))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            chunks = iter(lambda: content.read(CHUNK), b"") if hasattr(content, "read") else content
            first = True
            for chunk in chunks:
                if first and chunk.startswith(POINTER) and len(chunk) < 1024:
                    self.pointers.append(path)
                first = False
                self._left -= len(chunk)
                if self._left < 0:
                    raise TooLarge(f"the source is larger than {self._limit} bytes")
                view = memoryview(chunk)
                while view:
                    view = view[os.write(handle, view) :]
            os.fchmod(handle, 0o755 if executable else 0o644)
        finally:
            os.close(handle)
        self.files += 1

    def link(self, path: str, target: str) -> None:
        """A symbolic link with any target: it is kept, never followed."""
        *parents, name = self._new(path)
        os.symlink(target, name, dir_fd=self._enter(tuple(parents)))
        self.files += 1

    def _new(self, path: str) -> tuple[str, ...]:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise TooLarge(f"the source has more than {MAX_ENTRIES} files")
        parts = _parts(path)
        if not parts:
            raise UnsafePath("the source has a file without a name")
        self._folders.discard("/".join(parts[:-1]))
        return parts

    def _enter(self, parts: tuple[str, ...]) -> int:
        """Descriptor of a folder, made if need be; that of the last one is kept for the next file."""
        if self._at[0] == parts:
            return self._at[1]
        self._leave()
        handle = os.dup(self._root)
        for part in parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=handle)
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as problem:
                os.close(handle)
                raise UnsafePath(
                    f"{'/'.join(parts)!r} leads through something that is not a folder"
                ) from problem
            os.close(handle)
            handle = inner
        self._at = (parts, handle)
        return handle

    def _leave(self) -> None:
        if self._at[1] != self._root:
            os.close(self._at[1])
        self._at = ((), self._root)


class _Whole:
    """A tar stream that knows whether it came to its end.

    tarfile takes a stream that breaks off between two files for a complete one, so the two blocks of
    zeros that end every archive are looked for here.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._last = b""

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._last = (self._last + data)[-END_OF_ARCHIVE:]
        return data

    def finish(self) -> None:
        """Read to the end. Raises tarfile.ReadError when the end is missing."""
        while self.read(CHUNK):
            pass
        if self._last != bytes(END_OF_ARCHIVE):
            raise tarfile.ReadError("the archive breaks off before its end")


def unpack(stream: IO[bytes], extraction: Extraction) -> None:
    """Extract a tar stream of `git archive`. Raises UnsafePath, TooLarge, tarfile.TarError (also
    for a stream that was cut off) and what reading the stream raises."""
    whole = _Whole(stream)
    source = cast(IO[bytes], whole)
    with tarfile.open(fileobj=source, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for entry in archive:
            if entry.isreg():
                content = archive.extractfile(entry)
                assert content is not None, "a regular file has content"
                extraction.file(entry.name, content, executable=bool(entry.mode & 0o100))
            elif entry.isdir():
                extraction.folder(entry.name)
            elif entry.issym():
                extraction.link(entry.name, entry.linkname)
            else:
                raise UnsafePath(f"{entry.name!r} is neither a file, a folder nor a symbolic link")
    whole.finish()


def log_source(commit: str, extraction: Extraction) -> None:
    """Say in the build's log what was extracted."""
    size = extraction.written
    amount = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    count = f"{extraction.files} file{'' if extraction.files == 1 else 's'}"
    print(step(f"Source of commit {commit[:7]}: {count}, {amount}"), flush=True)


def _parts(path: str) -> tuple[str, ...]:
    if path.startswith("/"):
        raise UnsafePath(f"{path!r} is an absolute path")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if len(parts) > MAX_DEPTH:
        raise UnsafePath(f"{path[:80]!r}… is nested deeper than {MAX_DEPTH} folders")
    for part in parts:
        if part == ".." or part.lower() == ".git" or "\0" in part:
            raise UnsafePath(f"{path!r} contains the part {part!r}, which no source may have")
    return parts
