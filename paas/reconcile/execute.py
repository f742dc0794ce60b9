"""Carries out a Plan, in order: the only place where a controller's decisions become writes.

Each write answers with a resourceVersion; the runtime keeps a key's next gather back until the view has
seen them, so that no decision is made from before one's own last write.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from paas.api.names import ANNOTATION_DESIRED, Reason
from paas.api.resources import EVENT, Key, Manifest, Resource, key_of, resource_of
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from paas.kube.view import version_of
from paas.reconcile.conditions import timestamp
from paas.reconcile.meta import owned_by
from paas.reconcile.plan import (
    Action,
    Apply,
    Create,
    Delete,
    Effect,
    Event,
    Patch,
    Plan,
    PlanOutdated,
    Requeue,
    Status,
)
from paas.reconcile.refusal import EffectRefused, Refusal, Subject, of_answer, of_effect, subject_of

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What a plan left behind: versions that the view must reach, when to look again (seconds), and what
    was refused."""

    writes: dict[tuple[Resource, Key], int] = field(default_factory=dict)
    requeue_after: float | None = None
    count: int = 0
    accepted: set[Subject] = field(default_factory=set)
    """What was carried out."""
    refused: list[Refusal] = field(default_factory=list)

    def wrote(self, obj: Manifest) -> None:
        self.count += 1
        self.writes[resource_of(obj), key_of(obj)] = version_of(obj)


class Executor:
    """Runs the plans of one controller under its own field manager."""

    def __init__(
        self, cluster: Cluster, *, manager: str, effect: Callable[[Effect], Awaitable[None]] | None = None
    ) -> None:
        self._cluster = cluster
        self._manager = manager
        self._effect = effect
        self._settled: dict[str, tuple[str, str]] = {}

    async def run(
        self, plan: Plan, *, known: Collection[Subject] = (), not_yet: Collection[Subject] = ()
    ) -> Outcome:
        """Carry out all actions. Raises PlanOutdated, ApiError or ClusterUnreachable at the first that
        cannot be; those before it stay done, and the next plan goes on from there.

        A refusal ends the run, because what follows may rest on what was refused. One that was `known` when
        the plan was made does not: the plan reckons with it. What is `not_yet` due is left out.
        """
        outcome = Outcome()
        for action in plan.actions:
            subject = subject_of(action)
            if subject in not_yet:
                continue
            try:
                await self._carry_out(action, outcome)
            except (ApiError, EffectRefused) as problem:
                refusal = _refusal(action, problem)
                if refusal is None:
                    raise
                outcome.refused.append(refusal)
                if isinstance(action, Status):
                    await self._event(_told(action, refusal))
                if subject not in known:
                    break
            else:
                if subject is not None:
                    outcome.accepted.add(subject)
        return outcome

    async def _carry_out(self, action: Action, outcome: Outcome) -> None:
        match action:
            case Create():
                await self._create(action, outcome)
            case Apply():
                await self._apply(action, outcome)
            case Delete():
                if await self._cluster.delete(
                    action.resource, action.key, uid=action.uid, propagation=action.propagation
                ):
                    outcome.count += 1
            case Patch():
                await self._patch(action, outcome)
            case Status():
                await self._status(action, outcome)
            case Event():
                await self._event(action)
                outcome.count += 1
            case Requeue():
                before = outcome.requeue_after
                outcome.requeue_after = action.after if before is None else min(before, action.after)
            case Effect():
                if self._effect is None:
                    raise TypeError(f"{self._manager} has no effects, but planned {action!r}")
                await self._effect(action)
                outcome.count += 1

    async def _create(self, action: Create, outcome: Outcome) -> None:
        try:
            outcome.wrote(await self._cluster.create(action.manifest, manager=self._manager))
        except AlreadyExists:
            # Ours from before a crash, or from a reply that was lost: success. Another's: the next
            # gather sees it under the name and the plan says NameTaken.
            existing = await self._cluster.get(resource_of(action.manifest), key_of(action.manifest))
            if existing is None or not owned_by(existing, action.owner_uid):
                raise PlanOutdated(f"{key_of(action.manifest)} belongs to somebody else") from None
            outcome.wrote(existing)

    async def _apply(self, action: Apply, outcome: Outcome) -> None:
        manifest = action.manifest
        wanted = (manifest["metadata"].get("annotations") or {}).get(ANNOTATION_DESIRED, "")
        if action.uid is not None:
            if self._settled.get(action.uid, ("", ""))[0] == wanted:
                # The API server keeps this manifest in a form that `covers` does not recognise: the
                # same apply changed nothing before. Look whether it would now.
                live = await self._cluster.get(resource_of(manifest), key_of(manifest))
                if live is not None and self._settled[action.uid] == (wanted, _content(live)):
                    return
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": action.uid}}
        try:
            # Without a known uid the object should not exist: an unforced apply creates it, and runs
            # into a conflict when somebody was faster under this name.
            applied = await self._cluster.apply(manifest, manager=self._manager, force=action.uid is not None)
        except Conflict as problem:
            raise PlanOutdated(str(problem)) from problem
        self._settled[applied["metadata"]["uid"]] = (wanted, _content(applied))
        if len(self._settled) > 20_000:
            self._settled.clear()
        outcome.wrote(applied)

    async def _patch(self, action: Patch, outcome: Outcome) -> None:
        as_seen = {"op": "add", "path": "/metadata/resourceVersion", "value": action.version}
        operations = [as_seen, *action.operations]
        try:
            outcome.wrote(
                await self._cluster.patch(action.resource, action.key, operations, manager=self._manager)
            )
        except (NotFound, Conflict) as problem:
            raise PlanOutdated(f"{action.resource} {action.key} is not as it was: {problem}") from problem

    async def _status(self, action: Status, outcome: Outcome) -> None:
        body = {
            "apiVersion": action.resource.api_version,
            "kind": action.resource.kind,
            "metadata": {"name": action.key.name, "namespace": action.key.namespace, "uid": action.uid},
            "status": action.status,
        }
        try:
            outcome.wrote(await self._cluster.apply(body, manager=self._manager, subresource="status"))
        except (NotFound, Conflict) as problem:
            raise PlanOutdated(f"{action.resource} {action.key} is gone or new: {problem}") from problem

    async def _event(self, action: Event) -> None:
        """Write an Event; its name is made of its content, so that a plan made twice writes it once."""
        now = timestamp(datetime.now(UTC))
        digest = hashlib.sha256(
            f"{action.resource}{action.uid}{action.reason}{action.message}".encode()
        ).hexdigest()[:16]
        namespace = action.key.namespace or "default"
        body: Manifest = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{action.key.name}.{digest}"[-253:], "namespace": namespace},
            "involvedObject": {
                "apiVersion": action.resource.api_version,
                "kind": action.resource.kind,
                "name": action.key.name,
                "namespace": action.key.namespace,
                "uid": action.uid,
            },
            "reason": str(action.reason),
            "message": action.message[:1000],
            "type": action.type,
            "source": {"component": self._manager},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._cluster.create(body, manager=self._manager)
        except AlreadyExists:
            pass
        except ApiError as problem:
            # An Event is a courtesy: a full quota or a namespace that is going away must not stop the work.
            logger.warning("no event %s about %s %s: %s", action.reason, action.resource, action.key, problem)


def _refusal(action: Action, problem: ApiError | EffectRefused) -> Refusal | None:
    if isinstance(problem, ApiError):
        return of_answer(action, problem)
    assert isinstance(action, Effect), "only effects are refused by something outside"
    return of_effect(action, problem)


def _told(action: Status, refusal: Refusal) -> Event:
    """A status that is refused cannot say so itself."""
    text = f"the cluster refuses the status of this object: {refusal.words}"
    return Event(action.resource, action.key, action.uid, Reason.REFUSED, text, "Warning")


def _content(obj: Manifest) -> str:
    """Digest of an object without what changes by itself (its status, its version)."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in ("resourceVersion", "managedFields", "generation")
    }
    rest = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return hashlib.sha256(json.dumps([metadata, rest], sort_keys=True).encode()).hexdigest()
