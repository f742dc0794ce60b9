"""A key that fails again and again: when its objects say so, and in which words. Pure.

A plan says what is refused; where there is no plan, because what it needs cannot be read, or because what it
asks for is answered by an error every time, the status would stay as it was and look well.
"""

from __future__ import annotations

from typing import Final

from paas.api.names import SYSTEM_NAMESPACE, Reason
from paas.api.resources import Key
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile.plan import PlanOutdated
from paas.reconcile.refusal import Cause, cause_of, shortened
from paas.reconcile.status import Blocker

SAID_AFTER: Final = 10.0
"""Seconds of nothing but failures after which the objects say so: a short one is nobody's business."""
SAID_AGAIN: Final = 60.0
"""Seconds after which they may say something else: what they say wakes the key, and may differ each time."""


class FailingKeys:
    """The keys of one controller that have not worked since some time."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}

    def is_due(self, key: Key, *, now: float) -> bool:
        """Note a failure at this time of the loop; whether the objects of the key must say so now."""
        if now < self._due.setdefault(key, now + SAID_AFTER):
            return False
        self._due[key] = now + SAID_AGAIN
        return True

    def forget(self, key: Key) -> None:
        """It works again."""
        self._due.pop(key, None)


def unable(problem: Exception) -> Blocker:
    """What an object says that nobody can look after, because of this failure."""
    why, hint = _explained(problem)
    text = (
        f"the platform cannot look after this object: {shortened(why)}; it is tried again by itself; {hint}"
    )
    return Blocker(Reason.RECONCILE_FAILED, text, stalled=False)


def _explained(problem: Exception) -> tuple[str, str]:
    log = f"an administrator finds more with: kubectl logs -n {SYSTEM_NAMESPACE} deployment/operator"
    match problem:
        case ApiError() if cause_of(problem) is Cause.RIGHTS:
            return problem.message, "give the platform its rights again with: paas install"
        case ApiError():
            return problem.message, log
        case ClusterUnreachable() | PlanOutdated():
            return str(problem), log
        case OSError(filename=str() as file, strerror=str() as why):
            return f"{file} cannot be read ({why})", "fix it with: paas up, or paas install"
        case _:  # a fault of the platform's own; its text may quote anything
            return f"a fault of the platform ({type(problem).__name__})", log
