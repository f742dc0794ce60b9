"""What detection looks at: a tree of files, their words, and what is wrong with a source. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from paas.api.names import Reason

_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
"""Byte order marks; the longer ones first, as UTF-32's begins with UTF-16's."""
_COOKIE: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


NAMED: Final = 5
"""Of more things of a kind, so many are named."""


class SourceTree(Protocol):
    """The files of one commit or folder, read as needed. Paths are relative with '/' between parts."""

    def entries(self, folder: str) -> Collection[str] | None:
        """Names in `folder` ('' is the root), or None when there is no such folder."""

    def holds_file(self, path: str) -> bool:
        """Whether there is a regular file at `path`, links followed."""

    def read(self, path: str, limit: int) -> bytes | None:
        """Content of a regular file; None when there is none at `path` or it is longer than `limit`."""


class Unbuildable(Exception):
    """The source cannot be built; `reason` is the Build's, `hint` says what to do about it."""

    def __init__(self, reason: Reason, what: str, hint: str = "") -> None:
        self.reason, self.what, self.hint = reason, shown(what), shown(hint)
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """Both in one sentence, as the Build's status has it."""
        return f"{self.what}; {self.hint}" if self.hint else self.what


class ObjectTooLarge(Unbuildable):
    """An object of a repository is larger than what is looked into."""


def joined(folder: str, path: str) -> str:
    """A path below a folder of the tree; '' is its root."""
    return f"{folder}/{path}" if folder else path


def listed(names: Sequence[str]) -> str:
    """Names for a person: of many the first, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def clean(path: str | None) -> str:
    """A path of a spec without '.', doubled and trailing slashes. Raises Unbuildable for one that leads
    out of the source (the API server refuses it already; this is the second lock)."""
    parts = [part for part in (path or "").split("/") if part not in ("", ".")]
    if ".." in parts or (path or "").startswith(("/", "-")):
        raise Unbuildable(
            Reason.INVALID_CONTEXT_DIRECTORY, f"{path!r} leads out of the source", "use a path below its root"
        )
    return "/".join(parts)


def codec(name: str) -> str:
    """The encoding of that name, which somebody chose for a text of theirs. Raises LookupError, also for
    those of host names: they work for hours on some megabytes, and no text is written in them."""
    found = codecs.lookup(name).name
    if found in ("punycode", "idna"):
        raise LookupError(f"no text is in {found}")
    return found


def decoded(content: bytes) -> str:
    """The text of a file as pip reads it: by its byte order mark, else by the coding that its first two lines
    name, else UTF-8, else Latin-1, in which every byte is a character."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    for line in content.split(b"\n", 2)[:2]:
        cookie = _COOKIE.match(line)
        if cookie is not None:
            try:
                return content.decode(codec(cookie[1].decode("ascii")))
            except (LookupError, ValueError):
                break
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def shown(text: str) -> str:
    """Text that can be sent and printed everywhere: bytes of file names that are no UTF-8, and control
    characters, as escapes."""
    safe = text.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in safe)
