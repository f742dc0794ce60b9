"""Run policies: which of a BuildConfig's Builds may start now.

Serial is the only policy so far: one Build at a time, the lowest number first, every commit built. The
decision is taken under the queue key of the BuildConfig, so no two workers take it at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paas.api.build import TERMINAL


@dataclass(frozen=True, order=True)
class Entry:
    """A Build in the queue. `started`: its Job exists or is recorded."""

    number: int
    name: str
    phase: str
    started: bool
    cancelled: bool = False


def next_up(entries: Iterable[Entry]) -> Entry | None:
    """The Build that may start, or None while one runs or none waits."""
    waiting = []
    for entry in sorted(entries):
        if entry.phase in TERMINAL:
            continue
        if entry.started:
            return None
        if not entry.cancelled:
            waiting.append(entry)
    return waiting[0] if waiting else None


def ahead_of(entry: Entry, entries: Iterable[Entry]) -> Entry | None:
    """The unfinished Build directly before `entry`: what it waits for."""
    before = [
        other
        for other in entries
        if other.number < entry.number and other.phase not in TERMINAL and not other.cancelled
    ]
    return max(before) if before else None
