"""What became of a build in a DeploymentConfig: pure, from the objects as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from paas.api.deployment import Phase
from paas.api.resources import Manifest
from paas.apps import progress
from paas.kube.pods import is_ready


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
    """`revision` is the one that runs (or ran) the build's image, None when there is none."""

    stage: Stage
    revision: int | None = None
    message: str = ""


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


def standing(config: Mapping[str, Any], build: Mapping[str, Any]) -> RolloutState:
    """Where the complete build is with this DeploymentConfig (which `deploys` it)."""
    status = config.get("status") or {}
    name, number = progress.name_of(build), int(build["spec"]["number"])
    rollout = status.get("rollout") or {}
    for run in (rollout, *(status.get("history") or ())):
        if run.get("build") == name:
            found = _of_run(run, current=run is rollout)
            # the history also remembers a failure that was tried again since
            if found.stage is not Stage.FAILED or run is rollout or not _later(rollout, name, number):
                return found
    image = (build.get("status") or {}).get("outputDockerImageReference")
    if image and status.get("image") == image and rollout.get("phase") == Phase.COMPLETE:
        return RolloutState(Stage.LIVE, rollout.get("revision"), "the image is the same as before")
    if _later(rollout, name, number):
        return RolloutState(Stage.OVERTAKEN, rollout.get("revision"), f"{rollout['build']} came after it")
    params = deploys(config, build) or {}
    hold = status.get("hold")
    if hold and not (progress.is_source_change(build) and number > int(hold.get("baseline") or 0)):
        return RolloutState(
            Stage.HELD, hold.get("revision"), f"revision {hold.get('revision')} is held by a rollback"
        )
    if config["spec"].get("paused"):
        return RolloutState(Stage.MANUAL, None, "the DeploymentConfig is paused")
    if not params.get("automatic", False):
        return RolloutState(Stage.MANUAL, None, "its image trigger is not automatic")
    return RolloutState(Stage.WAITING)


def _of_run(run: Mapping[str, Any], *, current: bool) -> RolloutState:
    revision, message = run.get("revision"), str(run.get("message") or "")
    match run.get("phase"):
        case Phase.COMPLETE:
            return RolloutState(Stage.LIVE, revision)
        case Phase.FAILED if run.get("reason") == "Superseded":
            return RolloutState(Stage.OVERTAKEN, revision, message)
        case Phase.FAILED:
            return RolloutState(Stage.FAILED, revision, message or str(run.get("reason") or ""))
        case _ if current:
            return RolloutState(Stage.ROLLING, revision)
        case _:
            return RolloutState(Stage.OVERTAKEN, revision, message)


def _later(rollout: Mapping[str, Any], name: str, number: int) -> bool:
    """Whether the rollout is of a later build of the same BuildConfig."""
    base, _, other = str(rollout.get("build") or "").rpartition("-")
    return base == name.rpartition("-")[0] and other.isdigit() and int(other) > number


def ready_text(config: Mapping[str, Any], revision: int, pods: Iterable[Manifest]) -> str:
    """`1/3 ready` of a revision's pods."""
    ready = sum(1 for pod in progress.of_revision(pods, revision) if is_ready(pod))
    return f"{ready}/{int(config['spec'].get('replicas', 1))} ready"


def serving_text(config: Mapping[str, Any]) -> str:
    """What still answers after a failure."""
    active = (config.get("status") or {}).get("activeRevision")
    return f"Revision {active} keeps serving." if active else "Nothing serves yet."


def failure(config: Mapping[str, Any], where: RolloutState) -> list[str]:
    """Story lines about a rollout that failed: the controller's message, a line for each of its parts."""
    name, namespace = progress.name_of(config), config["metadata"].get("namespace", "")
    first, *more = reason_of(where).split("; ")
    lines = [f"Rollout of {name} revision {where.revision} failed: {first}", *more]
    if not any("takes its place" in part for part in more):
        lines.append(serving_text(config))
    if "paas " not in where.message:
        lines.append(f"See why: paas rollout status {name} -n {namespace}; paas logs {name} -n {namespace}")
    return [progress.problem(line) for line in lines]


def reason_of(where: RolloutState) -> str:
    """The message of a failed rollout without `revision 12 failed: ` in front."""
    return where.message.removeprefix(f"revision {where.revision} failed: ")


def routes_to(
    config: Mapping[str, Any], routes: Iterable[Manifest], services: Iterable[Manifest]
) -> list[Manifest]:
    """The Routes whose Service selects the pods of a DeploymentConfig, by name."""
    labels = ((config["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    labels = {**labels, **(config["spec"].get("selector") or {})}
    reached = {
        service["metadata"]["name"]
        for service in services
        if (selector := (service.get("spec") or {}).get("selector"))
        and all(labels.get(key) == value for key, value in selector.items())
    }
    found = [route for route in routes if (route["spec"].get("to") or {}).get("name") in reached]
    return sorted(found, key=lambda route: str(route["metadata"]["name"]))
