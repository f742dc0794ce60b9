"""What the decision wants to know beyond what is watched; the controller asks the API server for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from paas.api.deployment_status import Phase
from paas.api.resources import Key, Manifest
from paas.deployments import drift, revision, rollout, triggers, workload
from paas.deployments.blockers import first_blocker
from paas.deployments.snapshot import Snapshot
from paas.deployments.workload import Progress
from paas.reconcile import meta

FIRST_LOOK: Final = 2.0
"""Seconds for which nobody asks why a rollout takes its time."""


def next_name(snapshot: Snapshot) -> Key | None:
    """The name of the revision that is due, which somebody else's ControllerRevision may have."""
    following = snapshot.next_revision
    if following is None:
        return None
    return Key(snapshot.namespace, revision.name_of(snapshot.name, following.number))


def revision_of_pods(snapshot: Snapshot, *, now: datetime) -> int | None:
    """The revision whose pods are read, because somebody wants to know what keeps them, or because they are
    about to count as well; None while all goes well."""
    state = snapshot.state
    current, progress = state.rollout, snapshot.progress(state)
    if current is None or progress not in (Progress.RUNNING, Progress.TIMED_OUT, Progress.COMPLETE):
        return None
    if progress == Progress.COMPLETE:
        return current.revision if rollout.may_complete(state) else None
    if current.phase == Phase.FAILED:
        return None
    fresh = rollout.under_way(state) and rollout.seconds(state, now=now) < FIRST_LOOK
    return None if fresh and progress != Progress.TIMED_OUT else current.revision


def may_have_drifted(snapshot: Snapshot) -> bool:
    """Whether the Deployment has something that neither its revision nor the API server put there: whose it
    is stands in its managedFields, which are not watched."""
    step, live = snapshot.step(snapshot.state), snapshot.deployment
    if step is None or live is None or snapshot.foreign_deployment:
        return False
    return workload.noted(live, step.deployment) and bool(drift.additions(live, step.deployment))


def drifted(snapshot: Snapshot, live: Manifest, *, ours: str) -> Snapshot:
    """The snapshot with the Deployment as it was read live, and what it has that is not of its revision."""
    step = snapshot.step(snapshot.state)
    if step is None or not meta.owned_by(live, snapshot.uid) or not workload.noted(live, step.deployment):
        return snapshot
    managed = live["metadata"].get("managedFields") or ()
    found = drift.by_manager(drift.additions(live, step.deployment), managed, ours=ours)
    return replace(snapshot, deployment=live, additions=found)


def untested_deployment(snapshot: Snapshot) -> Manifest | None:
    """The Deployment of the revision that is due, when the API server has not accepted its template yet: a
    dry run asks it, so that what it refuses never becomes a revision."""
    if first_blocker(snapshot, snapshot.state) is not None or snapshot.state.hold is not None:
        return None
    following = snapshot.next_revision
    if following is None or (isinstance(snapshot.due, triggers.Due) and snapshot.due.same_template):
        return None
    return meta.desired(snapshot.steps(following)[0].deployment)
