"""Closing a connection so that a client which still sends can read its answer.

A connection that is closed with unread bytes in it is reset, and the reset takes the answer with it: a client
that was told "too large" in the middle of its body reads "broken pipe" instead. So the sending side is
closed first, the rest of the body is read and dropped, for a time and up to a size, and then all is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

LINGER_SECONDS: Final = 5.0
"""How long a client may go on sending what was answered already."""
LARGEST_REST: Final = 64 * 2**20
"""Bytes of it that are read and dropped."""
FLUSH_SECONDS: Final = 60.0
"""How long the end of an answer may take to leave."""


class Lingering:
    """A transport whose `close` waits for a client that is `still_sending`; all else is the transport's."""

    def __init__(self, transport: asyncio.Transport, *, still_sending: Callable[[], bool]) -> None:
        self._transport, self._still_sending = transport, still_sending
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = 0
        self.lingers = False
        """Whether what arrives is for nobody any more: give it to `drop`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if self._still_sending():
            self.lingers = True
            with contextlib.suppress(OSError, RuntimeError):
                self._transport.write_eof()
            self._transport.resume_reading()
            self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        else:
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._timer = self._loop.call_later(FLUSH_SECONDS, self._transport.abort)

    def drop(self, data: bytes) -> None:
        """These bytes are not wanted."""
        self._dropped += len(data)
        if self._dropped > LARGEST_REST:
            self._transport.abort()

    def closed(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
