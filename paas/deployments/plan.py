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

from paas.deployments import pin, report, revision, rollout, triggers, workload
from paas.deployments.model import DeploymentConfigStatus, Phase
from paas.deployments.revision import Revision
from paas.deployments.workload import Progress
from paas.deployments.world import Hindrance, Observed, World, hindrance, understand
from paas.kube import meta
from paas.kube.conditions import find
from paas.kube.names import Condition, Reason
from paas.kube.plan import Action, Create, Delete, Event, Plan, Requeue, Status
from paas.kube.resources import CONTROLLERREVISION, DEPLOYMENTCONFIG, Manifest, key_of
from paas.kube.settings import Settings

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
class Tale:
    """What an Event says."""

    reason: Reason
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Change:
    """A step: a new state, what is told about it, and what is created before it is recorded."""

    state: DeploymentConfigStatus
    told: tuple[Tale, ...]
    create: Create | None = None
    final: bool = True
    """False: the next plan goes on from here, so that the spec does not count as observed yet."""


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """What to do about this snapshot. `settings` has nothing about deployments so far."""
    return plan_of(observed, now=now)


def plan_of(observed: Observed, *, now: datetime) -> Plan:
    world = understand(observed, now=now)
    if isinstance(world, str):
        status = report.unreadable(observed.dc, world, now=now)
        return Plan.of(_stored(observed.dc, status))
    obstacle = hindrance(world, world.state)
    if obstacle is None or not _stops(obstacle):
        for step in STEPS:
            change = step(world, obstacle)
            if change is not None:
                return _carried_out(world, change)
    return _settled(world, obstacle)


def candidate(observed: Observed, *, now: datetime) -> Manifest | None:
    """The Deployment of the revision that this plan would make, when the API server has not accepted
    its template yet: the shell asks it (a dry run), so that what it refuses never becomes a revision."""
    world = understand(observed, now=now)
    if isinstance(world, str) or hindrance(world, world.state) is not None or world.state.hold is not None:
        return None
    following = world.next_revision
    if following is None or (isinstance(world.due, triggers.Due) and world.due.same_template):
        return None
    return meta.desired(workload.deployment(world.dc, world.spec, following))


def wants_reasons(observed: Observed, *, now: datetime) -> int | None:
    """The revision whose pods the shell shall read, because somebody wants to know what keeps them; None
    while all goes well, so that a rollout that takes two seconds costs no read."""
    world = understand(observed, now=now)
    if isinstance(world, str) or world.state.rollout is None or world.state.rollout.phase == Phase.FAILED:
        return None
    progress = world.progress(world.state)
    if progress not in (Progress.RUNNING, Progress.TIMED_OUT):
        return None
    fresh = rollout.under_way(world.state) and rollout.seconds(world.state, now=now) < FIRST_LOOK
    return None if fresh and progress != Progress.TIMED_OUT else world.state.rollout.revision


def _stops(obstacle: Hindrance) -> bool:
    """Whether no verdict may be given either: the Deployment is not ours, or it is paused."""
    return obstacle.reason in (Reason.NAME_TAKEN, Reason.PAUSED)


# -- verdicts --------------------------------------------------------------------------------------------
def _judge(world: World, obstacle: Hindrance | None) -> Change | None:
    state = world.state
    current = state.rollout
    if current is None or rollout.target(state) != current.revision or current.phase == Phase.COMPLETE:
        return None
    progress = world.progress(state)
    if progress == Progress.COMPLETE:
        text = f"revision {current.revision} is rolled out: all {world.spec.replicas} pods are available"
        done = rollout.completed(state, now=world.now, message=text)
        return Change(done, (Tale(Reason.ROLLOUT_COMPLETE, text),))
    if progress == Progress.TIMED_OUT and current.phase != Phase.FAILED and _believed(world):
        return _failure(world, current.revision)
    return None


def _believed(world: World) -> bool:
    """Whether the Deployment's verdict is about this rollout. Its condition can be left from the rollout
    before: going back to a ReplicaSet that exists does not reset it at once. It is about this one when
    this one was seen running, or when our own clock says that it had the time to fail."""
    current = world.state.rollout
    assert current is not None
    return current.phase == Phase.RUNNING or _remaining(world) <= 0


def _remaining(world: World) -> float:
    """Seconds until the rollout can have failed, by our own clock."""
    return world.spec.strategy.rolling_params.timeout_seconds - rollout.seconds(world.state, now=world.now)


def _failure(world: World, number: int) -> Change:
    state = world.state
    deadline = world.spec.strategy.rolling_params.timeout_seconds
    trouble = workload.trouble(world.observed.deployment, world.observed.pods)
    text = f"revision {number} failed: no progress for {deadline} s"
    text += f"; {trouble}" if trouble else ""
    going_back = state.active_revision not in (None, number)
    if going_back:
        text += f"; revision {state.active_revision} takes its place"
    text += (
        f"; see: paas logs {world.name}; mend it by a push or an edit,"
        f" or try it again with: paas rollout latest {world.name}"
    )
    told = [Tale(Reason.ROLLOUT_FAILED, text, "Warning")]
    if going_back:
        back = f"going back from revision {number} to revision {state.active_revision}"
        told.append(Tale(Reason.ROLLED_BACK, back))
    return Change(rollout.failed(state, now=world.now, message=text), tuple(told))


def _hold(world: World, obstacle: Hindrance | None) -> Change | None:
    state, rollback = world.state, world.spec.rollback
    if rollback is None:
        if state.hold is None and state.released is None:
            return None
        text = "spec.rollback was removed: triggers go on"
        cleared = state.model_copy(update={"hold": None, "released": None})
        return Change(cleared, (Tale(Reason.PIN_RELEASED, text),) if state.hold else (), final=False)
    if not world.pin_in_force:
        return None
    if pin.same_as_hold(rollback, state.hold):
        assert state.hold is not None
        why = pin.released_by(
            state.hold,
            world.spec,
            world.template,
            streams=world.observed.streams,
            revisions=world.revisions,
        )
        if why is None:
            return None
        text = f"the hold on revision {state.hold.revision} is released: {why}"
        freed = pin.release(state.hold, message=why, now=world.now)
        after = state.model_copy(update={"hold": None, "released": freed})
        return Change(after, (Tale(Reason.PIN_RELEASED, text),), final=False)
    pinned = revision.find(world.revisions, rollback.to_revision)
    if pinned is None:
        return None  # `hindrance` says so
    held = state.model_copy(
        update={"hold": pin.adopt(rollback, world.spec, world.template, now=world.now), "released": None}
    )
    text = (
        f"rolling back to revision {pinned.number}, and holding it until new source, an edited template,"
        f" or: paas unpin {world.name}"
    )
    serving = state.rollout is not None and (
        (state.rollout.revision, state.rollout.phase) == (pinned.number, Phase.COMPLETE)
    )
    after = held if serving else rollout.started(held, pinned, now=world.now, why=text)
    return Change(after, (Tale(Reason.ROLLBACK_HELD, text),))


def _revise(world: World, obstacle: Hindrance | None) -> Change | None:
    state, newest = world.state, world.newest
    if state.hold is not None or world.pin_in_force:
        return None
    if newest is not None and newest.number > (state.latest_version or 0):
        return _start(world, newest)  # created before a crash, or the status was lost
    if obstacle is not None:
        return None
    following = world.next_revision
    if following is not None:
        return _start(world, following, meta.create(revision.write(world.dc, following), owner=world.dc))
    if newest is None or rollout.gave_up(state, newest.number):
        return None
    if state.rollout is None or state.rollout.revision != newest.number:
        return _start(world, newest)
    return None


def _start(world: World, chosen: Revision, create: Create | None = None) -> Change:
    why = revision.describe(chosen.data.causes)
    state = rollout.started(world.state, chosen, now=world.now, why=why)
    state = state.model_copy(update={"latest_version": max(chosen.number, world.latest_version)})
    text = f"revision {chosen.number} is being rolled out: {why}"
    return Change(state, (Tale(Reason.ROLLOUT_STARTED, text),), create)


STEPS: Final[tuple[Callable[[World, Hindrance | None], Change | None], ...]] = (_judge, _hold, _revise)


def _carried_out(world: World, change: Change) -> Plan:
    seen = world
    if change.create is not None:  # the status is of the world in which it exists
        observed = world.observed
        created = (*observed.revisions, change.create.manifest)
        seen = World(replace(observed, revisions=created), world.spec, world.state, world.now)
    status = report.status(seen, change.state, final=change.final)
    return Plan.of(
        [change.create, *_stored(world.dc, status), *(_event(world.dc, tale) for tale in change.told)]
    )


# -- steady ----------------------------------------------------------------------------------------------
def _settled(world: World, obstacle: Hindrance | None) -> Plan:
    state = world.state
    if obstacle is not None and obstacle.reason == Reason.NAME_TAKEN:
        status = report.status(world, state)
        return Plan.of([*_stored(world.dc, status), Requeue(NAME_TAKEN_PAUSE)])
    wanted, live = world.target_deployment(state), world.observed.deployment
    apply = workload.apply(wanted, live, tried=state.tried) if wanted else None
    if apply is not None:
        again = live is not None and wanted is not None and workload.noted(live, wanted)
        state = state.model_copy(update={"tried": workload.tried_at(live) if again and live else None})
    state = _seen(world, state)
    return Plan.of(
        [
            apply,
            *_pruned(world),
            *_stored(world.dc, report.status(world, state)),
            _look_again(world, obstacle),
        ]
    )


def _seen(world: World, state: DeploymentConfigStatus) -> DeploymentConfigStatus:
    """The rollout's phase as the Deployment tells it. A TimedOut that is not believed leaves it as it is:
    Running would make it believed."""
    if not rollout.under_way(state) or world.spec.paused:
        return state
    phase = {Progress.UNOBSERVED: Phase.PENDING, Progress.RUNNING: Phase.RUNNING}.get(world.progress(state))
    return state if phase is None else rollout.moved(state, phase, message=report.under_way(world, state))


def _pruned(world: World) -> list[Delete]:
    state, rollback = world.state, world.spec.rollback
    keep = {state.active_revision, rollout.target(state), world.latest_version}
    keep.add(rollback.to_revision if rollback else None)
    keep.add(world.newest.number if world.newest else None)
    names = {
        revision.name_of(world.name, old.number): old.uid
        for old in revision.prunable(world.revisions, limit=world.spec.revision_history_limit, keep=keep)
    }
    return [
        Delete(CONTROLLERREVISION, key_of(manifest), uid=names[manifest["metadata"]["name"]])
        for manifest in world.observed.revisions
        if manifest["metadata"]["name"] in names
    ]


def _look_again(world: World, obstacle: Hindrance | None) -> Requeue | None:
    """When to look again though nothing that is watched changes: pods say why, and time passes."""
    state = world.state
    if obstacle is not None and world.observed.refusal:
        return Requeue(REFUSED_PAUSE)
    if world.spec.paused or state.rollout is None or state.rollout.phase == Phase.FAILED:
        return None
    progress = world.progress(state)
    if progress == Progress.TIMED_OUT:
        return Requeue(min(max(_remaining(world), 1.0), LAST_LOOK))
    if rollout.under_way(state):
        return Requeue(min(max(rollout.seconds(state, now=world.now) / 2, FIRST_LOOK), LAST_LOOK))
    return None if progress == Progress.COMPLETE else Requeue(LAST_LOOK)


def _stored(dc: Manifest, status: Manifest) -> list[Action]:
    """The write of this status and what is told about it; nothing when it is stored already."""
    if status == (dc.get("status") or {}):
        return []
    actions: list[Action] = [Status(DEPLOYMENTCONFIG, key_of(dc), dc["metadata"]["uid"], status)]
    before, after = find(dc, Condition.READY), find({"status": status}, Condition.READY)
    if after is not None and after["reason"] in ANNOUNCED and (before or {}).get("reason") != after["reason"]:
        actions.append(_event(dc, Tale(Reason(after["reason"]), after["message"], "Warning")))
    return actions


def _event(dc: Manifest, tale: Tale) -> Event:
    uid = dc["metadata"]["uid"]
    return Event(DEPLOYMENTCONFIG, key_of(dc), uid, str(tale.reason), tale.message, tale.type)
