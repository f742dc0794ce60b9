"""A cluster that refuses, and the operator's memory of it, for the clusters in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from paas.api.resources import Key
from paas.reconcile.plan import Action, Event, Plan, Requeue
from paas.reconcile.refusal import Cause, Refusal, Subject, subject_of
from paas.reconcile.refusal_memory import RefusalMemory

KEY: Final = Key("", "the only one")
WORDS: Final = "exceeded quota: small, requested: count=1, used: count=1, limited: count=1"


class Refusing:
    """Carries plans out as `reconcile.execute` does, with what `reconcile.runner` keeps of the refusals.

    `refuses` has the (action, kind or subject of an effect) that are not let in, as ("Create", "Job"), and
    `cause` why."""

    def __init__(self) -> None:
        self.refuses: set[tuple[str, str]] = set()
        self.cause = Cause.QUOTA
        self._memory = RefusalMemory()

    @property
    def known(self) -> tuple[Refusal, ...]:
        return self._memory.of(KEY)

    def toggle(self, action: str, kind: str) -> None:
        """Refuse it, or let it in again."""
        self.refuses ^= {(action, kind)}

    def run(self, plan: Plan, carry_out: Callable[[Action], None], *, actions: int | None = None) -> bool:
        """Carry out a plan, killed after so many `actions`; whether that wrote anything or was any news."""
        known = {refusal.subject for refusal in self.known}
        accepted: set[Subject] = set()
        refused: list[Refusal] = []
        wrote = False
        for action in plan.actions[:actions]:
            subject = subject_of(action)
            if subject is not None and self._refuses(subject):
                refused.append(Refusal(action, self.cause, WORDS, 403))
                if subject not in known:
                    break
                continue
            carry_out(action)
            if subject is not None:
                accepted.add(subject)
            wrote |= not isinstance(action, Requeue | Event)
        if actions is not None:
            self._memory.forget(KEY)  # the next process knows nothing of it
            return True
        news = self._memory.settle(KEY, plan, accepted=accepted, refused=refused, now=0)
        return wrote or news.changed

    def _refuses(self, subject: Subject) -> bool:
        action, kind, name = subject
        return any(action == what and (kind or name).startswith(which) for what, which in self.refuses)
