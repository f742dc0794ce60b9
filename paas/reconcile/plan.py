"""What a decision may ask for: a closed union of actions, carried out in order by `reconcile.execute`.

A controller's `plan` is pure and returns a Plan; nothing else of it reaches the cluster. A verdict
(a rollout failed, a pin is released) is a Status of its own, and the act that follows from it comes
with the next plan, made from the status as it was stored; so no crash loses a verdict. A Create is
the other way round: create under a deterministic name, then record it in a Status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from paas.api.resources import Key, Manifest, Resource


@dataclass(frozen=True)
class Create:
    """POST, once. AlreadyExists of an object that carries `owner_uid` is success; of another, the
    plan is made again, and sees the foreign object under the name."""

    manifest: Manifest
    owner_uid: str


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a whole child (made by `reconcile.meta.desired`). `uid` is that of the live
    child when one was seen: it makes the API server refuse when the name has changed hands, and only
    with it are conflicts forced."""

    manifest: Manifest
    uid: str | None = None


@dataclass(frozen=True)
class Delete:
    """Delete one object; `uid` is a precondition, so that a successor of the same name is spared."""

    resource: Resource
    key: Key
    uid: str
    propagation: Literal["Background", "Foreground"] = "Background"


@dataclass(frozen=True)
class Patch:
    """JSON patch (RFC 6902) of an object as it was seen at `version`; when it has another one, the plan is
    made again. It takes away what nobody owns, which server-side apply leaves alone."""

    resource: Resource
    key: Key
    version: str
    operations: tuple[Manifest, ...]


@dataclass(frozen=True)
class Status:
    """Server-side apply of the whole of our part of an object's status subresource."""

    resource: Resource
    key: Key
    uid: str
    status: Manifest


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event about an object. `reason` equals the reason of a condition."""

    resource: Resource
    key: Key
    uid: str
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Requeue:
    """Look again after this many seconds, though nothing was seen to change."""

    after: float


@dataclass(frozen=True)
class Effect:
    """Base of the named idempotent effects on the outside. Their result is seen only by the next
    gather, from an object that the effect wrote, or from a refusal (`reconcile.refusal`). A controller's
    `effect` carries them out."""

    @property
    def subject(self) -> str:
        """What it writes, as in `Secret shop-tls`: two effects with one subject are the same one."""
        return ""


Action = Create | Apply | Delete | Patch | Status | Event | Requeue | Effect


class PlanOutdated(Exception):
    """The cluster has moved on since the plan was made: gather and plan again."""


@dataclass(frozen=True)
class Plan:
    """Actions in the order in which they are carried out; empty when nothing is to be done."""

    actions: tuple[Action, ...] = field(default=())

    @staticmethod
    def of(actions: Iterable[Action | None]) -> Plan:
        return Plan(tuple(action for action in actions if action is not None))

    @property
    def writes(self) -> tuple[Action, ...]:
        """The actions that change something; a steady object has none."""
        return tuple(action for action in self.actions if not isinstance(action, Requeue))
