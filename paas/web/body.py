"""A request's body as it may be trusted: bounded in size, in time and in how far it unpacks."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from paas.web.body_budget import Busy, Share
from paas.web.refused import Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RATIO: Final = 100
"""Bytes out for a byte in that gzip may give; lists of object ids give 2."""
_FREE: Final = 2**20
"""Bytes out before the ratio counts."""
_STEP: Final = 2**16


class BodyRefused(Refused):
    """The body is not taken. The connection is closed, since the rest of the body is not read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message, [(b"connection", b"close")])


class TooLarge(BodyRefused):
    """More bytes than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the request is larger than {limit} bytes")


class Disconnected(Exception):
    """The client went away before the body was complete."""


class Body:
    """The body of one request, read once, in pieces.

    `limit` is in bytes, before and after unpacking; `idle` and `total` are seconds to wait for the next
    piece and for all of it; `slowest` is how many bytes a second it must bring once `idle` is over; `share`
    is what it takes its memory from, for one that is read as a whole.
    Iterating raises BodyRefused, Busy and Disconnected.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        encoding: str = "",
        limit: int,
        idle: float = 60,
        total: float = 3600,
        slowest: int = 0,
        share: Share | None = None,
    ) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise BodyRefused(415, f"content encoding {encoding[:40]!r} is not taken")
        self._receive, self._limit, self._idle, self._share = receive, limit, idle, share
        self._began, self._total, self._slowest = time.monotonic(), total, slowest
        self._gzip = zlib.decompressobj(31) if "gzip" in encoding else None
        self._in = self._out = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for raw in self._pieces():
            if self._gzip is None:
                yield raw
                continue
            for piece in self._unpacked(self._gzip, raw):
                yield piece
        if self._gzip is not None and not self._gzip.eof:
            raise BodyRefused(400, "the gzip body is cut short")

    async def read(self) -> bytes:
        """All of it."""
        pieces = []
        async for piece in self:
            if self._share is not None:
                self._share.take(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    async def _pieces(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise Disconnected
            more = message.get("more_body", False)
            piece = message.get("body", b"")
            self._in += len(piece)
            if self._in > self._limit:
                raise TooLarge(self._limit)
            if piece:
                yield piece

    async def _next(self) -> MutableMapping[str, Any]:
        passed = time.monotonic() - self._began
        wait = min(self._idle, self._total - passed)
        if self._slowest:
            wait = min(wait, self._idle + self._in / self._slowest - passed)
        try:
            async with asyncio.timeout(max(0.0, wait)) as waiting:
                if self._share is not None:
                    self._share.waiting = waiting
                message = await self._receive()
        except TimeoutError:
            if self._share is not None and self._share.evicted:
                raise Busy from None
            raise BodyRefused(408, "the request did not arrive in time; try again") from None
        finally:
            if self._share is not None:
                self._share.waiting = None
        return message

    def _unpacked(self, gzip: Any, raw: bytes) -> list[bytes]:
        pieces, following = [], raw
        while following:
            try:
                piece = gzip.decompress(following, _STEP)
            except zlib.error as problem:
                raise BodyRefused(400, "the gzip body cannot be unpacked") from problem
            self._out += len(piece)
            if self._out > self._limit:
                raise TooLarge(self._limit)
            if self._out > _FREE and self._out > RATIO * self._in:
                raise BodyRefused(413, "the gzip body unpacks to far more than it is")
            if gzip.unused_data:
                raise BodyRefused(400, "something follows the gzip body")
            pieces.append(piece)
            following = gzip.unconsumed_tail
        return pieces
