"""Values that are remembered for some seconds, so that a burst of requests is not a burst of reads."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most `size` values, each for its own number of seconds; the oldest go first, and those whose time is
    over go when the next ones come, so that a burst leaves nothing behind."""

    def __init__(self, size: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock = size, clock
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, unless its time is over."""
        found = self._values.get(key)
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, key: K, value: V, seconds: float) -> None:
        """Remember `value` for so many seconds."""
        now = self._clock()
        self._values[key] = (now + seconds, value)
        self._values.move_to_end(key)
        while self._values and (
            len(self._values) > self._size or next(iter(self._values.values()))[0] <= now
        ):
            self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)
