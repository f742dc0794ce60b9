"""An application at one look, as data: its source, builds, images, rollouts and addresses, what is wrong with
them, and the commands to type next. `summary_text` has the words. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from paas.api import names
from paas.api.base import Model
from paas.api.build import TERMINAL, Phase
from paas.api.deployment import Phase as RolloutPhase
from paas.api.names import Condition, Reason
from paas.api.resources import Manifest
from paas.apps import builds, rollouts
from paas.kube import pods
from paas.reconcile.conditions import find

NEXT_STEPS: Final = 3


@dataclass(frozen=True)
class AppSnapshot:
    """The objects of a project, or of one application in it."""

    project: str
    build_configs: Sequence[Manifest] = ()
    builds: Sequence[Manifest] = ()
    streams: Sequence[Manifest] = ()
    deployment_configs: Sequence[Manifest] = ()
    services: Sequence[Manifest] = ()
    routes: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()

    def of(self, app: str) -> AppSnapshot:
        """The part that belongs to one application."""
        mine = {
            name: [obj for obj in value if app_of(obj) == app]
            for name, value in self.__dict__.items()
            if name not in ("project", "pods")
        }
        configs = {builds.name_of(config) for config in mine["deployment_configs"]}
        pods = [pod for pod in self.pods if _labels(pod).get(names.LABEL_DEPLOYMENTCONFIG) in configs]
        return AppSnapshot(project=self.project, pods=pods, **mine)

    def apps(self) -> list[str]:
        """Names of the applications, in order."""
        owners = (*self.build_configs, *self.deployment_configs, *self.routes, *self.streams)
        return sorted({app_of(obj) for obj in owners})


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def app_of(obj: Mapping[str, Any]) -> str:
    """The application of an object: its part-of label, else its own name."""
    return _labels(obj).get(names.LABEL_PART_OF) or str(obj["metadata"]["name"])


class Problem(Model):
    """Why something is not as it should be: a reason as conditions have it, and a sentence."""

    reason: str = ""
    message: str = ""


class SourceSummary(Model):
    """Where a BuildConfig takes its source from."""

    build_config: str
    git: str | None = None
    """URL of the external repository; absent when people push to the platform."""
    repository: str | None = None
    """URL of the repository that is hosted here."""
    branch: str | None = None
    context_dir: str | None = None
    stalled: Problem | None = None


class BuildSummary(Model):
    """A Build: the newest, or one that is not over."""

    name: str
    phase: str
    problem: Problem | None = None
    """Why it failed."""
    waits_for: list[str] = Field(default_factory=list)
    """Builds that run first."""
    ref: str = ""
    commit: str = ""
    commit_message: str = ""
    author: str = ""
    started_at: str | None = None
    """When it was made, until it has started."""
    completed_at: str | None = None
    seconds: int | None = None


class TagSummary(Model):
    """The image that a tag means now."""

    tag: str
    image: str = ""
    build: str | None = None
    created_at: str | None = None


class ImageStreamSummary(Model):
    """The tags of an ImageStream."""

    name: str
    tags: list[TagSummary] = Field(default_factory=list)
    stalled: Problem | None = None


class PodSummary(Model):
    """A pod of the current revision that does not run."""

    pod: str
    reason: str
    message: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False


class HoldSummary(Model):
    """A rollback that is in force."""

    revision: int
    withheld: int = 0


class RolloutSummary(Model):
    """A DeploymentConfig and its current or last rollout; `revision` and `phase` are absent before the
    first."""

    deployment_config: str
    revision: int | None = None
    phase: str | None = None
    build: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    serving: int | None = None
    """The last complete revision."""
    replicas: int = 1
    ready: int = 0
    """Ready pods of the revision, or of the serving one after a failure."""
    problems: list[Problem] = Field(default_factory=list)
    """Why it failed."""
    pods: list[PodSummary] = Field(default_factory=list)
    waits_for: Problem | None = None
    """What the first rollout waits for."""
    hold: HoldSummary | None = None
    paused: bool = False
    stalled: Problem | None = None


class Backend(StrEnum):
    """What answers behind a Route, as far as it can be seen."""

    READY = "Ready"
    SCALED_TO_ZERO = "ScaledToZero"
    NOT_READY = "NotReady"
    UNKNOWN = "Unknown"  # its Service leads to no DeploymentConfig of this application


class RouteSummary(Model):
    """An address, and the Service that it leads to."""

    name: str
    url: str | None = None
    service: str = ""
    ready: bool | None = None
    """Whether it is published; absent while nobody has looked at it."""
    message: str = ""
    backend: Backend = Backend.UNKNOWN


class NextStep(Model):
    """A command to type next, and what for where that is not plain."""

    command: str
    note: str = ""


class AppSummary(Model):
    """An application at one look."""

    project: str
    name: str
    urls: list[str] = Field(default_factory=list)
    sources: list[SourceSummary] = Field(default_factory=list)
    builds: list[BuildSummary] = Field(default_factory=list)
    """The newest, and those that are not over."""
    image_streams: list[ImageStreamSummary] = Field(default_factory=list)
    rollouts: list[RolloutSummary] = Field(default_factory=list)
    routes: list[RouteSummary] = Field(default_factory=list)
    next: list[NextStep] = Field(default_factory=list)
    """The most urgent first, three at most."""


def summarize(snapshot: AppSnapshot, app: str) -> AppSummary:
    """One application of a snapshot."""
    own = snapshot.of(app)
    routes = [_route(route, own) for route in own.routes]
    summary = AppSummary(
        project=own.project,
        name=app,
        urls=[route.url for route in routes if route.url],
        sources=[_source(config) for config in own.build_configs],
        builds=_builds(own),
        image_streams=[_image_stream(stream) for stream in own.streams],
        rollouts=[_rollout(config, own) for config in own.deployment_configs],
        routes=routes,
    )
    steps = next_steps(summary, services=[builds.name_of(service) for service in own.services])
    return summary.model_copy(update={"next": steps[:NEXT_STEPS]})


def _source(config: Manifest) -> SourceSummary:
    source, status = config["spec"].get("source") or {}, config.get("status") or {}
    git = source.get("git") or {}
    return SourceSummary(
        build_config=builds.name_of(config),
        git=git.get("uri"),
        repository=status.get("repository") if not git.get("uri") else None,
        branch=git.get("ref") or status.get("branch"),
        context_dir=source.get("contextDir"),
        stalled=_stalled(config),
    )


def _builds(own: AppSnapshot) -> list[BuildSummary]:
    ordered = sorted(own.builds, key=lambda build: int(build["spec"]["number"]), reverse=True)
    shown = ordered[:1] + [build for build in ordered[1:] if not builds.is_over(build)][:2]
    return [_build(build, ordered) for build in shown]


def _build(build: Manifest, others: Iterable[Manifest]) -> BuildSummary:
    status, phase = build.get("status") or {}, builds.phase_of(build)
    problem = None
    if phase in (Phase.FAILED, Phase.ERROR):
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
    told = {problem.reason for problem in problems} if failed else set()
    return summary.model_copy(
        update={
            "revision": revision,
            "phase": rollout.get("phase"),
            "build": rollout.get("build"),
            "started_at": rollout.get("startedAt"),
            "finished_at": rollout.get("finishedAt"),
            "ready": rollouts.ready_of(own.pods, (summary.serving or revision) if failed else revision),
            "problems": problems if failed else [],
            "pods": [pod for pod in _pods(own.pods, revision) if pod.reason not in told],
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
    serving = [p for p in own.pods if _labels(p).get(names.LABEL_DEPLOYMENTCONFIG) in names_]
    if any(pods.is_ready(pod) for pod in serving):
        return Backend.READY
    if all(rollouts.replicas_of(config) == 0 for config in reached):
        return Backend.SCALED_TO_ZERO
    return Backend.NOT_READY


def _stalled(obj: Manifest) -> Problem | None:
    found = find(obj, Condition.STALLED)
    if not found or found.get("status") != "True":
        return None
    return Problem(reason=found.get("reason") or "", message=found.get("message") or "")


# -- what to do next -------------------------------------------------------------------------------
def next_steps(summary: AppSummary, *, services: Sequence[str]) -> list[NextStep]:
    """Commands that this state of an application asks for, the most urgent first, each once."""
    project = summary.project
    steps = [*_for_source(summary), *_for_build(summary)]
    for rollout in summary.rollouts:
        steps = _for_rollout(rollout, project, steps)
    for route in summary.routes:
        if route.ready is False:
            steps.append(NextStep(command=f"paas get route/{route.name} -n {project} -o yaml"))
    each_once: dict[str, NextStep] = {}
    for step in steps:
        each_once.setdefault(step.command, step)
    steps = list(each_once.values())
    answers = any(route.url and route.backend in (Backend.READY, Backend.UNKNOWN) for route in summary.routes)
    if not steps and answers:
        steps.append(NextStep(command=f"paas open {summary.name} -n {project}"))
    if services and not summary.routes:
        steps.append(NextStep(command=f"paas expose {services[0]} -n {project}", note="an address outside"))
    return steps


def _for_source(summary: AppSummary) -> list[NextStep]:
    if summary.builds:
        return []
    return [
        NextStep(
            command=f"git push paas {source.branch or 'HEAD'}",
            note=f"paas git-remote {source.build_config} sets the remote",
        )
        for source in summary.sources
        if not source.git
    ]


def _for_build(summary: AppSummary) -> list[NextStep]:
    if not summary.builds:
        return []
    newest = summary.builds[0]
    if newest.problem is not None:
        return [NextStep(command=f"paas logs build/{newest.name} -n {summary.project}")]
    if newest.phase not in TERMINAL:
        return [NextStep(command=f"paas logs -f build/{newest.name} -n {summary.project}")]
    return []


def _for_rollout(rollout: RolloutSummary, project: str, before: list[NextStep]) -> list[NextStep]:
    name, steps = rollout.deployment_config, list(before)
    logs = NextStep(command=f"paas logs {name} -n {project}")
    if rollout.phase == RolloutPhase.FAILED:
        steps += [
            NextStep(command=f"paas rollout history {name} -n {project}"),
            logs,
            NextStep(command=f"paas rollout latest {name} -n {project}", note="tries it again"),
        ]
    elif rollout.phase is not None and rollout.phase != RolloutPhase.COMPLETE:
        steps.append(NextStep(command=f"paas rollout status {name} -n {project}"))
    if rollout.pods:
        steps.insert(0, logs)
    if rollout.hold is not None:
        note = "lets the newest image go out"
        steps.append(NextStep(command=f"paas unpin {name} -n {project}", note=note))
    if rollout.revision is not None and rollout.replicas == 0:
        command = f"kubectl scale deploymentconfig/{name} --replicas=1 -n {project}"
        steps.append(NextStep(command=command, note="starts it again"))
    return steps
