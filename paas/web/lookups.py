"""Reads of the API server on behalf of people who have not shown yet who they are.

Whoever may send a request may name something, and each name is a read. So a name is read a few times in a
moment only, those who ask for it at the same time share one read, and strangers have a few reads at once
between them. Names under which somebody has shown who they are have reads of their own, so that strangers
never keep them waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from paas.web.ttl_cache import TtlCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AT_ONCE: Final = 16
"""Reads at the same time, of strangers and of those known."""
SIZE: Final = 4096
"""Names that are remembered."""
PROVEN_SECONDS: Final = 86_400.0


class Lanes(Generic[K]):
    """How many may read at once: as many strangers as known ones, so that neither waits for the other."""

    def __init__(self, *, at_once: int = AT_ONCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._strangers, self._known = asyncio.Semaphore(at_once), asyncio.Semaphore(at_once)
        self._proven: TtlCache[K, bool] = TtlCache(SIZE, clock=clock)

    def of(self, key: K) -> asyncio.Semaphore:
        """What to hold while reading `key`."""
        return self._known if self._proven.get(key) else self._strangers

    def prove(self, key: K) -> None:
        """Somebody has shown that `key` is theirs."""
        self._proven.put(key, True, PROVEN_SECONDS)


@dataclass
class _Seen(Generic[V]):
    value: V
    reads: int = 1


class Lookups(Generic[K, V]):
    """Reads values by name: a name `most` times within `seconds` at most, then what was read last counts
    until they are over."""

    def __init__(
        self,
        read: Callable[[K], Awaitable[V]],
        *,
        most: int,
        seconds: float,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._most, self._seconds = read, most, seconds
        self._lanes: Lanes[K] = Lanes(at_once=at_once, clock=clock)
        self._seen: TtlCache[K, _Seen[V]] = TtlCache(SIZE, clock=clock)
        self._reading: dict[K, asyncio.Future[V]] = {}

    def prove(self, key: K) -> None:
        """Somebody has shown that `key` is theirs."""
        self._lanes.prove(key)

    async def of(self, key: K) -> V:
        """The value. Raises what reading raises, which is not remembered."""
        seen = self._seen.get(key)
        if seen is not None and seen.reads >= self._most:
            return seen.value
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.ensure_future(self._read_once(key))
            self._reading[key] = reading
            reading.add_done_callback(lambda done: self._ended(key, done))
        # who leaves does not take the read away from the others
        return await asyncio.shield(reading)

    async def _read_once(self, key: K) -> V:
        async with self._lanes.of(key):
            value = await self._read(key)
        seen = self._seen.get(key)
        if seen is None:
            self._seen.put(key, _Seen(value), self._seconds)
        else:
            seen.value, seen.reads = value, seen.reads + 1
        return value

    def _ended(self, key: K, done: asyncio.Future[V]) -> None:
        self._reading.pop(key, None)
        if not done.cancelled():
            done.exception()  # looked at, should all who waited have left
