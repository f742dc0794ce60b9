"""Refusals are kept for their key until the same is accepted, or no longer asked for. Pure.

What was refused is asked for again after a growing pause, and at once when it has changed, however often its
key is woken meanwhile: the API server does not get the same question with every event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Key
from paas.reconcile import backoff
from paas.reconcile.plan import Plan
from paas.reconcile.refusal import Refusal, Subject, subject_of

LONGEST_PAUSE: Final = 60.0
"""Seconds after which what was refused is asked for again at the latest: a quota may have been raised."""


@dataclass(frozen=True)
class Kept:
    """A refusal, how often it came, and the loop's time before which the same is not asked for again."""

    refusal: Refusal
    times: int
    due: float


@dataclass(frozen=True)
class News:
    """What a run changed: whether the next plan has another picture, whether a refused action was not asked
    for again, and when the next one is due."""

    changed: bool
    withdrawn: bool
    due: float | None


class RefusalMemory:
    """The refusals of one controller, by key."""

    def __init__(self) -> None:
        self._kept: dict[Key, dict[Subject, Kept]] = {}

    def of(self, key: Key) -> tuple[Refusal, ...]:
        """What is to be told to the next gather."""
        return tuple(kept.refusal for kept in self._kept.get(key, {}).values())

    def forget(self, key: Key) -> None:
        """There is nothing to decide about this key any more."""
        self._kept.pop(key, None)

    def not_yet(self, key: Key, plan: Plan, *, now: float) -> frozenset[Subject]:
        """The subjects that the plan asks for as they were refused, and too early."""
        known = self._kept.get(key, {})
        early = set()
        for action in plan.actions:
            subject = subject_of(action)
            kept = known.get(subject) if subject is not None else None
            if kept is not None and kept.refusal.action == action and now < kept.due:
                early.add(kept.refusal.subject)
        return frozenset(early)

    def settle(
        self,
        key: Key,
        plan: Plan,
        *,
        accepted: Collection[Subject],
        refused: Iterable[Refusal],
        now: float,
        jitter: float = 1.0,
    ) -> News:
        """Take over what a run of this plan brought; `jitter` stretches the pauses."""
        before = self._kept.get(key, {})
        planned = {subject_of(action) for action in plan.actions}
        after = {
            subject: kept
            for subject, kept in before.items()
            if subject in planned and subject not in accepted
        }
        for refusal in refused:
            known = before.get(refusal.subject)
            times = known.times + 1 if known is not None else 0
            pause = min(backoff.pause(times), LONGEST_PAUSE) * jitter
            after[refusal.subject] = Kept(refusal, times, now + pause)
        if after:
            self._kept[key] = after
        else:
            self.forget(key)
        return News(
            changed=_said(before) != _said(after),
            withdrawn=any(subject not in planned for subject in before),
            due=min((kept.due for kept in after.values()), default=None),
        )


def _said(kept: dict[Subject, Kept]) -> dict[Subject, tuple[str, str]]:
    return {subject: (each.refusal.cause, each.refusal.words) for subject, each in kept.items()}
