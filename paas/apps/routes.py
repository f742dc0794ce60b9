"""Whether a Route is published, and why not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paas.api.names import Condition
from paas.reconcile.conditions import find


@dataclass(frozen=True)
class Admission:
    """`admitted` is None while nobody has decided."""

    admitted: bool | None
    reason: str = ""
    message: str = ""


def admission(route: Mapping[str, Any]) -> Admission:
    """Whether a Route is published: its address answers, or somebody said why it does not."""
    ready, admitted = find(route, Condition.READY), find(route, Condition.ADMITTED)
    if ready and ready.get("status") == "True":
        return Admission(True)
    if admitted and admitted.get("status") == "False":
        return Admission(False, str(admitted.get("reason") or ""), str(admitted.get("message") or ""))
    return Admission(None, message=str((ready or {}).get("message") or ""))
