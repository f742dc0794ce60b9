"""The lines that people read while a Build is followed: one place makes the words of `progress`. Pure."""

from __future__ import annotations

from typing import Final

from paas.apps import kaniko
from paas.apps.progress import (
    BuildBlocked,
    BuildCancelled,
    BuildComplete,
    BuildDeleted,
    BuildFailed,
    BuildPodWaits,
    ConfigDeleted,
    ContactLost,
    Detected,
    DoesNotAnswer,
    End,
    Failure,
    LogLine,
    NoRoute,
    NotDeployed,
    NotPublished,
    NotRolledOut,
    PodNotRunning,
    ProgressEvent,
    Published,
    Queued,
    Recipe,
    RolloutBlocked,
    RolloutEvent,
    RolloutFailed,
    RolloutProgress,
    Running,
    ScaledToZero,
    StillRunning,
    Unchanged,
)
from paas.apps.rollouts import RolloutState, Stage
from paas.builds.job import FETCH
from paas.kube.pods import PodProblem
from paas.terminal.output import duration, shorten
from paas.terminal.progress_lines import detail, is_laid_out, one_line, problem, result, step

PUSHED_LINES: Final = 10
"""Of the log of what failed; `paas logs` shows more."""


def lines(event: ProgressEvent) -> list[str]:
    """What an event says; nothing for what only Kaniko's authors want to know, and for the End."""
    match event:
        case Queued(build, ahead):
            return [step(f"Build {build} queued" + _behind(ahead))]
        case Running(build):
            return [step(f"Build {build} running")]
        case Detected(recipe, name):
            return [step(_detected(recipe, name))]
        case BuildBlocked(build, reason, message):
            return [problem(f"Build {build} waits: {reason}: {message}")]
        case BuildPodWaits(found):
            return [problem(f"The build pod does not start yet: {problem_text(found)}")]
        case LogLine(text, container):
            line = log_line(text, container)
            return [line] if line is not None else []
        case BuildComplete(_, image, seconds):
            return [detail(f"Pushed {image}" + (f" ({duration(seconds)})" if seconds is not None else ""))]
        case BuildFailed(failure, log_tail):
            return [*(detail(line) for line in log_tail), *_build_failed(failure)]
        case BuildCancelled(build, config, namespace):
            return [
                problem(f"Build {build} was cancelled."),
                problem(f"Start it again: paas start-build {config} -n {namespace}"),
            ]
        case BuildDeleted(build):
            return [problem(f"Build {build} was deleted.")]
        case StillRunning(build, namespace):
            return [
                step("Still running; it goes on without you."),
                detail(f"Follow it with: paas logs -f build/{build} -n {namespace}"),
                detail(f"See where it is: paas status -n {namespace}"),
            ]
        case ContactLost():
            return [problem("The cluster does not say how it goes on.")]
        case End():
            return []
    return _of_rollout(event)


def _of_rollout(event: RolloutEvent) -> list[str]:
    match event:
        case NotDeployed(build, tag, digest):
            return [result(f"{tag} is {digest}; no DeploymentConfig deploys it  (build {build})")]
        case RolloutProgress(config, revision, ready, wanted):
            return [step(f"Deploying {config} revision {revision}: {ready_text(ready, wanted)}")]
        case PodNotRunning(found, log):
            return [
                problem(f"Pod {found.pod}: {problem_text(found)}"),
                *(detail(line) for line in log),
            ]
        case DoesNotAnswer(_, message):
            return [problem(message)]
        case RolloutBlocked(config, reason, message):
            return [problem(f"The rollout of {config} waits: {reason}: {message}")]
        case RolloutFailed(failure, serving, log):
            return [
                problem(f"Rollout of {_revision(failure)} failed: {failure.message}"),
                *(problem(reason) for reason in failure.details),
                *(detail(line) for line in log[-PUSHED_LINES:]),
                problem(serving_text(serving)),
                problem(f"See why: {'; '.join(failure.hint)}"),
            ]
        case Unchanged(config):
            return [detail(f"{config}: the image is the same as before; nothing to roll out")]
        case Published(url, build, revision):
            return [result(f"{url}  {_what(build, revision)}")]
        case NoRoute(config, build, revision):
            return [result(f"{config} runs; no Route leads to it  {_what(build, revision)}")]
        case ScaledToZero(config, namespace, build, revision):
            return [
                result(f"{config} is scaled to 0, so nothing answers  {_what(build, revision)}"),
                detail(
                    f"Start it again: kubectl scale deploymentconfig/{config} --replicas=1 -n {namespace}"
                ),
            ]
        case NotPublished(route, namespace, reason, message):
            why = message or "the ingress controller has not published it yet"
            return [
                problem(f"Route {route}: " + (f"{reason}: {why}" if reason else why)),
                problem(f"See: paas get route/{route} -n {namespace} -o wide"),
            ]
        case NotRolledOut(config, namespace, build, state):
            return _not_rolled_out(config, namespace, build, state)
        case ConfigDeleted(config):
            return [problem(f"DeploymentConfig {config} was deleted.")]


def _revision(failure: Failure) -> str:
    return f"{failure.subject} revision {failure.revision}"


def _what(build: str, revision: int | None) -> str:
    return f"(build {build}, revision {revision})"


def _behind(ahead: tuple[str, ...]) -> str:
    if not ahead:
        return ""
    return f" (behind {ahead[0] if len(ahead) == 1 else f'{ahead[0]} and {len(ahead) - 1} more'})"


def _detected(recipe: Recipe, name: str) -> str:
    match recipe:
        case Recipe.BUILDPACK:
            return f"{name.capitalize()} app detected (buildpacks/{name})"
        case Recipe.INLINE_DOCKERFILE:
            return "Dockerfile of the BuildConfig"
        case Recipe.DOCKERFILE:
            return f"{name} found"


def _build_failed(failure: Failure) -> list[str]:
    why = f"{failure.reason}: {failure.message}" if failure.message else failure.reason
    return [
        problem(f"Build {failure.subject} failed: {why}"),
        *(problem(f"The whole log: {command}") for command in failure.hint),
    ]


def _not_rolled_out(config: str, namespace: str, build: str, state: RolloutState) -> list[str]:
    match state.stage:
        case Stage.OVERTAKEN:
            why = f"{state.overtaken_by} came after it" if state.overtaken_by else "a later rollout"
            return [result(f"{config} runs something newer: {why}  (build {build})")]
        case Stage.HELD:
            return [
                result(
                    f"Built, not deployed: revision {state.revision} is held by a rollback  (build {build})"
                ),
                detail(f"Let it go on with: paas unpin {config} -n {namespace}"),
            ]
    why = "the DeploymentConfig is paused" if state.paused else "its image trigger is not automatic"
    return [
        result(f"Built, not deployed: {why}  (build {build})"),
        detail(f"Deploy it with: paas rollout latest {config} -n {namespace}"),
    ]


# -- words that `paas status` uses, too ------------------------------------------------------------
def problem_text(found: PodProblem) -> str:
    """What keeps a pod: Kubernetes' word for it, and what that means: `CrashLoopBackOff: exit code 1`."""
    code = found.exit.code if found.exit is not None else None
    return cause_text(found.reason, found.message, code, out_of_memory=found.out_of_memory)


def cause_text(reason: str, message: str, exit_code: int | None, *, out_of_memory: bool) -> str:
    """The same of its parts."""
    if out_of_memory:
        why = "out of memory (OOMKilled); raise resources.limits.memory"
    elif exit_code is not None:
        why = f"exit code {exit_code}"
    else:
        why = shorten(message, 300)
    return f"{reason}: {why}" if why else reason


def ready_text(ready: int, wanted: int) -> str:
    """`1/3 ready` of a revision's pods."""
    return f"{ready}/{wanted} ready"


def serving_text(serving: int | None) -> str:
    """What still answers after a failure."""
    return f"Revision {serving} keeps serving." if serving else "Nothing serves yet."


def log_line(text: str, container: str) -> str | None:
    """A line of a build's log as a pusher sees it, or None for what only Kaniko's authors want to know.

    `fetch` lays its lines out itself; a RUN step that did so would not be believed.
    """
    text = text.rstrip("\r").rpartition("\r")[2]  # of a bar that is drawn again and again, the last state
    if container == FETCH and is_laid_out(text):
        return one_line(text)
    said = kaniko.readable(text)
    return detail(said) if said is not None else None
