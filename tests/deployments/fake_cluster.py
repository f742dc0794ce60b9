"""A small cluster in memory: what a plan writes, and what the API server, the Deployment controller and
the kubelet make of it. Whatever must never be done, such as applying a blank image, fails at once."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from paas.api import names
from paas.api.deployment import DeploymentConfigSpec
from paas.api.deployment_status import DeploymentConfigStatus
from paas.api.deployment_strategy import StrategyType
from paas.api.resources import Manifest
from paas.deployments.judgement import LogSource, log_source
from paas.deployments.live_reads import (
    drifted,
    may_have_drifted,
    next_name,
    revision_of_pods,
    untested_deployment,
)
from paas.deployments.plan import plan
from paas.deployments.revision import Revision
from paas.deployments.snapshot import Snapshot, Unreadable, parse
from paas.deployments.strategies import STRATEGIES, Step
from paas.deployments.strategies.rolling import Rolling
from paas.reconcile import meta
from paas.reconcile.conditions import timestamp
from paas.reconcile.plan import Action, Apply, Create, Delete, Event, Patch, Plan, Requeue, Status
from paas.reconcile.refusal import Cause, Refusal
from tests.support import documented
from tests.support.json_copy import copied
from tests.support.refusing import Refusing

START = datetime(2027, 1, 1, tzinfo=UTC)
NAME, NAMESPACE = "shop", "demo"
CONFIG_UID = "bc-1"


def digest(text: str) -> str:
    return "sha256:" + meta.short_hash(text, length=64)


def image_trigger(
    *, tag: str = "shop:latest", container: str = "web", automatic: bool = True, namespace: str | None = None
) -> Manifest:
    source = {"kind": "ImageStreamTag", "name": tag} | ({"namespace": namespace} if namespace else {})
    params = {"automatic": automatic, "containerNames": [container], "from": source}
    return {"type": "ImageChange", "imageChangeParams": params}


CONFIG_CHANGE: Manifest = {"type": "ConfigChange"}


def template(*, image: str = " ", env: str = "1", **more: Any) -> Manifest:
    container = {"name": "web", "image": image, "env": [{"name": "LEVEL", "value": env}], "resources": {}}
    return {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container], **more}}


class TwoSteps:
    """A strategy of this test: the pods come one by one first, and the surge is as written after that."""

    FIRST = "OneByOne"

    def steps(self, dc: Manifest, spec: DeploymentConfigSpec, revision: Revision) -> Sequence[Step]:
        (last,) = Rolling().steps(dc, spec, revision)
        deployment = copied(last.deployment)
        deployment["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 1, "maxUnavailable": 0}
        return Step(self.FIRST, deployment, last.timeout_seconds), last


@contextlib.contextmanager
def two_steps() -> Iterator[Manifest]:
    """For the time of a test, a `spec.strategy` whose rollouts have two steps."""
    with patch.dict(STRATEGIES, {StrategyType.RECREATE: TwoSteps()}):
        yield {"type": "Recreate"}


class FakeCluster:
    """One DeploymentConfig `demo/shop` and all around it."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.uids = (f"uid-{number}" for number in itertools.count(1))
        self.dc: Manifest = {
            "apiVersion": "paas.dev/v1",
            "kind": "DeploymentConfig",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "dc", "generation": 1},
            "spec": {
                "replicas": 2,
                "template": template(),
                "triggers": [CONFIG_CHANGE, image_trigger()],
                **spec,
            },
        }
        self.deployment: Manifest | None = None
        self.revisions: dict[str, Manifest] = {}
        self.items: list[Manifest] = []
        self.autoscalers: list[Manifest] = []
        self.pods: list[Manifest] = []
        self.logs: dict[LogSource, str] = {}
        self.refusal: str | None = None
        self.refusal_cause = Cause.INVALID
        self.replica_sets: dict[int, dict[str, int]] = {}
        """Revision -> pods and ready pods; made by the Deployment controller."""
        self.broken: set[int] = set()
        """Revisions whose pods never become ready."""
        self.refusing = Refusing()
        self.webhook = False
        """Whether what is taken out of the Deployment comes back with the same write."""
        self.wrote = False
        """Whether the last plan changed anything."""
        self.events: list[tuple[str, str]] = []
        self.log: list[Action] = []
        self.builds = itertools.count(1)

    # -- people and other controllers ----------------------------------------------------------------
    def edit(self, **spec: Any) -> FakeCluster:
        """Change fields of the spec; None removes one."""
        for key, value in spec.items():
            if value is None:
                self.dc["spec"].pop(key, None)
            else:
                self.dc["spec"][key] = value
        self.dc["metadata"]["generation"] += 1
        return self

    def image(
        self,
        text: str,
        *,
        cause: str = "Push",
        number: int | None = None,
        uid: str = CONFIG_UID,
        commit: str | None = None,
    ) -> FakeCluster:
        """A new current image in shop:latest."""
        number = next(self.builds) if number is None else number
        item = {
            "created": "2027-01-01T00:00:00Z",
            "dockerImageReference": f"registry/demo/shop@{digest(text)}",
            "image": digest(text),
            "build": f"shop-{number}",
            "buildNumber": number,
            "buildConfigUid": uid,
            "commit": text if commit is None else commit,
            "cause": cause,
        }
        self.items.insert(0, item)
        return self

    def pin(self, revision: int, *, baseline: int | None = None, at: str | None = "t1") -> FakeCluster:
        if baseline is None:
            baseline = max((int(item["buildNumber"]) for item in self.items), default=0)
        rollback = {"toRevision": revision, "baseline": baseline} | ({"requestedAt": at} if at else {})
        return self.edit(rollback=rollback)

    def sleep(self, seconds: float) -> FakeCluster:
        self.now += timedelta(seconds=seconds)
        return self

    # -- the Deployment controller and the kubelet ------------------------------------------------------
    def roll(self) -> FakeCluster:
        """The Deployment controller sees the newest generation and makes its ReplicaSet."""
        if self.deployment is None or self.deployment["spec"].get("paused"):
            return self._observed()
        current = self._current()
        if current not in self.replica_sets:
            self.replica_sets[current] = {"pods": 0, "ready": 0}
            self._progressing("True", "NewReplicaSetCreated")
        self.replica_sets[current]["pods"] = int(self.deployment["spec"]["replicas"])
        return self._observed()

    def ready(self) -> FakeCluster:
        """All pods of the wanted revision become ready, unless it is broken; old ones end then."""
        self.roll()
        if self.deployment is None or self.deployment["spec"].get("paused"):
            return self
        current = self._current()
        if current in self.broken:
            return self._observed()
        for number, pods in self.replica_sets.items():
            pods["pods"] = int(self.deployment["spec"]["replicas"]) if number == current else 0
            pods["ready"] = pods["pods"]
        self._progressing("True", "NewReplicaSetAvailable")
        return self._observed()

    def time_out(self) -> FakeCluster:
        """The progress deadline passes without progress, for the Deployment controller."""
        self.roll()
        if self.deployment is not None and not self._complete():
            self._progressing("False", "ProgressDeadlineExceeded")
        return self

    def adds(self, *, by: str = "", variable: str = "X") -> FakeCluster:
        """Somebody adds a variable to the Deployment, leaving a note of it in managedFields when named."""
        assert self.deployment is not None
        (container,) = self.deployment["spec"]["template"]["spec"]["containers"]
        container["env"] = [*container["env"], {"name": variable, "value": "2"}]
        item = {"f:containers": {'k:{"name":"web"}': {"f:env": {f'k:{{"name":"{variable}"}}': {".": {}}}}}}
        fields = {"f:spec": {"f:template": {"f:spec": item}}}
        entry = {"manager": by, "operation": "Update", "fieldsV1": fields}
        self.deployment["metadata"]["managedFields"] = [entry] if by else []
        self.deployment["metadata"]["generation"] += 1
        return self._observed()

    def unavailable(self, ready: int = 0) -> FakeCluster:
        """Pods of the running revision stop being ready."""
        self.replica_sets[self._current()]["ready"] = ready
        return self._observed()

    def crashes(
        self, *, code: int = 3, at: datetime | None = None, runs: bool = True, **more: Any
    ) -> FakeCluster:
        """The container of the newest pod ended, and runs again unless told otherwise."""
        ended = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": timestamp(at or self.now)}}
        state = {"running": {}} if runs else {"waiting": {"reason": "CrashLoopBackOff"}}
        container = {"name": "web", "ready": runs, "restartCount": 1, "state": state, "lastState": ended}
        status = {"containerStatuses": [{**container, **more}]}
        self.pods = [{"metadata": {"name": "shop-x"}, "status": status}]
        return self

    def _current(self) -> int:
        assert self.deployment is not None
        return int(self.deployment["spec"]["template"]["metadata"]["labels"][names.LABEL_REVISION])

    def _complete(self) -> bool:
        assert self.deployment is not None
        status, replicas = self.deployment.get("status") or {}, self.deployment["spec"]["replicas"]
        return all(status.get(f) == replicas for f in ("replicas", "updatedReplicas", "availableReplicas"))

    def _observed(self) -> FakeCluster:
        if self.deployment is None:
            return self
        status = self.deployment.setdefault("status", {})
        status["observedGeneration"] = self.deployment["metadata"]["generation"]
        updated = self.replica_sets.get(self._current(), {"pods": 0, "ready": 0})
        ready = sum(pods["ready"] for pods in self.replica_sets.values())
        status["replicas"] = sum(pods["pods"] for pods in self.replica_sets.values())
        status["updatedReplicas"] = updated["pods"]
        status["readyReplicas"] = status["availableReplicas"] = ready
        wanted = int(self.deployment["spec"]["replicas"])
        self._condition("Available", "True" if ready >= wanted else "False", "MinimumReplicas")
        return self

    def _progressing(self, status: str, reason: str) -> None:
        self._condition("Progressing", status, reason)

    def _condition(self, type_: str, status: str, reason: str) -> None:
        assert self.deployment is not None
        stored = self.deployment.setdefault("status", {})
        others = [c for c in stored.get("conditions") or () if c["type"] != type_]
        stored["conditions"] = [*others, {"type": type_, "status": status, "reason": reason}]

    # -- the operator -----------------------------------------------------------------------------------
    @property
    def streams(self) -> dict[str, Manifest]:
        """The ImageStreams, by name."""
        if not self.items:
            return {}
        return {"shop": {"status": {"tags": [{"tag": "latest", "items": self.items}]}}}

    def observe(self) -> Snapshot | Unreadable:
        """As the controller gathers: pods and the answer to a dry run only when somebody asks."""
        observed = parse(
            copied(self.dc),
            deployment=copied(self.deployment),
            revisions=copied(list(self.revisions.values())),
            streams=copied(self.streams),
            autoscalers=copied(self.autoscalers),
        )
        if isinstance(observed, Unreadable):
            return observed
        observed = replace(observed, refusals=self.refusing.known)
        if (key := next_name(observed)) is not None:
            holder = self.revisions.get(key.name)
            taken = holder is not None and not meta.owned_by(holder, observed.uid)
            observed = replace(observed, next_name_taken=taken)
        if revision_of_pods(observed, now=self.now) is not None:
            observed = replace(observed, pods=tuple(copied(self.pods)))
            if (source := log_source(observed, now=self.now)) is not None:
                observed = replace(observed, log=self.logs.get(source, ""))
        if may_have_drifted(observed) and self.deployment is not None:
            observed = drifted(observed, copied(self.deployment), ours="paas-deployments")
        if (wanted := untested_deployment(observed)) is not None:
            said = self.refusal and Refusal(Apply(wanted), self.refusal_cause, self.refusal)
            observed = replace(observed, refusal=said or None)
        return observed

    def snapshot(self) -> Snapshot:
        """What is observed when the spec can be read."""
        observed = self.observe()
        assert isinstance(observed, Snapshot)
        return observed

    def plan(self) -> Plan:
        observed = self.observe()
        made = plan(observed, now=self.now)
        assert made == plan(observed, now=self.now), "the same input, the same plan"
        return made

    def step(self, *, actions: int | None = None) -> Plan:
        """One plan carried out; with `actions`, killed after so many of them."""
        made = self.plan()
        self.wrote = self.refusing.run(made, self.carry_out, actions=actions)
        return made

    def settle(self) -> FakeCluster:
        """Plan after plan until there is nothing to do: the property every controller must have."""
        for _ in range(12):
            self.step()
            if not self.wrote:
                assert not self.plan().writes or self.refusing.known
                return self
        raise AssertionError(f"still writing: {self.plan().writes}")

    def go(self) -> FakeCluster:
        """Settle, with the Deployment controller and the kubelet doing their part."""
        for _ in range(6):
            before = copied(self.settle().deployment)
            if self.ready().deployment == before:
                return self
        raise AssertionError("the Deployment does not come to rest")

    def carry_out(self, action: Action) -> None:
        self.log.append(action)
        match action:
            case Create(manifest):
                name = manifest["metadata"]["name"]
                existing = self.revisions.get(name)
                if existing is None:
                    stored = copied(manifest)
                    stored["metadata"]["uid"] = next(self.uids)
                    self.revisions[name] = stored
                else:
                    assert meta.owned_by(existing, action.owner_uid), "the plan should have seen it"
            case Apply(manifest, uid):
                self._apply(copied(manifest), uid)
            case Delete(_, key, uid):
                assert self.revisions[key.name]["metadata"]["uid"] == uid
                del self.revisions[key.name]
            case Status(status=status):
                DeploymentConfigStatus.model_validate(status)
                documented.check("DeploymentConfig", status)
                self.dc["status"] = copied(status)
            case Patch(version=version, operations=operations):
                assert self.deployment is not None
                assert version == self.deployment["metadata"]["resourceVersion"]
                if not self.webhook:
                    for operation in operations:
                        self._remove(operation)
                    self.deployment["metadata"]["generation"] += 1
            case Event(reason=reason, message=message):
                self.events.append((reason, message))
            case Requeue():
                pass
            case _:
                raise AssertionError(f"no such thing is ever planned: {action}")

    def _remove(self, operation: Manifest) -> None:
        assert operation["op"] == "remove"
        *parents, last = operation["path"].removeprefix("/").split("/")
        at: Any = self.deployment
        for step in parents:
            at = at[int(step) if isinstance(at, list) else step]
        del at[int(last) if isinstance(at, list) else last.replace("~1", "/")]

    def _apply(self, manifest: Manifest, uid: str | None) -> None:
        live = self.deployment
        assert (live or {}).get("metadata", {}).get("uid") == uid, "applied without having seen it"
        if live is not None:
            assert meta.owned_by(live, "dc"), "a foreign object is never touched"
        pods = manifest["spec"]["template"]
        for container in pods["spec"]["containers"]:
            assert container.get("image", "").strip(), "a blank image is never deployed"
        labels = pods["metadata"]["labels"]
        frozen = self.revisions[f"{NAME}-{labels[names.LABEL_REVISION]}"]["data"]["template"]
        assert pods["spec"] == frozen["spec"], "only what is frozen in a revision runs"
        assert manifest["spec"]["replicas"] == self.dc["spec"]["replicas"]
        for container in pods["spec"]["containers"]:  # what the API server fills in and leaves out
            container["terminationMessagePath"] = "/dev/termination-log"
            container.pop("resources", None)
        pods["spec"]["restartPolicy"] = "Always"
        metadata = {**manifest["metadata"], "uid": uid or next(self.uids), "generation": 1}
        metadata["resourceVersion"] = "7"
        if live is not None:
            changed = manifest["spec"] != live["spec"]
            metadata["generation"] = live["metadata"]["generation"] + changed
        else:
            self.replica_sets.clear()
        self.deployment = {**manifest, "metadata": metadata, "status": (live or {}).get("status") or {}}

    # -- what is seen -----------------------------------------------------------------------------------
    @property
    def status(self) -> Manifest:
        found: Manifest = self.dc.get("status") or {}
        return found

    @property
    def rollout(self) -> tuple[int, str]:
        current = self.status["rollout"]
        return current["revision"], current["phase"]

    @property
    def running(self) -> tuple[int, str, str]:
        """What the Deployment has: revision, image digest, value of LEVEL."""
        assert self.deployment is not None
        container = self.deployment["spec"]["template"]["spec"]["containers"][0]
        return self._current(), container["image"].partition("@")[2], container["env"][0]["value"]

    def condition(self, type_: str) -> Manifest | None:
        return next((c for c in self.status["conditions"] if c["type"] == type_), None)

    def ready_reason(self) -> str:
        found = self.condition("Ready")
        assert found is not None
        return f"{found['status']}/{found['reason']}"

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.events]

    def applies(self) -> int:
        return sum(isinstance(action, Apply) for action in self.log)


def complete(*texts: str, **spec: Any) -> FakeCluster:
    """A cluster in which these images were rolled out one after the other: revisions 1, 2, …"""
    cluster = FakeCluster(**spec)
    for text in texts:
        cluster.image(text).go()
    return cluster
