"""A push under way, between the request that brings it and the task that carries it out.

request ──feed──▶ [input] ──pieces──▶ task        task ──say, put──▶ [frames] ──frames──▶ response
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from paas.api.resources import Key
from paas.git import protocol
from paas.git.push import Command
from paas.git.repositories import Repository


@dataclass
class Push:
    """What is known of a push before its pack arrives."""

    repository: Repository
    user: str
    commands: list[Command]
    capabilities: frozenset[str]
    header: bytes
    """The command list for the child."""
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def key(self) -> Key:
        return self.repository.key

    @property
    def side_band(self) -> bool:
        return "side-band-64k" in self.capabilities

    @property
    def reports(self) -> bool:
        return bool(self.capabilities & {"report-status", "report-status-v2"})


class PushSession:
    """A push under way. `feed`, then `finish` or `abandon`; meanwhile and after, iterate `frames`."""

    def __init__(self, push: Push) -> None:
        self.push = push
        self.result = "unknown"
        self.began = time.time()
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=16)
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.left = False
        """Whether nobody reads the frames any more."""
        self.aborted: str | None = None
        """Why the pack will not be complete."""

    async def feed(self, data: bytes) -> None:
        await self._input.put(data)

    async def finish(self) -> None:
        await self._input.put(None)

    async def abandon(self, reason: str) -> None:
        """The pack will not be complete: git gets its end of input and stores nothing."""
        self.aborted = reason
        await self._input.put(None)

    def leave(self) -> None:
        """Nobody reads the frames any more."""
        self.left = True

    async def frames(self, *, keep_alive: float) -> AsyncIterator[bytes]:
        """The response's body; an empty packet when nothing came for `keep_alive` seconds."""
        while True:
            try:
                async with asyncio.timeout(keep_alive):
                    frame = await self._frames.get()
            except TimeoutError:
                if self.push.side_band:
                    yield protocol.KEEP_ALIVE
                continue
            if frame is None:
                return
            yield frame

    def end(self) -> None:
        """There are no more frames."""
        self._frames.put_nowait(None)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What was fed, up to the end; once at the end it stays there."""
        while (piece := await self._input.get()) is not None:
            yield piece
        self._input.put_nowait(None)

    async def discard(self) -> None:
        """Read the rest of the input, so that nobody is held up who still writes."""
        async for _ in self.pieces():
            pass

    def say(self, lines: list[str] | tuple[str, ...]) -> None:
        if self.push.side_band:
            self.put(b"".join(protocol.told(line) for line in lines))

    def put(self, frame: bytes) -> None:
        if not self.left and frame:
            self._frames.put_nowait(frame)
