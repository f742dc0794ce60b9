"""Derives the summary of an application from its objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from paas.api import names
from paas.api.build import Phase
from paas.api.deployment_status import Phase as RolloutPhase
from paas.api.names import Condition, Reason
from paas.api.resources import Manifest
from paas.apps import builds, rollouts
from paas.apps.app_snapshot import AppSnapshot, labels_of
from paas.apps.next_steps import next_steps
from paas.apps.summary import (
    AppSummary,
    Backend,
    BuildSummary,
    HoldSummary,
    ImageStreamSummary,
    PodSummary,
    Problem,
    RolloutSummary,
    RouteSummary,
    SourceSummary,
    TagSummary,
)
from paas.kube import pods
from paas.reconcile.conditions import find


def summarize(snapshot: AppSnapshot, app: str) -> AppSummary:
    """One application of a snapshot."""
    own = snapshot.of(app)
    routes = [_route(route, own) for route in own.routes]
    summary = AppSummary(
        project=own.project,
        name=app,
        urls=[route.url for route in routes if route.url],
        sources=[_source(config, own.builds) for config in own.build_configs],
        builds=_builds(own),
        image_streams=[_image_stream(stream) for stream in own.streams],
        rollouts=[_rollout(config, own) for config in own.deployment_configs],
        routes=routes,
    )
    steps = next_steps(summary, services=[builds.name_of(service) for service in own.services])
    return summary.model_copy(update={"next": steps})


def _source(config: Manifest, made: Iterable[Manifest]) -> SourceSummary:
    source, status = config["spec"].get("source") or {}, config.get("status") or {}
    git = source.get("git") or {}
    return SourceSummary(
        build_config=builds.name_of(config),
        git=git.get("uri"),
        repository=status.get("repository") if not git.get("uri") else None,
        branch=git.get("ref") or (None if git.get("uri") else _deploying_branch(config, made)),
        context_dir=source.get("contextDir"),
        stalled=_stalled(config),
    )


def _deploying_branch(config: Manifest, made: Iterable[Manifest]) -> str | None:
    """The branch of a repository hosted here that becomes Builds: it is not in the spec when it is the one
    that was pushed first."""
    own = [build for build in made if build["spec"].get("buildConfig") == builds.name_of(config)]
    newest = sorted(own, key=lambda build: int(build["spec"]["number"]), reverse=True)
    return next((ref for build in newest if (ref := builds.ref_of(build))), None)


def _builds(own: AppSnapshot) -> list[BuildSummary]:
    ordered = sorted(own.builds, key=lambda build: int(build["spec"]["number"]), reverse=True)
    shown = ordered[:1] + [build for build in ordered[1:] if not builds.is_over(build)][:2]
    return [_build(build, ordered) for build in shown]


def _build(build: Manifest, others: Iterable[Manifest]) -> BuildSummary:
    status, phase = build.get("status") or {}, builds.phase_of(build)
    problem = None
    if phase in (Phase.FAILED, Phase.ERROR) or status.get("blockedSince"):
        problem = Problem(reason=status.get("reason") or "", message=status.get("message") or "")
    return BuildSummary(
        name=builds.name_of(build),
        phase=phase,
        problem=problem,
        waits_for=builds.ahead_of(build, others) if phase == Phase.NEW else [],
        ref=builds.ref_of(build),
        commit=builds.commit_of(build),
        commit_message=builds.commit_message(build),
        author=builds.author_of(build),
        started_at=status.get("startTimestamp") or build["metadata"].get("creationTimestamp"),
        completed_at=status.get("completionTimestamp"),
        seconds=status.get("duration"),
    )


def _image_stream(stream: Manifest) -> ImageStreamSummary:
    tags = []
    for tag in (stream.get("status") or {}).get("tags") or ():
        item = (tag.get("items") or [{}])[0]
        tags.append(
            TagSummary(
                tag=tag["tag"],
                image=item.get("image") or "",
                build=item.get("build"),
                created_at=item.get("created"),
            )
        )
    return ImageStreamSummary(name=builds.name_of(stream), tags=tags, stalled=_stalled(stream))


def _rollout(config: Manifest, own: AppSnapshot) -> RolloutSummary:
    status, stalled = config.get("status") or {}, _stalled(config)
    summary = RolloutSummary(
        deployment_config=builds.name_of(config),
        serving=rollouts.active_of(config),
        replicas=rollouts.replicas_of(config),
        hold=HoldSummary.model_validate(status["hold"]) if status.get("hold") else None,
        paused=bool(config["spec"].get("paused")),
        drifted=_drifted(config),
        stalled=stalled,
    )
    rollout = status.get("rollout")
    if not rollout:
        ready = find(config, Condition.READY) or {}
        waits_for = Problem(reason=ready.get("reason") or "", message=ready.get("message") or "")
        same = stalled is not None and stalled.reason == waits_for.reason
        return summary.model_copy(update={"waits_for": None if same else waits_for})
    revision, failed = int(rollout["revision"]), rollout.get("phase") == RolloutPhase.FAILED
    problems = [Problem.model_validate(problem) for problem in rollout.get("problems") or ()]
    if failed and not problems:
        # a status from before problems were kept by themselves
        problems = [Problem(reason=rollout.get("reason") or "", message=rollouts.reasons(rollout)[0])]
    said = {problem.reason for problem in problems} if failed else set()
    return summary.model_copy(
        update={
            "revision": revision,
            "phase": rollout.get("phase"),
            "build": rollout.get("build"),
            "started_at": rollout.get("startedAt"),
            "finished_at": rollout.get("finishedAt"),
            "ready": rollouts.ready_of(own.pods, (summary.serving or revision) if failed else revision),
            "problems": problems,
            "pods": [pod for pod in _pods(own.pods, revision) if pod.reason not in said],
            # a failed rollout says its reasons itself
            "stalled": None if failed and stalled and stalled.reason == Reason.ROLLOUT_FAILED else stalled,
        }
    )


def _pods(observed: Iterable[Manifest], revision: int) -> list[PodSummary]:
    """Pods of the revision that do not run, one for each reason."""
    found: dict[tuple[str, str, int | None], PodSummary] = {}
    for pod in rollouts.of_revision(observed, revision):
        if (problem := pods.why_not_running(pod)) is not None:
            summary = PodSummary(
                pod=problem.pod,
                reason=problem.reason,
                message=problem.message,
                exit_code=problem.exit.code if problem.exit else None,
                out_of_memory=problem.out_of_memory,
            )
            found.setdefault((summary.reason, summary.message, summary.exit_code), summary)
    return list(found.values())[:3]


def _route(route: Manifest, own: AppSnapshot) -> RouteSummary:
    ready = find(route, Condition.READY)
    return RouteSummary(
        name=builds.name_of(route),
        url=(route.get("status") or {}).get("url"),
        service=(route["spec"].get("to") or {}).get("name") or "",
        ready=ready.get("status") == "True" if ready else None,
        message=(ready or {}).get("message") or "",
        backend=_backend(route, own),
    )


def _backend(route: Manifest, own: AppSnapshot) -> Backend:
    reached = [c for c in own.deployment_configs if rollouts.routes_to(c, [route], own.services)]
    if not reached:
        return Backend.UNKNOWN
    names_ = {builds.name_of(config) for config in reached}
    serving = [p for p in own.pods if labels_of(p).get(names.LABEL_DEPLOYMENTCONFIG) in names_]
    if any(pods.is_ready(pod) for pod in serving):
        return Backend.READY
    if all(rollouts.replicas_of(config) == 0 for config in reached):
        return Backend.SCALED_TO_ZERO
    return Backend.NOT_READY


def _drifted(config: Manifest) -> Problem | None:
    found = find(config, Condition.DRIFTED)
    if not found or found.get("status") != "True":
        return None
    return Problem(reason=found.get("reason") or "", message=found.get("message") or "")


def _stalled(obj: Manifest) -> Problem | None:
    """What keeps an object as it is: a person must act, or the platform cannot look after it."""
    found, ready = find(obj, Condition.STALLED), find(obj, Condition.READY)
    if not found or found.get("status") != "True":
        if ready is None or ready.get("reason") != Reason.RECONCILE_FAILED:
            return None
        found = ready
    return Problem(reason=found.get("reason") or "", message=found.get("message") or "")
