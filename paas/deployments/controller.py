"""The deployments controller: what wakes a DeploymentConfig, and how its snapshot is taken.

Pods are not watched (a cluster has many): those of a rollout that takes its time are read live, and the
plan asks to be looked at again. The one other live read is for who holds a name, because only our own
Deployments and ControllerRevisions are watched.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Final

from paas.api import names
from paas.api.names import Condition, Reason
from paas.api.project import is_project
from paas.api.resources import (
    CONTROLLERREVISION,
    DEPLOYMENT,
    DEPLOYMENTCONFIG,
    HPA,
    IMAGESTREAM,
    NAMESPACE,
    POD,
    Key,
    Manifest,
)
from paas.deployments.judgement import LogSource, log_source
from paas.deployments.live_reads import (
    drifted,
    may_have_drifted,
    next_name,
    revision_of_pods,
    untested_deployment,
)
from paas.deployments.plan import plan
from paas.deployments.rollout import LOG_LIMIT
from paas.deployments.snapshot import Snapshot, Unreadable, parse
from paas.deployments.status import TABLE
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.view import View
from paas.reconcile import meta
from paas.reconcile.conditions import find
from paas.reconcile.controller import Controller, Watch, itself, owner
from paas.reconcile.plan import Apply, Plan
from paas.reconcile.refusal import Refusal, of_answer
from paas.reconcile.status import Blocker
from paas.settings import Settings
from paas.terminal.output import plain

logger = logging.getLogger(__name__)

LOG_LINES: Final = 40
LOG_SECONDS: Final = 5.0
OURS: Final = {names.LABEL_MANAGED_BY: names.MANAGED_BY}
"""Label of the children; narrows the watches, so that others' Deployments take no memory here."""


def users_of_stream(stream: Manifest, view: View) -> Iterable[Key]:
    """DeploymentConfigs with a trigger on a tag of this stream."""
    namespace, name = stream["metadata"]["namespace"], stream["metadata"]["name"]
    for dc in view.list(DEPLOYMENTCONFIG, namespace):
        if name in stream_names(dc):
            yield Key(namespace, dc["metadata"]["name"])


def affected_by_autoscaler(hpa: Manifest, view: View) -> Iterable[Key]:
    """The DeploymentConfig whose Deployment an autoscaler targets, and those that complain about one: it
    may have been theirs until now."""
    namespace, target = hpa["metadata"]["namespace"], _target(hpa)
    for dc in view.list(DEPLOYMENTCONFIG, namespace):
        ready = find(dc, Condition.READY) or {}
        if dc["metadata"]["name"] == target or ready.get("reason") == Reason.FOREIGN_AUTOSCALER:
            yield Key(namespace, dc["metadata"]["name"])


def all_of_namespace(namespace: Manifest, view: View) -> Iterable[Key]:
    """Every DeploymentConfig of a namespace, which may have become a project."""
    for dc in view.list(DEPLOYMENTCONFIG, namespace["metadata"]["name"]):
        yield Key(dc["metadata"]["namespace"], dc["metadata"]["name"])


def stream_names(dc: Manifest) -> Iterator[str]:
    """Names of the ImageStreams that triggers of a DeploymentConfig (as stored) name."""
    for trigger in (dc.get("spec") or {}).get("triggers") or ():
        tag = ((trigger.get("imageChangeParams") or {}).get("from") or {}).get("name")
        if isinstance(tag, str):
            yield tag.partition(":")[0]


def _target(hpa: Manifest) -> str | None:
    """Name of the Deployment that an autoscaler targets, or None."""
    target = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    if target.get("kind") != DEPLOYMENT.kind or not str(target.get("apiVersion")).startswith("apps/"):
        return None
    return str(target.get("name"))


class DeploymentsController(Controller[Snapshot | Unreadable]):
    """Reconciles DeploymentConfigs."""

    name: ClassVar[str] = "paas-deployments"
    watches: ClassVar[tuple[Watch, ...]] = (
        Watch(DEPLOYMENTCONFIG, itself),
        Watch(DEPLOYMENT, owner(DEPLOYMENTCONFIG.kind), labels=OURS),
        Watch(CONTROLLERREVISION, owner(DEPLOYMENTCONFIG.kind), labels=OURS),
        Watch(IMAGESTREAM, users_of_stream),
        Watch(HPA, affected_by_autoscaler),
        Watch(NAMESPACE, all_of_namespace),
    )

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Snapshot | Unreadable | None:
        dc = self.view.get(DEPLOYMENTCONFIG, key)
        if dc is None or dc["metadata"].get("deletionTimestamp"):
            return None
        if not is_project(self.view.get(NAMESPACE, Key("", key.namespace))):
            return None
        streams = {name: self.view.get(IMAGESTREAM, Key(key.namespace, name)) for name in stream_names(dc)}
        snapshot = parse(
            dc,
            deployment=self.view.get(DEPLOYMENT, key) or await self.cluster.get(DEPLOYMENT, key),
            revisions=await self._revisions(key, dc),
            streams={name: stream for name, stream in streams.items() if stream is not None},
            autoscalers=(hpa for hpa in self.view.list(HPA, key.namespace) if _target(hpa) == key.name),
        )
        if isinstance(snapshot, Unreadable):
            return snapshot
        return await self._with_live_reads(replace(snapshot, refusals=refusals))

    def plan(self, observed: Snapshot | Unreadable, *, now: datetime, settings: Settings) -> Plan:
        return plan(observed, now=now)

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        dc = self.view.get(DEPLOYMENTCONFIG, key)
        return Plan.of(TABLE.failing(dc, blocker, now=now) if dc is not None else ())

    async def _with_live_reads(self, snapshot: Snapshot) -> Snapshot:
        """With what is read or asked of the API server only when the decision depends on it."""
        snapshot = replace(snapshot, next_name_taken=await self._next_name_taken(snapshot))
        # before the pods: a newer Deployment may be the complete one whose pods have to be looked at
        if may_have_drifted(snapshot):
            live = await self.cluster.get(DEPLOYMENT, Key(snapshot.namespace, snapshot.name))
            if live is not None:
                snapshot = drifted(snapshot, live, ours=self.name)
        if (number := revision_of_pods(snapshot, now=datetime.now(UTC))) is not None:
            selector = f"{names.LABEL_DEPLOYMENTCONFIG}={snapshot.name},{names.LABEL_REVISION}={number}"
            pods = await self.cluster.list(POD, snapshot.namespace, labels=selector)
            snapshot = replace(snapshot, pods=tuple(pods))
            if (source := log_source(snapshot, now=datetime.now(UTC))) is not None:
                snapshot = replace(snapshot, log=await self._log(Key(snapshot.namespace, source.pod), source))
        if (wanted := untested_deployment(snapshot)) is not None:
            snapshot = replace(snapshot, refusal=await self._refusal(wanted, snapshot.deployment))
        return snapshot

    async def _log(self, pod: Key, source: LogSource) -> str:
        """The end of a container's log, printable; empty when it cannot be read."""
        kept: deque[str] = deque(maxlen=LOG_LINES)
        try:
            async with asyncio.timeout(LOG_SECONDS):
                async for line in self.cluster.logs(
                    pod, container=source.container, previous=source.previous, tail=LOG_LINES
                ):
                    kept.append(line[-LOG_LIMIT:])
        except (ApiError, ClusterUnreachable, TimeoutError) as problem:
            logger.info("no log of pod %s: %s", pod, problem)  # it has gone, or its node does not answer
        return plain("\n".join(kept))[-LOG_LIMIT:]

    async def _revisions(self, key: Key, dc: Manifest) -> tuple[Manifest, ...]:
        """The revisions of a DeploymentConfig. When the view lacks the newest that its status names,
        they are read live: a view that is behind must not look like a history that was taken away."""
        uid = dc["metadata"]["uid"]
        seen = self.view.list(CONTROLLERREVISION, key.namespace, owner_uid=uid)
        latest = (dc.get("status") or {}).get("latestVersion") or 0
        if max((int(found.get("revision") or 0) for found in seen), default=0) >= latest:
            return tuple(seen)
        selector = f"{names.LABEL_DEPLOYMENTCONFIG}={key.name}"
        live = await self.cluster.list(CONTROLLERREVISION, key.namespace, labels=selector)
        return tuple(found for found in live if meta.owned_by(found, uid))

    async def _next_name_taken(self, snapshot: Snapshot) -> bool:
        """Whether another's ControllerRevision has the name of the revision that is due, if one is."""
        key = next_name(snapshot)
        holder = await self.cluster.get(CONTROLLERREVISION, key) if key is not None else None
        return holder is not None and not meta.owned_by(holder, snapshot.uid)

    async def _refusal(self, wanted: Manifest, live: Manifest | None) -> Refusal | None:
        """What the API server says against a Deployment, by a dry run; None when it accepts it."""
        if live is not None:
            wanted = {**wanted, "metadata": {**wanted["metadata"], "uid": live["metadata"]["uid"]}}
        try:
            await self.cluster.apply(wanted, manager=self.name, force=live is not None, dry_run=True)
        except ApiError as problem:
            refusal = of_answer(Apply(wanted), problem)
            if refusal is None:
                raise
            return refusal
        return None
