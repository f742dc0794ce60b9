"""The status that people read: conditions, numbers, and why things are as they are.

All of it follows from the durable state and the snapshot; nothing in it is ever decided upon.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from paas.api.deployment import KIND
from paas.api.deployment_status import DeploymentConfigStatus, Details, Phase, RolloutReason
from paas.api.names import Condition, Reason
from paas.api.resources import Manifest
from paas.deployments import drift, hold, revision, rollout, template, workload
from paas.deployments.blockers import first_blocker
from paas.deployments.snapshot import Snapshot, Unreadable
from paas.deployments.workload import Progress
from paas.reconcile.conditions import Wanted
from paas.reconcile.status import Blocker, ConditionTable, generation_of, refused

AN_ADMISSION: Final = "an admission webhook or policy of this cluster, which adds it to every write"
TABLE: Final = ConditionTable(
    KIND,
    announced={
        Condition.READY: frozenset(
            {Reason.NAME_TAKEN, Reason.INVALID_SPEC, Reason.FOREIGN_AUTOSCALER, Reason.REFUSED}
        ),
    },
)


def status(
    snapshot: Snapshot, state: DeploymentConfigStatus, *, now: datetime, final: bool = True
) -> Manifest:
    """The whole status as it is to be stored. Unless it is final, it is still about the generation that
    was observed before: a reader that waits for the newest must not take it for the answer."""
    if state.hold is not None:
        count = hold.withheld(snapshot.spec, images=snapshot.images, revisions=snapshot.revisions)
        state = state.model_copy(update={"hold": state.hold.model_copy(update={"withheld": count})})
    state = rollout.forget(state, {r.number for r in snapshot.revisions})
    generation = generation_of(snapshot.dc) if final else state.observed_generation or 0
    selector = workload.selector(snapshot.dc, snapshot.spec)
    filled: Manifest = state.model_copy(
        update={
            "observed_generation": generation,
            "latest_version": snapshot.latest_version,
            "details": _details(snapshot),
            "image": _image(snapshot, state),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
            "conditions": None,
        }
    ).dump()
    filled |= workload.counts(None if snapshot.foreign_deployment else snapshot.deployment)
    wanted = _Outlook(snapshot, state).wanted()
    filled["conditions"] = TABLE.conditions(snapshot.dc, wanted, generation=generation, now=now)
    return filled


def unreadable(observed: Unreadable, *, now: datetime) -> Manifest:
    """The status of an object whose spec cannot be read: as it was, but Stalled."""
    dc = observed.dc
    message = f"{observed.problem}; correct it with: kubectl edit dc {dc['metadata']['name']}"
    kept = {key: value for key, value in (dc.get("status") or {}).items() if key != "conditions"}
    wanted = TABLE.blocked(Blocker(Reason.INVALID_SPEC, message))
    merged = TABLE.conditions(dc, wanted, now=now)
    return {**kept, "observedGeneration": generation_of(dc), "conditions": merged}


def _details(snapshot: Snapshot) -> Details | None:
    if snapshot.newest is None:
        return None
    causes = snapshot.newest.data.causes
    return Details(message=revision.describe(causes)[: rollout.MESSAGE_LIMIT], causes=causes)


def _image(snapshot: Snapshot, state: DeploymentConfigStatus) -> str | None:
    """Of the first container (not init container) of what runs or is rolled out."""
    shown = revision.find(snapshot.revisions, rollout.target(state))
    return template.main_image(shown.data.template) if shown else None


def under_way(snapshot: Snapshot, state: DeploymentConfigStatus) -> str:
    """One line about a rollout that is not over, and what keeps it."""
    live = snapshot.deployment
    numbers, replicas = workload.counts(live), snapshot.spec.replicas
    text = (
        f"revision {rollout.target(state)}: {numbers['updatedReplicas']} of {replicas} pods updated,"
        f" {numbers['availableReplicas']} available"
    )
    problem = workload.problem(live, snapshot.pods, log=snapshot.log)
    if problem is None:
        return text
    logs = "" if workload.refused(live) else f"; see: paas logs {snapshot.name}"
    return f"{text}; {problem.message}{logs}"


class _Outlook:
    """The conditions of one snapshot; each property is one statement about it."""

    def __init__(self, snapshot: Snapshot, state: DeploymentConfigStatus) -> None:
        self.snapshot, self.state = snapshot, state
        self.name = snapshot.name
        self.progress = snapshot.progress(state)
        self.blocker: Blocker | None = first_blocker(snapshot, state)
        live = None if snapshot.foreign_deployment else snapshot.deployment
        self.live = live
        self.numbers = workload.counts(live)
        self.problem = workload.problem(live, snapshot.pods)

    def wanted(self) -> list[Wanted]:
        stalled = self._stalled()
        reconciling = None if stalled else self._reconciling()
        abnormal = [each for each in (stalled, reconciling, self._drifted()) if each is not None]
        return [self._available(), self._progressing(), self._ready(stalled, reconciling), *abnormal]

    def _pods(self) -> str:
        return f"{self.numbers['availableReplicas']} of {self.snapshot.spec.replicas} pods are available"

    def _under_way(self) -> str:
        return under_way(self.snapshot, self.state)

    def _available(self) -> Wanted:
        if workload.condition(self.live, "Available").get("status") == "True":
            return Wanted(Condition.AVAILABLE, "True", Reason.MINIMUM_REPLICAS_AVAILABLE, self._pods())
        message = f"{self._pods()}; see: paas status, paas logs {self.name}"
        return Wanted(Condition.AVAILABLE, "False", Reason.MINIMUM_REPLICAS_UNAVAILABLE, message)

    def _progressing(self) -> Wanted:
        current = self.state.rollout
        if self.snapshot.spec.paused and self.blocker is not None:
            return Wanted(Condition.PROGRESSING, "Unknown", Reason.PAUSED, self.blocker.message)
        if current is None:
            why = self.blocker or Blocker(Reason.IN_PROGRESS, "the first rollout is about to start")
            return Wanted(Condition.PROGRESSING, "False", why.reason, why.message)
        if rollout.is_complete(self.state):
            text = f"revision {current.revision} is rolled out"
            return Wanted(Condition.PROGRESSING, "True", Reason.ROLLOUT_COMPLETE, text)
        if current.phase == Phase.FAILED:
            late = current.reason == RolloutReason.PROGRESS_DEADLINE_EXCEEDED
            reason = Reason.PROGRESS_DEADLINE_EXCEEDED if late else Reason.ROLLOUT_FAILED
            return Wanted(Condition.PROGRESSING, "False", reason, str(current.message))
        return Wanted(Condition.PROGRESSING, "True", Reason.ROLLOUT_STARTED, self._under_way())

    def _stalled(self) -> Wanted | None:
        """Nothing goes on without a person."""
        if self.blocker is not None and self.blocker.stalled:
            return Wanted(Condition.STALLED, "True", self.blocker.reason, self.blocker.message)
        if self.snapshot.refusals:
            found = refused(self.snapshot.refusals[0], namespace=self.snapshot.namespace)
            return Wanted(Condition.STALLED, "True", found.reason, found.message)
        current = self.state.rollout
        if current is not None and current.phase == Phase.FAILED:
            return Wanted(Condition.STALLED, "True", Reason.ROLLOUT_FAILED, str(current.message))
        if (pods := workload.refused(self.live)) is not None:
            found = refused(pods, namespace=self.snapshot.namespace)
            return Wanted(Condition.STALLED, "True", found.reason, found.message)
        if self.snapshot.autoscalers:
            hpa = self.snapshot.autoscalers[0]["metadata"]["name"]
            text = (
                f"HorizontalPodAutoscaler {hpa} scales the Deployment, whose replicas follow this"
                " DeploymentConfig, so that it has no effect; point it here: kubectl patch hpa"
                f" {hpa} --type=merge -p '{{\"spec\":{{\"scaleTargetRef\":{{\"apiVersion\":\"paas.dev/v1\","
                f"\"kind\":\"DeploymentConfig\",\"name\":\"{self.name}\"}}}}}}'"
            )  # fmt: skip
            return Wanted(Condition.STALLED, "True", Reason.FOREIGN_AUTOSCALER, text)
        return None

    def _drifted(self) -> Wanted | None:
        """The Deployment runs more than its revision."""
        found = self.snapshot.not_removed
        if not found:
            return None
        said = "; ".join(f"{each.words} (by {', '.join(each.managers) or AN_ADMISSION})" for each in found)
        patch = json.dumps(drift.removal(found), separators=(",", ":"))
        text = (
            f"the Deployment has what revision {workload.revision_of(self.live)} does not: {said}; every"
            f" revision runs with it. Keep it by writing it into the DeploymentConfig (kubectl edit dc"
            f" {self.name}), or take it out: kubectl patch deployment {self.name} -n"
            f" {self.snapshot.namespace} --type=json -p '{patch}'"
        )
        return Wanted(Condition.DRIFTED, "True", Reason.FOREIGN_FIELDS, text)

    def _reconciling(self) -> Wanted | None:
        """Something goes on, or is waited for."""
        if self.snapshot.spec.paused:
            return None
        if rollout.under_way(self.state):
            return Wanted(Condition.RECONCILING, "True", Reason.ROLLOUT_STARTED, self._under_way())
        if self.blocker is not None:
            return Wanted(Condition.RECONCILING, "True", self.blocker.reason, self.blocker.message)
        if self.state.rollout is None:
            text = "the first rollout is about to start"
            return Wanted(Condition.RECONCILING, "True", Reason.IN_PROGRESS, text)
        if self.progress != Progress.COMPLETE:
            detail = f": {self.problem.message}" if self.problem else ""
            text = f"{self._pods()}{detail}; see: paas logs {self.name}"
            return Wanted(Condition.RECONCILING, "True", Reason.IN_PROGRESS, text)
        return None

    def _ready(self, stalled: Wanted | None, reconciling: Wanted | None) -> Wanted:
        for abnormal in (stalled, reconciling):
            if abnormal is not None:
                return Wanted(Condition.READY, "False", abnormal.reason, abnormal.message)
        current = self.state.rollout
        if self.snapshot.spec.paused and self.blocker is not None:
            complete = current is not None and self.progress == Progress.COMPLETE
            return Wanted(
                Condition.READY, "True" if complete else "False", Reason.PAUSED, self.blocker.message
            )
        number = current.revision if current else 0
        text = f"revision {number} runs: {self._pods()}"
        if self.state.hold is not None:
            count = self.state.hold.withheld
            text += (
                f"; held there by a rollback, {count} newer image{'' if count == 1 else 's'} withheld;"
                f" end the hold with: paas unpin {self.name}"
            )
            return Wanted(Condition.READY, "True", Reason.ROLLBACK_HELD, text)
        if self.snapshot.not_removed:
            text += "; its Deployment runs more than the revision, see the condition Drifted"
        if self.snapshot.edited_in_vain:
            text += f"; the template was edited since, roll it out with: paas rollout latest {self.name}"
        return Wanted(Condition.READY, "True", Reason.RECONCILED, text)
