"""Rollouts as data: how one starts, goes on and ends, and which revision the Deployment must run.

The state is the durable part of the status. A rollout that failed leaves the Deployment to the active
revision, the last one that was Complete; nothing else is remembered of the way back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from paas.api.deployment_status import (
    DeploymentConfigStatus,
    PastRollout,
    Phase,
    Rollout,
    RolloutProblem,
    RolloutReason,
)
from paas.deployments.revision import Revision, describe
from paas.reconcile.conditions import parse_time, timestamp

MESSAGE_LIMIT: Final = 1024
LOG_LIMIT: Final = 4096
"""Characters that are kept of the log of a failed revision."""
LOGS_KEPT: Final = 5
"""Of so many failures."""
OVER: Final = frozenset({Phase.COMPLETE, Phase.FAILED})
OF_ITSELF: Final = frozenset({RolloutReason.PROGRESS_DEADLINE_EXCEEDED, RolloutReason.CONTAINER_RESTARTED})
"""Reasons of failures that nobody else caused."""


def started(
    state: DeploymentConfigStatus, revision: Revision, *, step: str, now: datetime, why: str
) -> DeploymentConfigStatus:
    """The rollout of `revision` takes the place of whatever rollout there is."""
    current = state.rollout
    if current is not None and current.phase not in OVER:
        state = _over(
            state,
            Phase.FAILED,
            now=now,
            reason=RolloutReason.SUPERSEDED,
            message=f"overtaken by the rollout of revision {revision.number}",
        )
    fresh = Rollout(
        revision=revision.number,
        phase=Phase.NEW,
        message=why[:MESSAGE_LIMIT],
        step=step,
        started_at=timestamp(now),
        build=revision.build,
    )
    cause = describe(revision.data.causes)[:MESSAGE_LIMIT]
    row = PastRollout(
        revision=revision.number,
        phase=Phase.NEW,
        started_at=fresh.started_at,
        build=revision.build,
        cause=cause,
    )
    return _with_row(state.model_copy(update={"rollout": fresh}), row)


def completed(state: DeploymentConfigStatus, *, now: datetime, message: str) -> DeploymentConfigStatus:
    """The rollout is over and well: from now on this revision is the one to return to."""
    over = _over(state, Phase.COMPLETE, now=now, message=message)
    return over.model_copy(update={"active_revision": over.rollout.revision if over.rollout else None})


def failed(
    state: DeploymentConfigStatus,
    *,
    now: datetime,
    reason: RolloutReason,
    message: str,
    problems: Sequence[RolloutProblem],
    log: str = "",
) -> DeploymentConfigStatus:
    """The rollout is over and not well; `log` is the end of the log that tells why."""
    return _over(state, Phase.FAILED, now=now, reason=reason, message=message, problems=problems, log=log)


def moved(
    state: DeploymentConfigStatus, phase: Phase, *, message: str, problems: Sequence[RolloutProblem] = ()
) -> DeploymentConfigStatus:
    """The rollout is under way; `problems` are what keeps it."""
    changed = {"phase": str(phase), "message": message[:MESSAGE_LIMIT], "problems": list(problems) or None}
    return _with_rollout(state, **changed)


def at_step(state: DeploymentConfigStatus, step: str) -> DeploymentConfigStatus:
    """The rollout goes on with this step."""
    return _with_rollout(state, phase=str(Phase.NEW), step=step)


def target(state: DeploymentConfigStatus) -> int | None:
    """The revision that the Deployment must run."""
    rollout = state.rollout
    if rollout is None:
        return None
    if rollout.phase == Phase.FAILED and state.active_revision is not None:
        return state.active_revision
    return rollout.revision


def under_way(state: DeploymentConfigStatus) -> bool:
    return state.rollout is not None and state.rollout.phase not in OVER


def may_complete(state: DeploymentConfigStatus) -> bool:
    """Whether the rollout is complete as soon as its pods are well: it is under way, or it failed and nothing
    else could take its place."""
    rollout = state.rollout
    return rollout is not None and rollout.phase != Phase.COMPLETE and target(state) == rollout.revision


def is_complete(state: DeploymentConfigStatus) -> bool:
    """Whether the last rollout went well."""
    return state.rollout is not None and state.rollout.phase == Phase.COMPLETE


def gave_up(state: DeploymentConfigStatus, number: int) -> bool:
    """Whether this revision's last rollout failed of itself: it is not tried again until it is asked for."""
    return any(
        row.revision == number and row.phase == Phase.FAILED and row.reason in OF_ITSELF
        for row in state.history or ()
    )


def forget(state: DeploymentConfigStatus, kept: Collection[int]) -> DeploymentConfigStatus:
    """The history without revisions that no longer exist."""
    rows = [row for row in state.history or () if row.revision in kept]
    return state.model_copy(update={"history": rows or None})


def seconds(state: DeploymentConfigStatus, *, now: datetime) -> float:
    """For how long the current rollout has been going, by our own clock (never negative)."""
    if state.rollout is None:
        return 0.0
    try:
        return max(0.0, (now - parse_time(state.rollout.started_at)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _with_rollout(state: DeploymentConfigStatus, **changed: Any) -> DeploymentConfigStatus:
    if state.rollout is None:
        return state
    return state.model_copy(update={"rollout": state.rollout.model_copy(update=changed)})


def _over(
    state: DeploymentConfigStatus,
    phase: Phase,
    *,
    now: datetime,
    message: str,
    reason: RolloutReason | None = None,
    problems: Sequence[RolloutProblem] = (),
    log: str = "",
) -> DeploymentConfigStatus:
    rollout = state.rollout
    if rollout is None:
        return state
    end = {
        "phase": str(phase),
        "reason": str(reason) if reason else None,
        "message": message[:MESSAGE_LIMIT],
        "problems": list(problems) or None,
        "finished_at": timestamp(now),
    }
    row = next(
        (row for row in state.history or () if row.revision == rollout.revision),
        PastRollout(revision=rollout.revision, phase=phase, build=rollout.build),
    )
    row = row.model_copy(update={**end, "started_at": rollout.started_at, "log": log or None})
    return _with_row(state.model_copy(update={"rollout": rollout.model_copy(update=end)}), row)


def _with_row(state: DeploymentConfigStatus, row: PastRollout) -> DeploymentConfigStatus:
    others = [other for other in state.history or () if other.revision != row.revision]
    rows = sorted([*others, row], key=lambda r: r.revision, reverse=True)
    for old in [row for row in rows if row.log][LOGS_KEPT:]:
        rows[rows.index(old)] = old.model_copy(update={"log": None})
    return state.model_copy(update={"history": rows})
