"""Whether a step of the rollout is over, well or badly, and the log that explains why it is not well. Pure.

A rollout in which a container of the new revision ended by itself does not complete: its pods may be ready
again for a moment when somebody looks, and would replace good ones. A revision that was complete before has
proved itself; of its pods only what ended since this rollout began counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from paas.api.deployment_status import Phase, RolloutProblem, RolloutReason
from paas.api.names import Reason
from paas.api.resources import DEPLOYMENT, Key
from paas.deployments import rollout, workload
from paas.deployments.snapshot import Snapshot
from paas.deployments.strategies import Step
from paas.deployments.workload import Progress
from paas.kube import pods
from paas.kube.pods import PodProblem
from paas.reconcile.conditions import parse_time
from paas.reconcile.refusal import Refusal, concerning
from paas.reconcile.status import explained

STEADY_SECONDS: Final = 60.0
"""How long a first revision that had failed must run without an end of a container to count as complete:
there is nothing else that could serve, so it is given the chance."""


QUIET_SECONDS: Final = 8.0
"""After which a container that runs and does not answer is told of, with the addresses in its log."""


@dataclass(frozen=True)
class StepComplete:
    """All pods of the step are available, and none of their containers ended."""

    step: Step


@dataclass(frozen=True)
class RolloutFailure:
    """The rollout failed; `problems` are the reasons, the first of them the one that ended it."""

    reason: RolloutReason
    problems: tuple[RolloutProblem, ...]


@dataclass(frozen=True)
class LogSource:
    """Where the log is that tells more: `previous` for the run before the one that is or was last."""

    pod: str
    container: str
    previous: bool


def judged(snapshot: Snapshot, *, now: datetime) -> StepComplete | RolloutFailure | None:
    """The verdict that is due about the current rollout, or None."""
    state = snapshot.state
    current, step = state.rollout, snapshot.step(state)
    if current is None or step is None or rollout.target(state) != current.revision:
        return None
    if current.phase == Phase.COMPLETE:
        return None
    progress = workload.progress(snapshot.deployment, step.deployment)
    crash = crashed(snapshot, now=now)
    if current.phase == Phase.FAILED:
        steady = crashed(snapshot, now=now, since=now.timestamp() - STEADY_SECONDS) is None
        return StepComplete(step) if progress == Progress.COMPLETE and steady else None
    if crash is not None:
        return RolloutFailure(RolloutReason.CONTAINER_RESTARTED, (workload.in_words(crash),))
    if progress == Progress.COMPLETE:
        return StepComplete(step)
    # its controller knows nothing of a Deployment that is refused: the deadline is ours to keep
    if progress == Progress.ABSENT and _apply_refused(snapshot) and remaining(snapshot, step, now) <= 0:
        return _out_of_time(snapshot, step)
    if progress == Progress.TIMED_OUT and _believed(snapshot, step, now):
        return _out_of_time(snapshot, step)
    return None


def remaining(snapshot: Snapshot, step: Step, now: datetime) -> float:
    """Seconds until the rollout can have run out of time, by our own clock."""
    return step.timeout_seconds - rollout.seconds(snapshot.state, now=now)


def crashed(snapshot: Snapshot, *, now: datetime, since: float | None = None) -> PodProblem | None:
    """The first container of the revision that is rolled out which ended by itself during the rollout, or
    after `since` (seconds since the epoch)."""
    state = snapshot.state
    proved = state.rollout is not None and state.rollout.revision == state.active_revision
    if since is None and proved:
        since = now.timestamp() - rollout.seconds(state, now=now)
    for pod in _by_name(snapshot.pods):
        for problem in pods.crashes(pod):
            if since is None or _ended_after(problem, since):
                return problem
    return None


def log_source(snapshot: Snapshot, *, now: datetime) -> LogSource | None:
    """Where the log is that explains a failure which is about to be recorded, or why a container does not
    answer; None when nothing needs one."""
    if not isinstance(judged(snapshot, now=now), RolloutFailure):
        silent = quiet(snapshot, now=now)
        if silent is None or silent.container is None:
            return None
        return LogSource(silent.pod, silent.container.name, previous=False)
    found = crashed(snapshot, now=now) or _not_ready(snapshot.pods)
    if found is None or found.container is None or not found.container.has_run:
        return None
    return LogSource(
        found.pod, found.container.name, previous=found.crashed and found.exit is found.container.before
    )


def quiet(snapshot: Snapshot, *, now: datetime) -> PodProblem | None:
    """The container that has run for a while and does not answer its readiness probe."""
    if not rollout.under_way(snapshot.state):
        return None
    found = _not_ready(snapshot.pods)
    if found is None or found.trouble is not pods.Trouble.NOT_READY or found.port is None:
        return None
    since = found.container.since if found.container is not None else None
    try:
        started = parse_time(since) if since else now
    except ValueError:
        return None
    return found if (now - started).total_seconds() >= QUIET_SECONDS else None


def _out_of_time(snapshot: Snapshot, step: Step) -> RolloutFailure:
    reason = RolloutReason.PROGRESS_DEADLINE_EXCEEDED
    late = RolloutProblem(reason=reason, message=f"no progress for {step.timeout_seconds} s")
    seen = workload.problem(snapshot.deployment, snapshot.pods, log=snapshot.log)
    if (refusal := _apply_refused(snapshot)) is not None:
        why, hint = explained(refusal, namespace=snapshot.namespace)
        seen = RolloutProblem(reason=Reason.REFUSED, message=f"{why}; {hint}")
    return RolloutFailure(reason, (late, seen) if seen is not None else (late,))


def _apply_refused(snapshot: Snapshot) -> Refusal | None:
    """Why the Deployment cannot be made what the step says."""
    key = Key(snapshot.namespace, snapshot.name)
    return next(iter(concerning(snapshot.refusals, DEPLOYMENT, key)), None)


def _believed(snapshot: Snapshot, step: Step, now: datetime) -> bool:
    """Whether the Deployment's verdict is about this rollout. Its condition can be left from the rollout
    before: going back to a ReplicaSet that exists does not reset it at once. It is about this one when
    this one was seen running, or when our own clock says that it had the time to fail."""
    current = snapshot.state.rollout
    assert current is not None
    return current.phase == Phase.RUNNING or remaining(snapshot, step, now) <= 0


def _ended_after(problem: PodProblem, since: float) -> bool:
    """Whether the container ended after this moment (seconds since the epoch); True when nobody says when."""
    finished = problem.exit.finished if problem.exit is not None else None
    try:
        return finished is None or parse_time(finished).timestamp() >= since
    except ValueError:
        return True


def _not_ready(found: Sequence[Mapping[str, Any]]) -> PodProblem | None:
    return next((p for pod in _by_name(found) if (p := pods.why_not_ready(pod)) is not None), None)


def _by_name(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))
