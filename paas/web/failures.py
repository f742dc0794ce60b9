"""Too many failures of one client: what keeps somebody from guessing secrets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class FailureLimit:
    """Counts failures by client; a client that had `allowed` of them within `seconds` is blocked until
    they are over. At most `size` clients are remembered, the oldest go first."""

    def __init__(
        self, allowed: int, *, seconds: float, size: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._allowed, self._size, self._clock = allowed, size, clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def failed(self, client: str) -> None:
        """Count one failure."""
        self._failures.setdefault(client, []).append(self._clock())
        while len(self._failures) > self._size:
            self._failures.popitem(last=False)

    def blocked(self, client: str) -> bool:
        """Whether this client must wait."""
        since = self._clock() - self.seconds
        recent = [moment for moment in self._failures.pop(client, ()) if moment > since]
        if recent:
            self._failures[client] = recent
        return len(recent) >= self._allowed
