"""What a controller writes is what its kind documents: condition types, and the reasons of each."""

from __future__ import annotations

from typing import Any

from paas.api.kinds import KINDS


def check(kind: str, status: dict[str, Any]) -> None:
    """Fail when a status has a condition, or a reason of one, that its kind does not list."""
    (found,) = [each for each in KINDS if each.resource.kind == kind]
    listed = {condition.type: condition.reasons for condition in found.conditions}
    for condition in status.get("conditions") or ():
        assert condition["type"] in listed, f"{kind} does not list the condition {condition['type']}"
        reason = condition["reason"]
        assert reason in listed[condition["type"]], f"{kind}/{condition['type']} does not list {reason}"
