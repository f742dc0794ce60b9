"""A key whose every run writes is slowed down, for a write may be what wakes it again. Pure.

A status has words from outside, such as an admission webhook's or a registry's. Where they differ each time
(the number of a request, the time), each look finds something new to write.
"""

from __future__ import annotations

from typing import Final

from paas.api.resources import Key
from paas.reconcile import backoff

FREE_RUNS: Final = 30
"""Runs in a row that write and are not slowed down: more than a rollout or a build takes."""
CALM: Final = 1.0
"""Seconds without a run after which the next one is the first again."""
FIRST_REST: Final = 0.1
LONGEST_REST: Final = 5.0
"""Seconds for which a key that goes on writing rests, however often it is woken meanwhile."""


class Pace:
    """How many runs in a row wrote, by key."""

    def __init__(self) -> None:
        self._runs: dict[Key, tuple[int, float]] = {}
        """And the time of the loop until which the key rests."""

    def rest_after(self, key: Key, *, wrote: bool, now: float) -> float:
        """Note a run; for how many seconds the key now rests."""
        if not wrote:
            self.forget(key)
            return 0
        runs, rests_until = self._runs.get(key, (0, now))
        runs = 1 if now > rests_until + CALM else runs + 1
        over = runs - FREE_RUNS - 1
        rest = min(backoff.pause(over, first=FIRST_REST), LONGEST_REST) if over >= 0 else 0
        self._runs[key] = (runs, now + rest)
        return rest

    def forget(self, key: Key) -> None:
        """It is at rest, or gone."""
        self._runs.pop(key, None)
