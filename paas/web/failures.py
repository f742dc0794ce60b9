"""Too many failures of one client, who is told to slow down.

A client is an address, and many may share one. So nobody is turned away unheard for it: it is asked only
about a request that failed by itself.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable


class FailureLimit:
    """Counts failures by client; a client that had `allowed` of them within `seconds` is blocked until
    they are over. At most `size` clients are remembered, the oldest go first."""

    def __init__(
        self, allowed: int, *, seconds: float, size: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._allowed, self._size, self._clock = allowed, size, clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, client: str) -> None:
        """Count one failure."""
        self._failures.setdefault(client, deque(maxlen=self._allowed)).append(self._clock())
        while len(self._failures) > self._size:
            self._failures.popitem(last=False)

    def blocked(self, client: str) -> bool:
        """Whether this client must wait."""
        since = self._clock() - self.seconds
        recent = [moment for moment in self._failures.pop(client, ()) if moment > since]
        if recent:
            self._failures[client] = deque(recent, maxlen=self._allowed)
        return len(recent) >= self._allowed
