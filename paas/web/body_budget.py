"""How much memory the bodies may hold together that are arriving at one endpoint.

A body that is read as a whole before it is known who sent it is memory in a stranger's hands: they may begin
thousands and finish none. So all of them together have a measure, and when it is full, the body that has been
arriving for the longest gives way. A git host sends a delivery within moments; a body that is slow is most
likely sent to block the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from paas.web.refused import Refused

OVERHEAD: Final = 32 * 2**10
"""Bytes that a request counts from its beginning: connection, task and headers."""


class Busy(Refused):
    """There is no room for this body now."""

    def __init__(self) -> None:
        about = [(b"connection", b"close"), (b"retry-after", b"5")]
        super().__init__(503, "the server has no room for this request at the moment; send it again", about)


class Share:
    """What one request holds of the budget."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.held = 0
        self.evicted = False
        self.waiting: asyncio.Timeout | None = None
        """Set while the next piece is waited for: only then may the body be made to give way."""

    def take(self, count: int) -> None:
        """Hold so many bytes more. Raises Busy."""
        self._budget.make_room(self, count)
        self.held += count
        self._budget.held += count

    def release(self) -> None:
        """Hold nothing any more."""
        self._budget.held -= self.held
        self.held = 0

    def evict(self, waiting: asyncio.Timeout) -> None:
        """Stop waiting for the rest of this body."""
        self.evicted, self.waiting = True, None
        self.release()
        if not waiting.expired():  # by itself, in this very moment
            waiting.reschedule(asyncio.get_running_loop().time())


class BodyBudget:
    """`size` bytes for all bodies together."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.held = 0
        self._shares: dict[Share, None] = {}  # in the order in which they began

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """A request's share, until the body is no longer needed. Raises Busy."""
        share = Share(self)
        share.take(OVERHEAD)
        self._shares[share] = None
        try:
            yield share
        finally:
            del self._shares[share]
            share.release()

    def make_room(self, wanting: Share, count: int) -> None:
        """Let the oldest bodies give way until `count` bytes are free. Raises Busy."""
        if self.held + count <= self._size:
            return
        for share in self._shares:
            if share is not wanting and share.waiting is not None:
                share.evict(share.waiting)
                if self.held + count <= self._size:
                    return
        raise Busy
