"""A commit as far as a Build needs it, read as leniently as git reads it. Pure.

Real histories hold commits whose author has no address, or a time zone that is a word. git shows and checks
them out, so what they say is taken as it is; only the tree must be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from paas.api.build import Person
from paas.source.tree import codec

LONGEST_MESSAGE: Final = 8192
"""Characters of a message that a Build keeps."""
_ID: Final = r"[0-9a-f]{40}([0-9a-f]{24})?"


@dataclass(frozen=True)
class SourceCommit:
    """`tree` is the id of its folder; persons and the beginning of the message are text, whatever their bytes
    were."""

    tree: str
    author: Person
    committer: Person
    message: str


def read(content: bytes) -> SourceCommit:
    """`content` is the commit object's. Raises ValueError when it names no tree."""
    header, _, message = content.partition(b"\n\n")
    values: dict[bytes, bytes] = {}
    for line in header.split(b"\n"):
        if not line.startswith(b" "):  # those go on with a signature
            name, _, value = line.partition(b" ")
            values.setdefault(name, value)
    tree = _id(values.get(b"tree", b""))
    if not tree:
        raise ValueError("the commit names no tree")
    encoding = values.get(b"encoding", b"utf-8")
    return SourceCommit(
        tree=tree,
        author=person(values.get(b"author", b"")),
        committer=person(values.get(b"committer", b"")),
        message=_text(message, encoding),
    )


def _id(value: bytes) -> str:
    text = value.decode("ascii", "replace")
    return text if re.fullmatch(_ID, text) else ""


def person(identity: bytes) -> Person:
    """`Name <address>` taken apart."""
    name, _, rest = identity.decode(errors="replace").partition("<")
    return Person(name=name.strip()[:1024], email=rest.partition(">")[0].strip()[:1024])


def _text(message: bytes, encoding: bytes) -> str:
    """The beginning, by the encoding that the commit names; what no text can hold is replaced."""
    # Cut first, by the most bytes that a character takes: of some encodings that anybody may name (punycode)
    # the time to read grows with the square of the length.
    message = message[: 4 * LONGEST_MESSAGE]
    try:
        said = str(message, codec(encoding.decode("ascii")), "replace")
    except (LookupError, ValueError):
        said = str(message, "utf-8", "replace")
    return said[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()
