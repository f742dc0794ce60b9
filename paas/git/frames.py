"""What a pusher is still to read, bounded: of one who does not read, the oldest lines are dropped, and it is
said how many.

A build may say a gigabyte; a terminal that was stopped reads nothing and holds its connection. What must
arrive, such as the report at the end, is never dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

MOST_UNREAD: Final = 2**18
"""Bytes of lines that wait to be read."""


@dataclass(frozen=True)
class _Frame:
    data: bytes
    lines: int
    """How many lines are lost with it; 0 for what must arrive."""


class Frames:
    """`left_out` makes the frame that says how many lines are missing at a place."""

    def __init__(self, left_out: Callable[[int], bytes], *, most: int = MOST_UNREAD) -> None:
        self._left_out, self._most = left_out, most
        self._waiting: deque[_Frame] = deque()
        self._bytes = self._dropped = 0
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def unread(self) -> int:
        """Bytes of lines that wait."""
        return self._bytes

    def put(self, data: bytes, *, lines: int = 0) -> None:
        """Add a frame; with `lines` it may be dropped later."""
        self._waiting.append(_Frame(data, lines))
        if lines:
            self._bytes += len(data)
        while self._bytes > self._most:
            oldest = next(frame for frame in self._waiting if frame.lines)
            self._waiting.remove(oldest)
            self._bytes -= len(oldest.data)
            self._dropped += oldest.lines
        self._changed.set()

    def end(self) -> None:
        """There are no more."""
        self._ended = True
        self._changed.set()

    async def read(self, *, keep_alive: float, busy: bytes) -> AsyncIterator[bytes]:
        """The frames until the end; `busy` whenever there was none for `keep_alive` seconds."""
        while True:
            try:
                async with asyncio.timeout(keep_alive):
                    await self._changed.wait()
            except TimeoutError:
                if busy:
                    yield busy
                continue
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                yield self._left_out(dropped)
            elif self._waiting:
                frame = self._waiting.popleft()
                if frame.lines:
                    self._bytes -= len(frame.data)
                yield frame.data
            elif self._ended:
                return
            else:
                self._changed.clear()
