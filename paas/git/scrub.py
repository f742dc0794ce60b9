"""Taking a path out of what a git child says: where repositories are kept is nobody's business. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

INSTEAD: Final = b"."


class Scrubber:
    """Replaces paths in a stream of bytes, also one that comes in two pieces."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = sorted({path.encode() for path in paths}, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may be shown by now; the beginning of a path is kept until it is known what it is."""
        text = self._held + data
        for path in self._paths:
            text = text.replace(path, INSTEAD)
        keep = max((_beginning(text, path) for path in self._paths), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        """What was kept."""
        held, self._held = self._held, b""
        return held


def _beginning(text: bytes, path: bytes) -> int:
    """How many bytes at the end of `text` may be the beginning of `path`."""
    longest = min(len(text), len(path) - 1)
    return next((count for count in range(longest, 0, -1) if text.endswith(path[:count])), 0)
