"""How long to wait before what failed is tried again. Pure."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 300.0
"""Seconds before a failed key is tried again: doubled each time, up to the longest."""
OUTDATED_PAUSE: Final = 0.05
"""The first pause of a plan that only came too late."""
_MOST_DOUBLINGS: Final = 20
"""More than any first pause needs to reach the longest: a power without a limit does not fit a float."""


def pause(failures: int, *, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after `failures` failures in a row before this one."""
    return min(first * 2.0 ** min(failures, _MOST_DOUBLINGS), longest)
