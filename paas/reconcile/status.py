"""One way to write a status: a table a kind says what its conditions are, and what differs is written. Pure.

    Blocker ──▶ summarised ──▶ conditions ──▶ write ──▶ Status, and an Event when there is something to tell

A status that is stored already gives no action, so that a steady object sees no write. Texts are cut to what
the kind's schema takes: a status that the API server refuses for its length would be refused for ever.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ValidationError

from paas.api.base import Kind
from paas.api.names import Condition, Reason
from paas.api.resources import Manifest, key_of
from paas.kube.body import as_unicode
from paas.reconcile.conditions import Wanted, find, merge, stored
from paas.reconcile.plan import Action, Event, Status
from paas.reconcile.refusal import Cause, Refusal

ABNORMAL: Final = frozenset({Condition.STALLED, Condition.RECONCILING, Condition.DRIFTED})
"""Conditions that are present only while they are True, as kstatus wants the first two."""


@dataclass(frozen=True)
class Blocker:
    """Why an object is not as its spec asks; the message ends with what to do. `stalled`: nothing goes on
    without a person, else it is only waited for."""

    reason: Reason
    message: str
    stalled: bool = True


def refused(refusal: Refusal, *, namespace: str, reason: Reason = Reason.REFUSED) -> Blocker:
    """What a refusal says in a condition: what was refused, why, and what to do."""
    if refusal.cause is Cause.EFFECT:
        return Blocker(reason, refusal.words)
    why, hint = explained(refusal, namespace=namespace)
    return Blocker(reason, f"{why}; {hint}" + ("" if refusal.cause is Cause.RIGHTS else GOES_ON))


GOES_ON: Final = ", and it goes on by itself"


def explained(refusal: Refusal, *, namespace: str) -> tuple[str, str]:
    """What the API server refused and why, and what to do about it."""
    _, kind, name = refusal.subject
    what = f"{kind} {name.rpartition('/')[2]}" if kind else name
    return f"the cluster refuses {what}: {refusal.words}", hint_about(refusal.cause, namespace=namespace)


def hint_about(cause: Cause, *, namespace: str) -> str:
    """What to do about a refusal of this cause."""
    return {
        Cause.QUOTA: f"free some of the quota or raise it (kubectl describe quota -n {namespace})",
        Cause.RIGHTS: "the platform lacks a right; give it its rights again with: paas install",
        Cause.POLICY: "a rule of this cluster forbids it; change the object or ask an administrator for an "
        "exception",
    }.get(cause, "correct the spec")


@dataclass(frozen=True)
class ConditionTable:
    """What a controller says about the objects of one kind. Which conditions they have, and which fields
    of the status are the controller's, is the kind's."""

    kind: Kind
    summary: Condition = Condition.READY
    """The condition that is always there: whether all that the object promises is so."""
    announced: Mapping[Condition, Container[Reason]] = field(default_factory=dict)
    """Reasons that are told by an Event too, when a condition comes to have them."""

    @property
    def types(self) -> frozenset[Condition]:
        return frozenset(condition.type for condition in self.kind.conditions)

    def summarised(self, blocker: Blocker | None, well: Wanted) -> list[Wanted]:
        """The summary and what is abnormal: `well` when nothing blocks, else the blocker's words."""
        return [well] if blocker is None else self.blocked(blocker)

    def blocked(self, blocker: Blocker) -> list[Wanted]:
        """The summary of an object that something blocks, and the abnormal condition that goes with it."""
        wanted = [Wanted(self.summary, "False", blocker.reason, blocker.message)]
        abnormal = Condition.STALLED if blocker.stalled else Condition.RECONCILING
        if abnormal in self.types:
            wanted.append(Wanted(abnormal, "True", blocker.reason, blocker.message))
        return wanted

    def failing(self, obj: Manifest, blocker: Blocker, *, now: datetime) -> list[Action]:
        """The write that says why nothing can be decided about an object; all that is not the summary stays
        as it is stored, also which generation it is about."""
        status = self._ours(obj)
        kept = [each for each in stored(obj) if each.get("type") not in {self.summary, *ABNORMAL}]
        observed = int(status.get("observedGeneration") or 0)
        said = self.conditions(obj, self.blocked(blocker), now=now, generation=observed)
        listed = sorted([*kept, *said], key=lambda condition: str(condition.get("type")))
        return self.write(obj, {**status, "conditions": listed})

    def conditions(
        self, obj: Manifest, wanted: Iterable[Wanted], *, now: datetime, generation: int | None = None
    ) -> list[Manifest]:
        """The condition list to store: exactly the wanted ones. `generation` is the one that they are
        about, when that is not the object's own."""
        chosen = list(wanted)
        for condition in chosen:
            assert condition.type in self.types, f"{self.kind.singular} has no condition {condition.type}"
            if condition.type in ABNORMAL:
                assert condition.status == "True", f"{condition.type} is absent when it is not True"
        number = generation_of(obj) if generation is None else generation
        return merge(stored(obj), chosen, generation=number, now=now)

    def write(self, obj: Manifest, status: Manifest) -> list[Action]:
        """The write of this status (conditions and all) and what is told about it; nothing when it is
        stored already."""
        before, status = self._ours(obj), as_unicode(status)
        if status == before or (status := _cut(self.kind, status, before)) == before:
            return []
        uid = obj["metadata"]["uid"]
        return [Status(self.kind.resource, key_of(obj), uid, status), *self._events(obj, status)]

    def _ours(self, obj: Manifest) -> Manifest:
        """What is stored of the fields that are the controller's."""
        fields = {info.alias or name for name, info in self.kind.status.model_fields.items()}
        fields -= self.kind.server_status
        return {name: value for name, value in (obj.get("status") or {}).items() if name in fields}

    def _events(self, obj: Manifest, status: Manifest) -> list[Event]:
        events = []
        for condition, reasons in self.announced.items():
            before, after = find(obj, condition) or {}, find({"status": status}, condition) or {}
            reason = after.get("reason")
            if reason is None or reason == before.get("reason") or Reason(reason) not in reasons:
                continue
            about = self.kind.resource, key_of(obj), obj["metadata"]["uid"]
            type: Literal["Normal", "Warning"] = "Normal" if after["status"] == "True" else "Warning"
            events.append(Event(*about, reason, after["message"], type))
        return events


def _cut(kind: Kind, status: Manifest, before: Manifest) -> Manifest:
    """The status with texts no longer than its schema allows; what is stored (`before`) stays as it is,
    since a later version of the platform may have written it."""
    try:
        kind.status.model_validate(status)
        return status
    except ValidationError as problem:
        too_long = [
            error
            for error in problem.errors()
            if error["type"] == "string_too_long"
            and status[field := str(error["loc"][0])] != before.get(field)
        ]
    status = copy.deepcopy(status)
    for error in too_long:
        *parents, last = error["loc"]
        holder: Any = status
        for part in parents:
            holder = holder[part]
        limit = error["ctx"]["max_length"]
        holder[last] = f"{holder[last][: limit - 1]}…"
    return status


def generation_of(obj: Manifest) -> int:
    """metadata.generation; 0 when the API server has not numbered the object."""
    return int(obj["metadata"].get("generation") or 0)
