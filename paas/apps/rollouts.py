"""What became of a Build in a DeploymentConfig, as data. Pure, from the objects as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from paas.api import names
from paas.api.deployment_status import Phase, RolloutReason
from paas.api.resources import Manifest
from paas.apps import builds
from paas.kube.pods import NOT_READY, is_ready


class Stage(StrEnum):
    """Where a build is with one DeploymentConfig."""

    WAITING = "waiting"  # nothing seen of it yet
    ROLLING = "rolling"
    LIVE = "live"
    FAILED = "failed"
    OVERTAKEN = "overtaken"  # a later build took its place
    HELD = "held"  # a rollback holds another revision
    MANUAL = "manual"  # paused, or the trigger is not automatic


@dataclass(frozen=True)
class RolloutState:
    """`revision` is the one that runs (or ran) the build's image, or the one that keeps it from running."""

    stage: Stage
    revision: int | None = None
    unchanged: bool = False
    """LIVE: the image was the same as before, and nothing was rolled out."""
    overtaken_by: str = ""
    """OVERTAKEN: the later build, where it is known."""
    paused: bool = False
    """MANUAL: the DeploymentConfig is paused; else its image trigger is not automatic."""
    run: Mapping[str, Any] | None = None
    """FAILED: the rollout, as the status has it."""


def deploys(config: Mapping[str, Any], build: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The image trigger of a DeploymentConfig on the tag that the build puts its image into, or None."""
    to = ((build["spec"].get("output") or {}).get("to") or {}).get("name")
    for trigger in config["spec"].get("triggers") or ():
        params = trigger.get("imageChangeParams") or {}
        source = params.get("from") or {}
        namespace = source.get("namespace") or config["metadata"].get("namespace")
        if source.get("name") == to and namespace == build["metadata"].get("namespace"):
            return params
    return None


def rollout_state(config: Mapping[str, Any], build: Mapping[str, Any]) -> RolloutState:
    """Where the complete build is with this DeploymentConfig (which `deploys` it)."""
    status = config.get("status") or {}
    name, number = builds.name_of(build), int(build["spec"]["number"])
    rollout = status.get("rollout") or {}
    for run in (rollout, *(status.get("history") or ())):
        if run.get("build") == name:
            found = _of_run(run, current=run is rollout)
            # the history also remembers a failure that was tried again since
            if found.stage is not Stage.FAILED or run is rollout or not _later(rollout, name, number):
                return found
    image = (build.get("status") or {}).get("outputDockerImageReference")
    if image and status.get("image") == image and rollout.get("phase") == Phase.COMPLETE:
        return RolloutState(Stage.LIVE, rollout.get("revision"), unchanged=True)
    if _later(rollout, name, number):
        return RolloutState(Stage.OVERTAKEN, rollout.get("revision"), overtaken_by=str(rollout["build"]))
    params = deploys(config, build) or {}
    hold = status.get("hold")
    if hold and not (builds.is_source_change(build) and number > int(hold.get("baseline") or 0)):
        return RolloutState(Stage.HELD, hold.get("revision"))
    if config["spec"].get("paused"):
        return RolloutState(Stage.MANUAL, paused=True)
    if not params.get("automatic", False):
        return RolloutState(Stage.MANUAL)
    return RolloutState(Stage.WAITING)


def _of_run(run: Mapping[str, Any], *, current: bool) -> RolloutState:
    revision = run.get("revision")
    match run.get("phase"):
        case Phase.COMPLETE:
            return RolloutState(Stage.LIVE, revision)
        case Phase.FAILED if run.get("reason") == RolloutReason.SUPERSEDED:
            return RolloutState(Stage.OVERTAKEN, revision)
        case Phase.FAILED:
            return RolloutState(Stage.FAILED, revision, run=run)
        case _ if current:
            return RolloutState(Stage.ROLLING, revision)
        case _:
            return RolloutState(Stage.OVERTAKEN, revision)


def _later(rollout: Mapping[str, Any], name: str, number: int) -> bool:
    """Whether the rollout is of a later build of the same BuildConfig."""
    base, _, other = str(rollout.get("build") or "").rpartition("-")
    return base == name.rpartition("-")[0] and other.isdigit() and int(other) > number


def reasons(run: Mapping[str, Any]) -> list[str]:
    """Why a rollout failed, each reason by itself; the whole message where an older status has no more."""
    problems = [str(problem["message"]) for problem in run.get("problems") or ()]
    return problems or [str(run.get("message") or run.get("reason") or "")]


def does_not_answer(config: Mapping[str, Any]) -> list[str]:
    """What was seen of containers that run and do not answer, while a rollout goes on."""
    problems = ((config.get("status") or {}).get("rollout") or {}).get("problems") or ()
    return [str(problem["message"]) for problem in problems if problem.get("reason") == NOT_READY]


def kept_log(config: Mapping[str, Any], revision: int) -> tuple[str, ...]:
    """The lines that were kept of the log of a revision that failed."""
    past = (config.get("status") or {}).get("history") or ()
    logs = [str(row.get("log") or "") for row in past if row.get("revision") == revision]
    return tuple(line for log in logs for line in log.splitlines())


def of_revision(pods: Iterable[Manifest], revision: int) -> list[Manifest]:
    """The pods of one revision that are not on their way out."""
    return [
        pod
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == str(revision)
        and not pod["metadata"].get("deletionTimestamp")
    ]


def ready_of(pods: Iterable[Manifest], revision: int) -> int:
    """How many pods of a revision are ready."""
    return sum(1 for pod in of_revision(pods, revision) if is_ready(pod))


def replicas_of(config: Mapping[str, Any]) -> int:
    """How many pods a DeploymentConfig wants."""
    return int(config["spec"].get("replicas", 1))


def active_of(config: Mapping[str, Any]) -> int | None:
    """The revision that serves: the last one whose rollout was complete."""
    active = (config.get("status") or {}).get("activeRevision")
    return int(active) if active else None


def routes_to(
    config: Mapping[str, Any], routes: Iterable[Manifest], services: Iterable[Manifest]
) -> list[Manifest]:
    """The Routes whose Service selects the pods of a DeploymentConfig, by name."""
    reached = {service["metadata"]["name"] for service in services if _selects(service, config)}
    found = [route for route in routes if (route["spec"].get("to") or {}).get("name") in reached]
    return sorted(found, key=lambda route: str(route["metadata"]["name"]))


def _selects(service: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    labels = ((config["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    labels = {**labels, **(config["spec"].get("selector") or {})}
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
