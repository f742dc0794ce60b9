"""The decision about one DeploymentConfig: pure and total.

    judge   the rollout is over, well or badly            ─┐ each of these is a verdict: it is written to
    hold    a rollback is adopted, released, or withdrawn  │ the status by itself, and what follows from
    revise  a revision is due, or another one's turn      ─┘ it comes with the next plan
    settle  the Deployment runs the target revision; old revisions go; the status says how things are

The first of them that has something to say is the plan. So a crash between a verdict and its act is
nothing special: the next plan is made from the verdict as it was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from paas.api.deployment import DeploymentConfigStatus, Phase, RolloutProblem, RolloutReason
from paas.api.names import Condition, Reason
from paas.api.resources import CONTROLLERREVISION, DEPLOYMENTCONFIG, Manifest, key_of
from paas.deployments import hold, revision, rollout, triggers, workload
from paas.deployments import status as report
from paas.deployments.revision import Revision
from paas.deployments.snapshot import Blocker, Observed, Snapshot, first_blocker, understand
from paas.deployments.workload import Progress
from paas.reconcile import meta
from paas.reconcile.conditions import find
from paas.reconcile.plan import Action, Create, Delete, Event, Plan, Requeue, Status
from paas.settings import Settings

__all__ = ["Observed", "candidate", "plan", "plan_of", "wants_reasons"]

NAME_TAKEN_PAUSE: Final = 30.0
"""Seconds after which a taken name is looked at again: foreign objects are not watched."""
REFUSED_PAUSE: Final = 60.0
"""Seconds after which a refused template is tried again: a quota may have been the reason."""
FIRST_LOOK, LAST_LOOK = 2.0, 30.0
"""Seconds between looks at the pods of a rollout that takes long: their reasons are not watched."""


ANNOUNCED: Final = frozenset({Reason.NAME_TAKEN, Reason.INVALID_SPEC, Reason.FOREIGN_AUTOSCALER})
"""Reasons of Ready that are told by an Event too, when they come up."""


@dataclass(frozen=True)
class Announcement:
    """What an Event says."""

    reason: Reason
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Change:
    """A step: a new state, what is told about it, and what is created before it is recorded."""

    state: DeploymentConfigStatus
    told: tuple[Announcement, ...]
    create: Create | None = None
    final: bool = True
    """False: the next plan goes on from here, so that the spec does not count as observed yet."""


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """What to do about this snapshot. `settings` has nothing about deployments so far."""
    return plan_of(observed, now=now)


def plan_of(observed: Observed, *, now: datetime) -> Plan:
    snapshot = understand(observed, now=now)
    if isinstance(snapshot, str):
        status = report.unreadable(observed.dc, snapshot, now=now)
        return Plan.of(_stored(observed.dc, status))
    blocker = first_blocker(snapshot, snapshot.state)
    if blocker is None or not _stops(blocker):
        for step in STEPS:
            change = step(snapshot, blocker)
            if change is not None:
                return _carried_out(snapshot, change)
    return _settled(snapshot, blocker)


def candidate(observed: Observed, *, now: datetime) -> Manifest | None:
    """The Deployment of the revision that this plan would make, when the API server has not accepted
    its template yet: the shell asks it (a dry run), so that what it refuses never becomes a revision."""
    snapshot = understand(observed, now=now)
    if (
        isinstance(snapshot, str)
        or first_blocker(snapshot, snapshot.state) is not None
        or snapshot.state.hold is not None
    ):
        return None
    following = snapshot.next_revision
    if following is None or (isinstance(snapshot.due, triggers.Due) and snapshot.due.same_template):
        return None
    return meta.desired(workload.deployment(snapshot.dc, snapshot.spec, following))


def wants_reasons(observed: Observed, *, now: datetime) -> int | None:
    """The revision whose pods the shell shall read, because somebody wants to know what keeps them; None
    while all goes well, so that a rollout that takes two seconds costs no read."""
    snapshot = understand(observed, now=now)
    if (
        isinstance(snapshot, str)
        or snapshot.state.rollout is None
        or snapshot.state.rollout.phase == Phase.FAILED
    ):
        return None
    progress = snapshot.progress(snapshot.state)
    if progress not in (Progress.RUNNING, Progress.TIMED_OUT):
        return None
    fresh = rollout.under_way(snapshot.state) and rollout.seconds(snapshot.state, now=now) < FIRST_LOOK
    return None if fresh and progress != Progress.TIMED_OUT else snapshot.state.rollout.revision


def _stops(blocker: Blocker) -> bool:
    """Whether no verdict may be given either: the Deployment is not ours, or it is paused."""
    return blocker.reason in (Reason.NAME_TAKEN, Reason.PAUSED)


# -- verdicts --------------------------------------------------------------------------------------------
def _judge(snapshot: Snapshot, blocker: Blocker | None) -> Change | None:
    state = snapshot.state
    current = state.rollout
    if current is None or rollout.target(state) != current.revision or current.phase == Phase.COMPLETE:
        return None
    progress = snapshot.progress(state)
    if progress == Progress.COMPLETE:
        text = f"revision {current.revision} is rolled out: all {snapshot.spec.replicas} pods are available"
        done = rollout.completed(state, now=snapshot.now, message=text)
        return Change(done, (Announcement(Reason.ROLLOUT_COMPLETE, text),))
    if progress == Progress.TIMED_OUT and current.phase != Phase.FAILED and _believed(snapshot):
        return _failure(snapshot, current.revision)
    return None


def _believed(snapshot: Snapshot) -> bool:
    """Whether the Deployment's verdict is about this rollout. Its condition can be left from the rollout
    before: going back to a ReplicaSet that exists does not reset it at once. It is about this one when
    this one was seen running, or when our own clock says that it had the time to fail."""
    current = snapshot.state.rollout
    assert current is not None
    return current.phase == Phase.RUNNING or _remaining(snapshot) <= 0


def _remaining(snapshot: Snapshot) -> float:
    """Seconds until the rollout can have failed, by our own clock."""
    return snapshot.spec.strategy.rolling_params.timeout_seconds - rollout.seconds(
        snapshot.state, now=snapshot.now
    )


def _failure(snapshot: Snapshot, number: int) -> Change:
    state = snapshot.state
    deadline = snapshot.spec.strategy.rolling_params.timeout_seconds
    problems = [
        RolloutProblem(
            reason=RolloutReason.PROGRESS_DEADLINE_EXCEEDED, message=f"no progress for {deadline} s"
        )
    ]
    if (seen := workload.problem(snapshot.observed.deployment, snapshot.observed.pods)) is not None:
        problems.append(seen)
    text = f"revision {number} failed: {'; '.join(problem.message for problem in problems)}"
    going_back = state.active_revision not in (None, number)
    if going_back:
        text += f"; revision {state.active_revision} takes its place"
    text += (
        f"; see: paas logs {snapshot.name}; fix it by a push or an edit,"
        f" or try it again with: paas rollout latest {snapshot.name}"
    )
    told = [Announcement(Reason.ROLLOUT_FAILED, text, "Warning")]
    if going_back:
        back = f"going back from revision {number} to revision {state.active_revision}"
        told.append(Announcement(Reason.ROLLED_BACK, back))
    return Change(rollout.failed(state, now=snapshot.now, message=text, problems=problems), tuple(told))


def _hold(snapshot: Snapshot, blocker: Blocker | None) -> Change | None:
    state, rollback = snapshot.state, snapshot.spec.rollback
    if rollback is None:
        if state.hold is None and state.released is None:
            return None
        text = "spec.rollback was removed: triggers go on"
        cleared = state.model_copy(update={"hold": None, "released": None})
        return Change(cleared, (Announcement(Reason.PIN_RELEASED, text),) if state.hold else (), final=False)
    if not snapshot.pin_in_force:
        return None
    if hold.same_as_hold(rollback, state.hold):
        assert state.hold is not None
        why = hold.released_by(
            state.hold,
            snapshot.spec,
            snapshot.template,
            streams=snapshot.observed.streams,
            revisions=snapshot.revisions,
        )
        if why is None:
            return None
        text = f"the hold on revision {state.hold.revision} is released: {why}"
        freed = hold.release(state.hold, message=why, now=snapshot.now)
        after = state.model_copy(update={"hold": None, "released": freed})
        return Change(after, (Announcement(Reason.PIN_RELEASED, text),), final=False)
    pinned = revision.find(snapshot.revisions, rollback.to_revision)
    if pinned is None:
        return None  # `first_blocker` says so
    held = state.model_copy(
        update={
            "hold": hold.adopt(rollback, snapshot.spec, snapshot.template, now=snapshot.now),
            "released": None,
        }
    )
    text = (
        f"rolling back to revision {pinned.number}, and holding it until new source, an edited template,"
        f" or: paas unpin {snapshot.name}"
    )
    serving = state.rollout is not None and (
        (state.rollout.revision, state.rollout.phase) == (pinned.number, Phase.COMPLETE)
    )
    after = held if serving else rollout.started(held, pinned, now=snapshot.now, why=text)
    return Change(after, (Announcement(Reason.ROLLBACK_HELD, text),))


def _revise(snapshot: Snapshot, blocker: Blocker | None) -> Change | None:
    state, newest = snapshot.state, snapshot.newest
    if state.hold is not None or snapshot.pin_in_force:
        return None
    if newest is not None and newest.number > (state.latest_version or 0):
        return _start(snapshot, newest)  # created before a crash, or the status was lost
    if blocker is not None:
        return None
    following = snapshot.next_revision
    if following is not None:
        return _start(
            snapshot, following, meta.create(revision.write(snapshot.dc, following), owner=snapshot.dc)
        )
    if newest is None or rollout.gave_up(state, newest.number):
        return None
    if state.rollout is None or state.rollout.revision != newest.number:
        return _start(snapshot, newest)
    return None


def _start(snapshot: Snapshot, chosen: Revision, create: Create | None = None) -> Change:
    why = revision.describe(chosen.data.causes)
    state = rollout.started(snapshot.state, chosen, now=snapshot.now, why=why)
    state = state.model_copy(update={"latest_version": max(chosen.number, snapshot.latest_version)})
    text = f"revision {chosen.number} is being rolled out: {why}"
    return Change(state, (Announcement(Reason.ROLLOUT_STARTED, text),), create)


STEPS: Final[tuple[Callable[[Snapshot, Blocker | None], Change | None], ...]] = (_judge, _hold, _revise)


def _carried_out(snapshot: Snapshot, change: Change) -> Plan:
    seen = snapshot
    if change.create is not None:  # the status is of the snapshot in which it exists
        observed = snapshot.observed
        created = (*observed.revisions, change.create.manifest)
        seen = Snapshot(replace(observed, revisions=created), snapshot.spec, snapshot.state, snapshot.now)
    status = report.status(seen, change.state, final=change.final)
    return Plan.of(
        [change.create, *_stored(snapshot.dc, status), *(_event(snapshot.dc, tale) for tale in change.told)]
    )


# -- steady ----------------------------------------------------------------------------------------------
def _settled(snapshot: Snapshot, blocker: Blocker | None) -> Plan:
    state = snapshot.state
    if blocker is not None and blocker.reason == Reason.NAME_TAKEN:
        status = report.status(snapshot, state)
        return Plan.of([*_stored(snapshot.dc, status), Requeue(NAME_TAKEN_PAUSE)])
    wanted, live = snapshot.target_deployment(state), snapshot.observed.deployment
    apply = workload.apply(wanted, live, tried=state.tried) if wanted else None
    if apply is not None:
        again = live is not None and wanted is not None and workload.noted(live, wanted)
        state = state.model_copy(update={"tried": workload.tried_at(live) if again and live else None})
    state = _seen(snapshot, state)
    return Plan.of(
        [
            apply,
            *_pruned(snapshot),
            *_stored(snapshot.dc, report.status(snapshot, state)),
            _look_again(snapshot, blocker),
        ]
    )


def _seen(snapshot: Snapshot, state: DeploymentConfigStatus) -> DeploymentConfigStatus:
    """The rollout's phase as the Deployment tells it. A TimedOut that is not believed leaves it as it is:
    Running would make it believed."""
    if not rollout.under_way(state) or snapshot.spec.paused:
        return state
    phase = {Progress.UNOBSERVED: Phase.PENDING, Progress.RUNNING: Phase.RUNNING}.get(
        snapshot.progress(state)
    )
    return state if phase is None else rollout.moved(state, phase, message=report.under_way(snapshot, state))


def _pruned(snapshot: Snapshot) -> list[Delete]:
    state, rollback = snapshot.state, snapshot.spec.rollback
    keep = {state.active_revision, rollout.target(state), snapshot.latest_version}
    keep.add(rollback.to_revision if rollback else None)
    keep.add(snapshot.newest.number if snapshot.newest else None)
    names = {
        revision.name_of(snapshot.name, old.number): old.uid
        for old in revision.prunable(
            snapshot.revisions, limit=snapshot.spec.revision_history_limit, keep=keep
        )
    }
    return [
        Delete(CONTROLLERREVISION, key_of(manifest), uid=names[manifest["metadata"]["name"]])
        for manifest in snapshot.observed.revisions
        if manifest["metadata"]["name"] in names
    ]


def _look_again(snapshot: Snapshot, blocker: Blocker | None) -> Requeue | None:
    """When to look again though nothing that is watched changes: pods say why, and time passes."""
    state = snapshot.state
    if blocker is not None and snapshot.observed.refusal:
        return Requeue(REFUSED_PAUSE)
    if snapshot.spec.paused or state.rollout is None or state.rollout.phase == Phase.FAILED:
        return None
    progress = snapshot.progress(state)
    if progress == Progress.TIMED_OUT:
        return Requeue(min(max(_remaining(snapshot), 1.0), LAST_LOOK))
    if rollout.under_way(state):
        return Requeue(min(max(rollout.seconds(state, now=snapshot.now) / 2, FIRST_LOOK), LAST_LOOK))
    return None if progress == Progress.COMPLETE else Requeue(LAST_LOOK)


def _stored(dc: Manifest, status: Manifest) -> list[Action]:
    """The write of this status and what is told about it; nothing when it is stored already."""
    if status == (dc.get("status") or {}):
        return []
    actions: list[Action] = [Status(DEPLOYMENTCONFIG, key_of(dc), dc["metadata"]["uid"], status)]
    before, after = find(dc, Condition.READY), find({"status": status}, Condition.READY)
    if after is not None and after["reason"] in ANNOUNCED and (before or {}).get("reason") != after["reason"]:
        actions.append(_event(dc, Announcement(Reason(after["reason"]), after["message"], "Warning")))
    return actions


def _event(dc: Manifest, tale: Announcement) -> Event:
    uid = dc["metadata"]["uid"]
    return Event(DEPLOYMENTCONFIG, key_of(dc), uid, str(tale.reason), tale.message, tale.type)
