"""What a room says about its controller: what it watches, how it gathers, and its pure plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from paas.api.resources import Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile.plan import Effect, Plan
from paas.reconcile.refusal import Refusal
from paas.reconcile.status import Blocker
from paas.settings import Settings

Observed = TypeVar("Observed")


def itself(obj: Manifest, view: View) -> Iterable[Key]:
    """For Watch.wakes: the object's own key."""
    yield Key(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def owner(kind: str) -> Callable[[Manifest, View], Iterable[Key]]:
    """For Watch.wakes: the key of the controlling owner of this kind."""

    def wakes(obj: Manifest, view: View) -> Iterable[Key]:
        for ref in obj["metadata"].get("ownerReferences") or ():
            if ref.get("controller") and ref.get("kind") == kind:
                yield Key(obj["metadata"].get("namespace") or "", ref["name"])

    return wakes


def labelled(label: str) -> Callable[[Manifest, View], Iterable[Key]]:
    """For Watch.wakes: the key whose name is the value of this label, in the object's namespace."""

    def wakes(obj: Manifest, view: View) -> Iterable[Key]:
        name = (obj["metadata"].get("labels") or {}).get(label)
        if name:
            yield Key(obj["metadata"].get("namespace") or "", name)

    return wakes


@dataclass(frozen=True)
class Watch:
    """A resource that a controller reads, and which keys an event of it wakes.

    `labels` (name: value) narrow the watch at the API server; all watches of one resource in the
    process must agree on them.
    """

    resource: Resource
    wakes: Callable[[Manifest, View], Iterable[Key]]
    labels: Mapping[str, str] | None = None


class Controller(ABC, Generic[Observed]):
    """One room's controller: what it watches, how it gathers, and its pure plan."""

    name: ClassVar[str]
    """Field manager of all that it writes."""
    watches: ClassVar[tuple[Watch, ...]]
    workers: ClassVar[int] = 8

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        self.cluster, self.view, self.settings = cluster, view, settings

    @abstractmethod
    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Observed | None:
        """One snapshot of all that the decision needs; None when there is nothing to decide. `refusals`
        belong to it: what this key's plans asked for and did not get."""

    @abstractmethod
    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        """The room's pure decision."""

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        """What is written when gather or a plan's writes have failed for a while: the objects of the key say
        so, and keep the rest of their status. The next plan that works takes it back."""
        return Plan()

    async def effect(self, effect: Effect) -> None:
        """Carry out a named effect on the outside. Raises EffectRefused when it is refused for good."""
        raise TypeError(f"{self.name} has no effects, but planned {effect!r}")
