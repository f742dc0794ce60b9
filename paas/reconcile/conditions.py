"""metav1 conditions as plain data: set, read, and keep the time of the last transition.

`Ready` is always there. `Reconciling` and `Stalled` are abnormal-true as kstatus wants them: present
with status True, or absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from paas.api.names import Condition, Reason
from paas.api.resources import Manifest

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Wanted:
    """A condition that a plan wants to see; `message` ends with what to do next when it is not well."""

    type: Condition
    status: Truth
    reason: Reason
    message: str


def merge(
    previous: Iterable[Mapping[str, Any]], wanted: Iterable[Wanted], *, generation: int, now: datetime
) -> list[Manifest]:
    """The condition list to store: exactly the wanted ones, sorted by type; `lastTransitionTime`
    (RFC 3339, UTC, whole seconds) is kept where the status has not changed."""
    before = {str(condition.get("type")): condition for condition in previous}
    merged = []
    for want in sorted(wanted, key=lambda condition: condition.type):
        old = before.get(want.type)
        since = (
            old.get("lastTransitionTime") if old is not None and old.get("status") == want.status else None
        )
        merged.append(
            {
                "type": str(want.type),
                "status": want.status,
                "reason": str(want.reason),
                "message": want.message[:32000],
                "observedGeneration": generation,
                "lastTransitionTime": since or timestamp(now),
            }
        )
    return merged


def stored(obj: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The conditions in an object's status; what cannot be one is left out."""
    status = (obj or {}).get("status")
    found = status.get("conditions") if isinstance(status, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, (list, tuple)) else []


def find(obj: Mapping[str, Any] | None, type_: Condition) -> Mapping[str, Any] | None:
    """The condition of this type in an object's status, or None."""
    return next((condition for condition in stored(obj) if condition.get("type") == type_), None)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The aware datetime of an RFC 3339 text."""
    return datetime.fromisoformat(text)
