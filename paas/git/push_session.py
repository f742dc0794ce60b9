"""A push whose pack has arrived, between the task that carries it out and the response.

[pack] ──▶ task ──say, put──▶ [frames] ──frames──▶ response
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from paas.api.resources import Key
from paas.git import protocol, push_messages
from paas.git.frames import Frames
from paas.git.push import Command
from paas.git.repositories import Repository
from paas.git.spool import Spool


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
    """A push under way. The task owns the pack and closes it; the response iterates `frames`."""

    def __init__(self, push: Push, pack: Spool) -> None:
        self.push, self.pack = push, pack
        self.result = "unknown"
        self.began = time.time()
        self._frames = Frames(self._left_out)
        self._gone = asyncio.Event()

    @property
    def left(self) -> bool:
        """Whether nobody reads the frames any more."""
        return self._gone.is_set()

    def leave(self) -> None:
        """Nobody reads the frames any more."""
        self._gone.set()

    async def gone(self) -> None:
        """Until nobody reads the frames any more."""
        await self._gone.wait()

    def frames(self, *, keep_alive: float) -> AsyncIterator[bytes]:
        """The response's body; an empty packet when nothing came for `keep_alive` seconds."""
        busy = protocol.KEEP_ALIVE if self.push.side_band else b""
        return self._frames.read(keep_alive=keep_alive, busy=busy)

    def end(self) -> None:
        """There are no more frames."""
        self._frames.end()

    def say(self, lines: list[str] | tuple[str, ...]) -> None:
        """Lines for the pusher, who may not read them: then the oldest are left out."""
        if self.push.side_band and not self.left:
            for line in lines:
                self._frames.put(protocol.told(line), lines=1)

    def pass_on(self, text: bytes) -> None:
        """What git says on band 2, likewise."""
        if text and not self.left:
            self._frames.put(protocol.band(2, text), lines=max(1, text.count(b"\n")))

    def put(self, frame: bytes) -> None:
        """What must arrive."""
        if frame and not self.left:
            self._frames.put(frame)

    def _left_out(self, lines: int) -> bytes:
        return b"".join(protocol.told(line) for line in push_messages.left_out(lines, self.push.key))
