"""Builds and DeploymentConfigs as they are now, as events of their progress. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from paas.api.build import Phase
from paas.api.names import Condition, Reason
from paas.apps import builds, rollouts
from paas.apps.progress import (
    BuildBlocked,
    BuildCancelled,
    BuildComplete,
    BuildFailed,
    Detected,
    Failure,
    Queued,
    Recipe,
    RolloutBlocked,
    RolloutFailed,
    Running,
    StillRunning,
)
from paas.apps.rollouts import RolloutState
from paas.reconcile.conditions import find


def queued(build: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> Queued | Running:
    """Where a Build that is not over is."""
    if builds.phase_of(build) == Phase.RUNNING:
        return Running(builds.name_of(build))
    return Queued(builds.name_of(build), tuple(builds.ahead_of(build, others)))


def blocked(build: Mapping[str, Any]) -> BuildBlocked | None:
    """What only a person can change about a build that waits; None when nothing is in its way."""
    status = build.get("status") or {}
    if not status.get("blockedSince"):
        return None
    return BuildBlocked(
        builds.name_of(build), str(status.get("reason") or ""), str(status.get("message") or "")
    )


BLOCKING: Final = frozenset({Reason.REFUSED, Reason.INVALID_SPEC, Reason.NAME_TAKEN, Reason.RECONCILE_FAILED})
"""Reasons that keep a new revision from being made. Others are about the rollout before."""


def rollout_blocked(config: Mapping[str, Any]) -> RolloutBlocked | None:
    """What keeps a DeploymentConfig from rolling out anything; None when nothing does."""
    for type_ in (Condition.STALLED, Condition.READY):
        found = find(config, type_) or {}
        if found.get("reason") in BLOCKING and found["status"] == str(type_ is Condition.STALLED):
            return RolloutBlocked(builds.name_of(config), found["reason"], str(found.get("message") or ""))
    return None


def detected(build: Mapping[str, Any]) -> Detected | None:
    """How the source becomes an image, or None while that is not known."""
    spec, status = build["spec"], build.get("status") or {}
    if buildpack := status.get("buildpack") or spec.get("buildpack"):
        return Detected(Recipe.BUILDPACK, str(buildpack))
    if (spec.get("source") or {}).get("dockerfile"):
        return Detected(Recipe.INLINE_DOCKERFILE)
    if spec.get("dockerfile"):
        docker = (spec.get("strategy") or {}).get("dockerStrategy") or {}
        return Detected(Recipe.DOCKERFILE, str(docker.get("dockerfilePath") or "Dockerfile"))
    return None


def finished(build: Mapping[str, Any], *, logged: bool) -> BuildComplete | BuildFailed | BuildCancelled:
    """How a build that is over ended. `logged`: its log was followed, so the end of it need not be
    repeated."""
    name, namespace = builds.name_of(build), str(build["metadata"].get("namespace") or "")
    status, phase = build.get("status") or {}, builds.phase_of(build)
    if phase == Phase.COMPLETE:
        _, _, image = str(status.get("outputDockerImageReference") or "").partition("/")
        # without the registry's address, which means something inside the cluster only
        took = int(status["duration"]) if status.get("duration") is not None else None
        return BuildComplete(name, image or builds.digest_of(build), took)
    if phase == Phase.CANCELLED:
        return BuildCancelled(name, str(build["spec"].get("buildConfig") or ""), namespace)
    tail = () if logged else tuple(str(status.get("logSnippet") or "").splitlines())
    return BuildFailed(failure_of(build), tail)


def failure_of(build: Mapping[str, Any]) -> Failure:
    """Why a build failed, and the command that tells more: the log, or for a build that never had a pod
    what its status says."""
    name, namespace = builds.name_of(build), str(build["metadata"].get("namespace") or "")
    status = build.get("status") or {}
    return Failure(
        subject=name,
        reason=str(status.get("reason") or builds.phase_of(build)),
        message=str(status.get("message") or "").strip(),
        hint=(f"paas logs build/{name} -n {namespace}",),
    )


def rollout_failed(config: Mapping[str, Any], state: RolloutState) -> RolloutFailed:
    """Why a rollout of a build failed, and what serves."""
    name, namespace = builds.name_of(config), str(config["metadata"].get("namespace") or "")
    run = state.run or {}
    first, *more = rollouts.reasons(run)
    failure = Failure(
        subject=name,
        reason=str(run.get("reason") or ""),
        message=first,
        revision=state.revision,
        details=tuple(more),
        hint=(
            f"paas rollout status {name} -n {namespace}",
            f"paas logs {name} --revision {state.revision} -n {namespace}",
        ),
    )
    kept = rollouts.kept_log(config, state.revision) if state.revision is not None else ()
    return RolloutFailed(failure, rollouts.active_of(config), kept)


def still_running(build: Mapping[str, Any]) -> StillRunning:
    """The last word to somebody who stops waiting."""
    return StillRunning(builds.name_of(build), str(build["metadata"].get("namespace") or ""))
