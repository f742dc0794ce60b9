"""A work queue of keys: deduplicated, one worker a key, delayed when asked."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from paas.api.resources import Key


class KeyedQueue:
    """Keys to work on: deduplicated, each with one worker at a time, and delayed when asked."""

    def __init__(self) -> None:
        self._ready: dict[Key, float] = {}  # insertion order; value: since when it waits
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._active: dict[Key, float] = {}  # value: since when it is worked on
        self._again: dict[Key, float] = {}
        self._rests: dict[Key, float] = {}
        self._count = itertools.count()
        self._wake = asyncio.Event()

    def add(self, key: Key, *, after: float = 0) -> None:
        """Work on `key` in `after` seconds at the latest, but not while it rests; an earlier date stands."""
        now = asyncio.get_running_loop().time()
        after = max(after, self._rests.get(key, now) - now)
        if after > 0:
            due = now + after
            if self._due.get(key, float("inf")) > due and key not in self._ready:
                self._due[key] = due
                heapq.heappush(self._later, (due, next(self._count), key))
                self._forget_stale()
                self._wake.set()
            return
        self._due.pop(key, None)
        if key in self._active:
            self._again.setdefault(key, now)
        else:
            self._ready.setdefault(key, now)
            self._wake.set()

    async def get(self) -> Key:
        """The next key; the caller owns it until `done`."""
        while True:
            now = asyncio.get_running_loop().time()
            while self._later and self._later[0][0] <= now:
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                self._active[key] = now
                self._rests.pop(key, None)
                return key
            self._wake.clear()
            pause = self._later[0][0] - now if self._later else None
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _forget_stale(self) -> None:
        """Dates that an earlier one has overtaken go by themselves only when they come: a key that fails and
        is woken all the time would leave thousands."""
        if len(self._later) > 2 * len(self._due) + 64:
            self._later = [entry for entry in self._later if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._later)

    def rest(self, key: Key, *, seconds: float) -> None:
        """Let the key that is worked on rest for so long after it, however often it is woken."""
        self._rests[key] = asyncio.get_running_loop().time() + seconds

    def done(self, key: Key) -> None:
        self._active.pop(key, None)
        since = self._again.pop(key, None)
        if key in self._rests:
            self.add(key, after=self._rests[key] - asyncio.get_running_loop().time())
        elif since is not None:
            self._ready[key] = since
        if self._ready:
            self._wake.set()

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has been waiting; 0 when none is."""
        if not self._ready:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._ready.values())

    def busy_seconds(self) -> float:
        """How long the key that has been worked on longest has been so; 0 when none is."""
        if not self._active:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._active.values())

    def __len__(self) -> int:
        return len(self._ready) + len(self._active)
