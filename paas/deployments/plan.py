"""The decision about one DeploymentConfig: pure and total.

    judge   a step of the rollout is over, well or badly   ─┐ each of these is a verdict: it is written to
    hold    a rollback is adopted, released, or withdrawn   │ the status by itself, and what follows from
    revise  a revision is due, or another one's turn       ─┘ it comes with the next plan
    settle  the Deployment is as the step says; old revisions go; the status says how things are

The first of them that has something to say is the plan. So a crash between a verdict and its act is
nothing special: the next plan is made from the verdict as it was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from paas.api.deployment_status import DeploymentConfigStatus, Phase
from paas.api.names import Reason
from paas.api.resources import CONTROLLERREVISION, DEPLOYMENT, DEPLOYMENTCONFIG, Key, Manifest, key_of
from paas.deployments import drift, hold, revision, rollout, strategies, workload
from paas.deployments import status as report
from paas.deployments.blockers import first_blocker
from paas.deployments.change import Announcement, Change
from paas.deployments.judgement import RolloutFailure, StepComplete, judged, quiet, remaining
from paas.deployments.live_reads import FIRST_LOOK
from paas.deployments.revision import Revision
from paas.deployments.snapshot import Snapshot, Unreadable
from paas.deployments.strategies import Step
from paas.deployments.workload import Progress
from paas.reconcile import meta
from paas.reconcile.plan import Delete, Event, Patch, Plan, Requeue
from paas.reconcile.refusal import concerning
from paas.reconcile.status import Blocker

NAME_TAKEN_PAUSE: Final = 30.0
"""Seconds after which a taken name is looked at again: foreign objects are not watched."""
REFUSED_PAUSE: Final = 60.0
"""Seconds after which a refused template is tried again: a quota may have been the reason."""
ROLLING_LOOK: Final = 5.0
"""The most seconds between looks at the pods of a rollout: that one of them crashed is not watched."""
LAST_LOOK: Final = 30.0
"""The same when the rollout is over, and pods are not as they should be."""


def plan(observed: Snapshot | Unreadable, *, now: datetime) -> Plan:
    """What to do about a DeploymentConfig."""
    if isinstance(observed, Unreadable):
        return Plan.of(report.TABLE.write(observed.dc, report.unreadable(observed, now=now)))
    blocker = first_blocker(observed, observed.state)
    if blocker is None or not _stops(blocker):
        for verdict in VERDICTS:
            change = verdict(observed, blocker, now)
            if change is not None:
                return _carried_out(observed, change, now)
    return _settled(observed, blocker, now)


def _stops(blocker: Blocker) -> bool:
    """Whether no verdict may be given either: the Deployment is not ours, or it is paused."""
    return blocker.reason in (Reason.NAME_TAKEN, Reason.PAUSED)


# -- verdicts --------------------------------------------------------------------------------------------
def _judge(snapshot: Snapshot, blocker: Blocker | None, now: datetime) -> Change | None:
    current = snapshot.state.rollout
    match judged(snapshot, now=now):
        case StepComplete(step) if current is not None:
            return _step_complete(snapshot, current.revision, step, now)
        case RolloutFailure() as failure if current is not None:
            return _failure(snapshot, current.revision, failure, now)
    return None


def _step_complete(snapshot: Snapshot, number: int, step: Step, now: datetime) -> Change:
    rolled_out = revision.find(snapshot.revisions, number)
    assert rolled_out is not None
    following = strategies.after(snapshot.steps(rolled_out), step)
    if following is not None:
        return Change(rollout.at_step(snapshot.state, following.name))
    text = f"revision {number} is rolled out: all {snapshot.spec.replicas} pods are available"
    done = rollout.completed(snapshot.state, now=now, message=text)
    return Change(done, (Announcement(Reason.ROLLOUT_COMPLETE, text),))


def _failure(snapshot: Snapshot, number: int, failure: RolloutFailure, now: datetime) -> Change:
    state = snapshot.state
    text = f"revision {number} failed: {'; '.join(problem.message for problem in failure.problems)}"
    going_back = state.active_revision not in (None, number)
    if going_back:
        text += f"; revision {state.active_revision} takes its place"
    text += (
        f"; see: paas logs {snapshot.name} --revision {number}; fix it by a push or an edit,"
        f" or try it again with: paas rollout latest {snapshot.name}"
    )
    announcements = [Announcement(Reason.ROLLOUT_FAILED, text, "Warning")]
    if going_back:
        back = f"going back from revision {number} to revision {state.active_revision}"
        announcements.append(Announcement(Reason.ROLLED_BACK, back))
    after = rollout.failed(
        state, now=now, reason=failure.reason, message=text, problems=failure.problems, log=snapshot.log
    )
    return Change(after, tuple(announcements))


def _hold(snapshot: Snapshot, blocker: Blocker | None, now: datetime) -> Change | None:
    state, rollback = snapshot.state, snapshot.spec.rollback
    if rollback is None:
        if state.hold is None and state.released is None:
            return None
        text = "spec.rollback was removed: triggers go on"
        cleared = state.model_copy(update={"hold": None, "released": None})
        return Change(cleared, (Announcement(Reason.PIN_RELEASED, text),) if state.hold else (), final=False)
    if not snapshot.hold_requested:
        return None
    if hold.same_as_hold(rollback, state.hold):
        return _release(snapshot, now)
    held = revision.find(snapshot.revisions, rollback.to_revision)
    if held is None:
        return None  # `first_blocker` says so
    adopted = hold.adopt(rollback, snapshot.spec, snapshot.template, now=now)
    after = state.model_copy(update={"hold": adopted, "released": None})
    text = (
        f"rolling back to revision {held.number}, and holding it until new source, an edited template,"
        f" or: paas unpin {snapshot.name}"
    )
    serves = state.rollout is not None and (
        (state.rollout.revision, state.rollout.phase) == (held.number, Phase.COMPLETE)
    )
    if not serves:
        after = rollout.started(after, held, step=snapshot.steps(held)[0].name, now=now, why=text)
    return Change(after, (Announcement(Reason.ROLLBACK_HELD, text),))


def _release(snapshot: Snapshot, now: datetime) -> Change | None:
    """The end of the hold in force, if something ends it."""
    state = snapshot.state
    assert state.hold is not None
    why = hold.released_by(
        state.hold,
        snapshot.spec,
        snapshot.template,
        images=snapshot.images,
        revisions=snapshot.revisions,
    )
    if why is None:
        return None
    text = f"the hold on revision {state.hold.revision} is released: {why}"
    released = hold.release(state.hold, message=why, now=now)
    after = state.model_copy(update={"hold": None, "released": released})
    return Change(after, (Announcement(Reason.PIN_RELEASED, text),), final=False)


def _revise(snapshot: Snapshot, blocker: Blocker | None, now: datetime) -> Change | None:
    state, newest = snapshot.state, snapshot.newest
    if state.hold is not None or snapshot.hold_requested:
        return None
    if newest is not None and newest.number > (state.latest_version or 0):
        return _start(snapshot, newest, now)  # created before a crash, or the status was lost
    if blocker is not None:
        return None
    following = snapshot.next_revision
    if following is not None:
        return _start(snapshot, following, now, create=True)
    if newest is None or rollout.gave_up(state, newest.number):
        return None
    if state.rollout is None or state.rollout.revision != newest.number:
        return _start(snapshot, newest, now)
    return None


def _start(snapshot: Snapshot, chosen: Revision, now: datetime, *, create: bool = False) -> Change:
    why, first = revision.describe(chosen.data.causes), snapshot.steps(chosen)[0]
    state = rollout.started(snapshot.state, chosen, step=first.name, now=now, why=why)
    state = state.model_copy(update={"latest_version": max(chosen.number, snapshot.latest_version)})
    text = f"revision {chosen.number} is being rolled out: {why}"
    return Change(state, (Announcement(Reason.ROLLOUT_STARTED, text),), revision=chosen if create else None)


Verdict = Callable[[Snapshot, Blocker | None, datetime], Change | None]
VERDICTS: Final[tuple[Verdict, ...]] = (_judge, _hold, _revise)


def _carried_out(snapshot: Snapshot, change: Change, now: datetime) -> Plan:
    seen, create = snapshot, None
    if change.revision is not None:
        create = meta.create(revision.write(snapshot.dc, change.revision), owner=snapshot.dc)
        name = Key(snapshot.namespace, revision.name_of(snapshot.name, change.revision.number))
        if concerning(snapshot.refusals, CONTROLLERREVISION, name):
            # it is asked for again, and what it is for begins when it exists
            status = report.status(snapshot, snapshot.state, now=now)
            return Plan.of([create, *report.TABLE.write(snapshot.dc, status)])
        # the status is of the snapshot in which it exists
        seen = replace(snapshot, revisions=(*snapshot.revisions, change.revision))
    status = report.status(seen, change.state, now=now, final=change.final)
    events = (_event(snapshot.dc, announcement) for announcement in change.announcements)
    return Plan.of([create, *report.TABLE.write(snapshot.dc, status), *events])


# -- steady ----------------------------------------------------------------------------------------------
def _settled(snapshot: Snapshot, blocker: Blocker | None, now: datetime) -> Plan:
    state = snapshot.state
    if blocker is not None and blocker.reason == Reason.NAME_TAKEN:
        status = report.status(snapshot, state, now=now)
        return Plan.of([*report.TABLE.write(snapshot.dc, status), Requeue(NAME_TAKEN_PAUSE)])
    step, live = snapshot.step(state), snapshot.deployment
    apply = workload.apply(step.deployment, live, tried=state.tried) if step else None
    if apply is not None:
        again = live is not None and step is not None and workload.noted(live, step.deployment)
        state = state.model_copy(update={"tried": workload.tried_at(live) if again and live else None})
    stripping = _stripping(snapshot) if apply is None else None
    if stripping is not None and live is not None:
        state = state.model_copy(update={"stripped": workload.stripped_at(live)})
    state = _seen(snapshot, state, now)
    return Plan.of(
        [
            apply,
            stripping,
            *_pruned(snapshot),
            *report.TABLE.write(snapshot.dc, report.status(snapshot, state, now=now)),
            _look_again(snapshot, step, blocker, now),
        ]
    )


def _stripping(snapshot: Snapshot) -> Patch | None:
    """What takes out of the Deployment that which is not of its revision and nobody's; once a generation,
    because what the cluster itself adds comes back with the same write."""
    live = snapshot.deployment
    nobodys = [each for each in snapshot.additions if not each.managers and each not in snapshot.not_removed]
    if live is None or not nobodys:
        return None
    version = str(live["metadata"]["resourceVersion"])
    return Patch(DEPLOYMENT, key_of(snapshot.dc), version, tuple(drift.removal(nobodys)))


def _seen(snapshot: Snapshot, state: DeploymentConfigStatus, now: datetime) -> DeploymentConfigStatus:
    """The rollout's phase as the Deployment shows it. A TimedOut that is not believed leaves it as it is:
    Running would make it believed."""
    if not rollout.under_way(state) or snapshot.spec.paused:
        return state
    phase = {Progress.UNOBSERVED: Phase.PENDING, Progress.RUNNING: Phase.RUNNING}.get(
        snapshot.progress(state)
    )
    if phase is None:
        return state
    silent = quiet(snapshot, now=now)
    problems = [workload.in_words(silent, log=snapshot.log)] if silent is not None else []
    return rollout.moved(state, phase, message=report.under_way(snapshot, state), problems=problems)


def _pruned(snapshot: Snapshot) -> list[Delete]:
    state, rollback = snapshot.state, snapshot.spec.rollback
    keep = {state.active_revision, rollout.target(state), snapshot.latest_version}
    keep.add(rollback.to_revision if rollback else None)
    keep.add(snapshot.newest.number if snapshot.newest else None)
    old = revision.prunable(snapshot.revisions, limit=snapshot.spec.revision_history_limit, keep=keep)
    return [
        Delete(
            CONTROLLERREVISION,
            Key(snapshot.namespace, revision.name_of(snapshot.name, found.number)),
            uid=found.uid,
        )
        for found in old
    ]


def _look_again(
    snapshot: Snapshot, step: Step | None, blocker: Blocker | None, now: datetime
) -> Requeue | None:
    """When to look again though nothing that is watched changes: pods say why, and time passes."""
    state = snapshot.state
    if blocker is not None and snapshot.refusal:
        return Requeue(REFUSED_PAUSE)
    if snapshot.spec.paused or state.rollout is None:
        return None
    progress = snapshot.progress(state)
    if state.rollout.phase == Phase.FAILED:
        # one that nothing takes the place of may yet prove steady
        alone = rollout.target(state) == state.rollout.revision
        return Requeue(LAST_LOOK) if alone and progress == Progress.COMPLETE else None
    if step is not None and progress == Progress.TIMED_OUT:
        return Requeue(min(max(remaining(snapshot, step, now), 1.0), LAST_LOOK))
    if rollout.under_way(state):
        return Requeue(min(max(rollout.seconds(state, now=now) / 2, FIRST_LOOK), ROLLING_LOOK))
    return None if progress == Progress.COMPLETE else Requeue(LAST_LOOK)


def _event(dc: Manifest, said: Announcement) -> Event:
    uid = dc["metadata"]["uid"]
    return Event(DEPLOYMENTCONFIG, key_of(dc), uid, str(said.reason), said.message, said.type)
