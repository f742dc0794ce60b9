"""What stands in the way of the next step, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from paas.api.deployment_status import DeploymentConfigStatus
from paas.api.names import Reason
from paas.deployments import revision, triggers
from paas.deployments.snapshot import Snapshot
from paas.reconcile.refusal import Cause
from paas.reconcile.status import Blocker, refused


def first_blocker(snapshot: Snapshot, state: DeploymentConfigStatus) -> Blocker | None:
    """The first thing that stands in the way of the next step, or None. Whatever stands in the way of
    a new revision does not matter while one is held."""
    rules = ALWAYS if state.hold is not None else (*ALWAYS, *OF_A_NEW_REVISION)
    return next((found for rule in rules if (found := rule(snapshot)) is not None), None)


def _name_taken(snapshot: Snapshot) -> Blocker | None:
    if not snapshot.foreign_deployment:
        return None
    return Blocker(
        Reason.NAME_TAKEN,
        f"a Deployment {snapshot.name} exists that is not ours, and is left alone; rename or delete it"
        f" (kubectl delete deployment {snapshot.name}), or give this DeploymentConfig another name",
    )


def _bad_triggers(snapshot: Snapshot) -> Blocker | None:
    problem = triggers.problem(snapshot.spec, snapshot.template, namespace=snapshot.namespace)
    return Blocker(Reason.INVALID_SPEC, problem) if problem else None


def _paused(snapshot: Snapshot) -> Blocker | None:
    if not snapshot.spec.paused:
        return None
    return Blocker(
        Reason.PAUSED,
        "paused: triggers and rollbacks wait; go on with: kubectl patch dc"
        f' {snapshot.name} --type=merge -p \'{{"spec":{{"paused":false}}}}\'',
        stalled=False,
    )


def _held_at_nothing(snapshot: Snapshot) -> Blocker | None:
    rollback = snapshot.spec.rollback
    if rollback is None or not snapshot.hold_requested:
        return None
    if revision.find(snapshot.revisions, rollback.to_revision) is not None:
        return None
    kept = ", ".join(str(r.number) for r in snapshot.revisions) or "none"
    return Blocker(
        Reason.INVALID_SPEC,
        f"spec.rollback names revision {rollback.to_revision}, which does not exist (kept: {kept}); nothing"
        f" is rolled out until it names another one (paas rollout undo {snapshot.name}) or is removed"
        f" (paas unpin {snapshot.name})",
    )


def _not_due(snapshot: Snapshot) -> Blocker | None:
    match snapshot.due:
        case triggers.Waiting(tags, by_hand=True):
            return Blocker(
                Reason.WAITING_FOR_ROLLOUT,
                f"the image trigger of {', '.join(tags)} is not automatic; resolve it with:"
                f" paas rollout latest {snapshot.name}",
                stalled=False,
            )
        case triggers.Waiting(tags):
            return Blocker(
                Reason.WAITING_FOR_IMAGE,
                f"waiting for an image of {', '.join(tags)}; bring one with a git push, or with:"
                " paas start-build (paas status shows which BuildConfig makes it)",
                stalled=False,
            )
        case triggers.Idle(never=True):
            return Blocker(
                Reason.WAITING_FOR_ROLLOUT,
                f"no trigger starts a rollout; start one with: paas rollout latest {snapshot.name}",
                stalled=False,
            )
    return None


def _revision_name_taken(snapshot: Snapshot) -> Blocker | None:
    following = snapshot.next_revision
    if following is None or not snapshot.next_name_taken:
        return None
    name = revision.name_of(snapshot.name, following.number)
    return Blocker(
        Reason.NAME_TAKEN,
        f"a ControllerRevision {name} exists that is not ours, and is left alone; delete it"
        f" (kubectl delete controllerrevision {name}) and the rollout goes on",
    )


def _refused(snapshot: Snapshot) -> Blocker | None:
    if snapshot.next_revision is None or not snapshot.refusal:
        return None
    if snapshot.refusal.cause is not Cause.INVALID:
        return refused(snapshot.refusal, namespace=snapshot.namespace)
    return Blocker(
        Reason.INVALID_SPEC,
        f"the cluster does not accept the pod template: {snapshot.refusal.words};"
        f" correct spec.template (kubectl edit dc {snapshot.name})",
    )


Rule = Callable[[Snapshot], Blocker | None]
ALWAYS: Final[tuple[Rule, ...]] = (_name_taken, _bad_triggers, _paused, _held_at_nothing)
"""Rules about every step, the first that matters first."""
OF_A_NEW_REVISION: Final[tuple[Rule, ...]] = (_not_due, _revision_name_taken, _refused)
"""Rules about a new revision, which do not matter while one is held."""
