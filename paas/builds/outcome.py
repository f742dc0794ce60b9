"""From a build's Job and pod to what became of it. Pure.

    UnderWay    it goes on
    Succeeded   Kaniko ended well and claims a digest; it counts only once the registry confirms it
    Failed      the build was carried out and failed, or can never be: doing it again would not help
    Lost        its node or pod was taken away, or a part of the platform was away: the registry may have the
                image, else it runs again once

Messages say what happened, why, and what to do next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from paas.api.build import Phase
from paas.api.names import Reason
from paas.api.resources import Manifest
from paas.builds import executor, log
from paas.builds.executor import Ending, Kind
from paas.builds.job import CONTEXT, FETCH, KANIKO
from paas.builds.unreachable import TOKENS, unreachable
from paas.fetch.request import SOURCE, FetchReport
from paas.kube import pods
from paas.kube.pods import Exit, Trouble
from paas.reconcile.conditions import parse_time
from paas.reconcile.refusal import Refusal
from paas.reconcile.status import explained

UNREACHABLE_NODE: Final = timedelta(seconds=60)
"""How long after its grace period a deleted pod may still be there before its node counts as lost."""
NO_POD_RECHECK: Final = 5.0
"""Seconds after which to look why a Job has no pod yet: the Job controller says it by an Event only."""
REFUSED_RECHECK: Final = 15.0
"""Seconds between looks at what it says."""
_LOST_REASONS: Final = {
    "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "NodeAffinity",
    "UnexpectedAdmissionError", "OutOfcpu", "OutOfmemory", "OutOfephemeral-storage", "OutOfpods",
}  # fmt: skip
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_KILLED_STEP: Final = 137
"""A shell's exit code for a command that SIGKILL ended."""
MORE_MEMORY: Final = (
    "as a rule it needs more memory than the limit: raise spec.resources.limits.memory of the BuildConfig"
)
ERROR_WIDTH: Final = 300
"""Characters of the executor's error in a message; the log has the rest."""


@dataclass(frozen=True)
class UnderWay:
    """The build goes on. `recheck`: seconds after which to look again though nothing changed."""

    phase: Phase
    reason: Reason
    message: str
    started: str | None = None
    recheck: float | None = None
    blocked: str | None = None
    """What a person has to do, or it does not go on; the message says why."""


@dataclass(frozen=True)
class Succeeded:
    """The pod ended well. `digest` is what it claims, None when the pod is gone."""

    digest: str | None
    finished: str | None


@dataclass(frozen=True)
class Failed:
    """The build failed for good."""

    reason: Reason
    message: str
    snippet: str | None = None
    finished: str | None = None
    more_in_log: bool = False
    """The log says more than the message does; whoever shows the message names the command."""
    again: str | None = None
    """That another Build may help, in words that the command which starts one follows."""


@dataclass(frozen=True)
class Lost:
    """The pod was taken away before it ended by itself."""

    reason: Reason
    message: str
    """What happened; whether the build is run again depends on the Build."""
    finished: str | None = None


Verdict = UnderWay | Succeeded | Failed | Lost


def assess(
    *,
    job: Manifest | None,
    pod: Manifest | None,
    tail: str | None,
    now: datetime,
    runtimes: tuple[str, ...] = (),
    refusal: Refusal | None = None,
) -> Verdict:
    """What became of a Build whose Job was created. `tail` is the end of the failed container's
    log where it could be read; `runtimes` are the platform's runtime images, for the hint about bases;
    `refusal` is why the Job controller cannot make the pod."""
    if pod is not None:
        return _of_pod(pod, tail, now, runtimes)
    if job is None:
        return Lost(Reason.BUILD_POD_DELETED, "the Job of the build was deleted while it ran")
    state = job_state(job)
    if state == "Complete":
        return Succeeded(None, (job.get("status") or {}).get("completionTime"))
    if state == "DeadlineExceeded":
        return Failed(
            Reason.DEADLINE_EXCEEDED,
            "no pod of the build could start in time; see why with: kubectl describe job "
            f"{job['metadata']['name']} -n {job['metadata']['namespace']}",
            again="then start another build",
        )
    if state is not None:
        return Lost(Reason.BUILD_POD_DELETED, "the pod of the build was deleted while it ran")
    if refusal is not None:
        why, hint = explained(refusal, namespace=job["metadata"]["namespace"])
        return UnderWay(
            Phase.PENDING, Reason.CANNOT_CREATE_BUILD_POD, why, recheck=REFUSED_RECHECK, blocked=hint
        )
    return UnderWay(
        Phase.PENDING, Reason.BUILD_PENDING, "the pod of the build is being made; if that lasts, see: "
        f"kubectl describe job {job['metadata']['name']} -n {job['metadata']['namespace']}",
        recheck=NO_POD_RECHECK,
    )  # fmt: skip


def job_state(job: Mapping[str, Any]) -> str | None:
    """'Complete', or why the Job failed ('DeadlineExceeded', …); None while it is active."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True":
            if condition["type"] in ("Complete", "SuccessCriteriaMet"):
                return "Complete"
            if condition["type"] in ("Failed", "FailureTarget"):
                return str(condition.get("reason") or "Failed")
    return None


def report_of(pod: Mapping[str, Any] | None) -> FetchReport | None:
    """What `fetch` reported, once it has ended."""
    ended = _ended(pod, FETCH)
    try:
        return FetchReport.from_json(ended.message if ended else "")
    except (ValueError, TypeError):
        return None


def failed_container(pod: Mapping[str, Any]) -> str | None:
    """The container that ended badly, whose log is worth reading."""
    for container in (FETCH, KANIKO):
        ended = _ended(pod, container)
        if ended is not None and ended.code != 0:
            return container
    return None


def _of_pod(pod: Manifest, tail: str | None, now: datetime, runtimes: tuple[str, ...]) -> Verdict:
    status = pod.get("status") or {}
    fetch, kaniko = _ended(pod, FETCH), _ended(pod, KANIKO)
    if kaniko is not None and kaniko.code == 0:
        claimed = _DIGEST.search(kaniko.message)
        return Succeeded(claimed.group(0) if claimed else None, kaniko.finished)
    taken = _taken_away(pod)
    if taken is not None:
        return taken
    for ended in (fetch, kaniko):
        if ended is not None and ended.reason == pods.OUT_OF_MEMORY:
            return _out_of_memory(tail, ended)
    if fetch is not None and fetch.code != 0:
        return _fetch_failed(pod, fetch, tail)
    if kaniko is not None:
        return _kaniko_failed(kaniko, tail, runtimes)
    if status.get("phase") == "Failed":
        why = status.get("message") or status.get("reason") or "its node does not say why"
        return Lost(Reason.BUILD_POD_DELETED, f"the pod of the build ended before it ran ({why})")
    deleted = pod["metadata"].get("deletionTimestamp")
    if deleted:
        left = (parse_time(deleted) + UNREACHABLE_NODE - now).total_seconds()
        if left <= 0:
            return Lost(Reason.BUILD_POD_DELETED, "the node of the build's pod is gone")
        return UnderWay(
            Phase.RUNNING, Reason.BUILD_RUNNING, "the pod of the build is being deleted", recheck=left
        )
    return _still_running(pod)


def _taken_away(pod: Manifest) -> Verdict | None:
    status = pod.get("status") or {}
    reason, said = status.get("reason") or "", status.get("message") or ""
    if reason == "DeadlineExceeded":
        return Failed(
            Reason.DEADLINE_EXCEEDED,
            "the build took longer than its deadline; raise spec.completionDeadlineSeconds of the "
            "BuildConfig, or see in its log what takes so long",
            more_in_log=True,
        )
    if reason == pods.EVICTED and re.search(r"exceed", said, re.IGNORECASE):
        return Failed(
            Reason.BUILD_POD_EVICTED,
            f"the build used more than its limit ({said.strip().rstrip('.')}); raise "
            "spec.resources.limits of the BuildConfig (ephemeral-storage or memory)",
        )
    if reason == pods.EVICTED:
        return Lost(
            Reason.BUILD_POD_EVICTED,
            f"the node evicted the pod of the build ({said.strip().rstrip('.') or 'no reason given'})",
        )
    disrupted = pods.condition(pod, "DisruptionTarget").get("status") == "True"
    if status.get("phase") == "Failed" and (disrupted or reason in _LOST_REASONS):
        return Lost(
            Reason.BUILD_POD_DELETED,
            f"the pod of the build was taken away ({reason or 'disruption'})",
        )
    return None


def _out_of_memory(tail: str | None, ended: Exit) -> Failed:
    return Failed(
        Reason.OUT_OF_MEMORY_KILLED,
        "the build needed more memory than its limit; raise spec.resources.limits.memory of the "
        "BuildConfig, or see in its log what needs so much",
        log.snippet(tail),
        ended.finished,
        more_in_log=True,
    )


def _fetch_failed(pod: Manifest, ended: Exit, tail: str | None) -> Verdict:
    report = report_of(pod)
    if report is not None and report.message:
        known = set(Reason)
        reason = Reason(report.reason) if report.reason in known else Reason.FETCH_SOURCE_FAILED
        return Failed(reason, report.message, None, ended.finished)
    if ended.reason == "ContainerStatusUnknown" or ended.code in executor.KILLED:
        return Lost(Reason.BUILD_POD_DELETED, "fetching the source was stopped from outside")
    return Failed(
        Reason.FETCH_SOURCE_FAILED,
        "the source could not be fetched",
        log.snippet(tail or ended.message),
        ended.finished,
        more_in_log=True,
    )


def _kaniko_failed(ended: Exit, tail: str | None, runtimes: tuple[str, ...]) -> Verdict:
    # A digest in the termination message proves nothing: each layer that went to the cache leaves one.
    said = "" if _DIGEST.fullmatch(ended.message.strip()) else ended.message
    text, finished = tail or said, ended.finished
    known = ended.reason != "ContainerStatusUnknown"
    ending = executor.ending(text, ended.code, context=f"{CONTEXT}/{SOURCE}") if known else None
    if ending is not None and _platform_was_away(ending, runtimes):
        return Lost(
            Reason.PLATFORM_UNREACHABLE,
            f"a part of the platform did not answer during the build ({ending.text[:ERROR_WIDTH]})",
            finished,
        )
    if ending is not None:
        return replace(_why(ending, text, runtimes), snippet=log.snippet(text), finished=finished)
    if not known or ended.code in executor.KILLED:
        return Lost(
            Reason.BUILD_POD_DELETED,
            f"the build was stopped from outside (exit code {ended.code})",
            finished,
        )
    silent = "and does not say why" if text.strip() else "and its log cannot be read"
    return Failed(
        Reason.GENERIC_BUILD_FAILED,
        f"the build failed with exit code {ended.code} {silent}",
        log.snippet(text),
        finished,
        more_in_log=True,
        again="try again",
    )


def _platform_was_away(ending: Ending, runtimes: tuple[str, ...]) -> bool:
    """Whether the executor gave up because the registry or its tokens did not answer. A push goes to the
    platform's registry alone, and so does the cache; a base image may come from anywhere."""
    if ending.kind in (Kind.PUSH, Kind.CACHE):
        return unreachable(ending.text)
    if ending.kind is Kind.BASE_IMAGE:
        own = {image.partition("/")[0] for image in runtimes}
        return unreachable(ending.text, (TOKENS, *sorted(own)))
    return False


def _why(ending: Ending, text: str, runtimes: tuple[str, ...]) -> Failed:
    """What the way in which the executor ended means; `text` is the end of its log, for names only."""
    short = ending.text[:ERROR_WIDTH]
    match ending.kind:
        case Kind.PUSH:
            return Failed(
                Reason.PUSH_IMAGE_FAILED,
                f"the image could not be pushed to the platform's registry ({short})",
                again="when the registry is well again, start another build",
            )
        case Kind.DOCKERFILE:
            return Failed(
                Reason.DOCKERFILE_PARSE_ERROR,
                f"the Dockerfile cannot be read: {short}; correct it and push again",
            )
        case Kind.BASE_IMAGE:
            image = log.base_image(text) or "of the Dockerfile"
            exist = f" (the platform has {', '.join(runtimes)})" if runtimes else ""
            return Failed(
                Reason.BASE_IMAGE_NOT_FOUND,
                f"the base image {image} cannot be pulled: {short}; start FROM one that this cluster can "
                f"reach{exist} and push again",
            )
        case Kind.START | Kind.CRASH:
            return Failed(
                Reason.GENERIC_BUILD_FAILED,
                f"the platform's image builder stopped by itself: {short}",
                more_in_log=True,
                again="try again",
            )
        case Kind.BUILD:
            return Failed(Reason.DOCKER_BUILD_FAILED, f"the build failed: {short}", more_in_log=True)
        case _:
            return _step_failed(ending, short, log.last_instruction(text))


def _step_failed(ending: Ending, short: str, step: str | None) -> Failed:
    what = repr(step) if step else "a step of the Dockerfile"
    reason, hint, in_log = Reason.DOCKER_BUILD_FAILED, "", True
    match ending.kind:
        case Kind.COPY:
            message, in_log = f"the Dockerfile copies {ending.detail!r}, which is not in the source", False
            hint = (
                "commit it (.gitignore and .dockerignore leave files out) or correct the Dockerfile, "
                "and push again"
            )
        case Kind.STEP if ending.code == _KILLED_STEP:
            reason, hint = Reason.OUT_OF_MEMORY_KILLED, MORE_MEMORY
            message = f"{what} was killed (exit code {ending.code})"
        case Kind.STEP_KILLED if ending.detail == "killed":
            reason, message, hint = Reason.OUT_OF_MEMORY_KILLED, f"{what} was killed", MORE_MEMORY
        case Kind.STEP:
            message = f"{what} failed (exit code {ending.code})"
        case Kind.STEP_KILLED:
            message = f"{what} was ended by a signal ({ending.detail})"
        case Kind.SPACE:
            message = f"{what} needs more disk than there is ({short})"
            hint = "raise spec.resources.limits.ephemeral-storage of the BuildConfig, or make less"
        case Kind.CACHE:
            message = f"the cached layer of {what} cannot be read ({short})"
            hint = "build without it: set spec.strategy.dockerStrategy.noCache of the BuildConfig"
        case _:
            message = f"{what} failed ({short})"
    return Failed(reason, f"{message}; {hint}" if hint else message, more_in_log=in_log)


def _still_running(pod: Manifest) -> UnderWay:
    problem = pods.why_not_running(pod)
    started = [container for container in pods.containers(pod) if container.started]
    if problem is not None and problem.container is not None and problem.cannot_pull:
        return UnderWay(
            Phase.PENDING,
            Reason.BUILDER_IMAGE_PULL_FAILED,
            f"the node cannot pull {problem.container.image or problem.container.name} "
            f"({problem.message or problem.reason}); it keeps trying, see: paas doctor",
        )
    if problem is not None and problem.reason == "CreateContainerConfigError":
        return UnderWay(
            Phase.PENDING,
            Reason.CANNOT_CREATE_BUILD_POD,
            f"{problem.message or 'the container cannot be made'}; create what is missing and the "
            "build goes on",
        )
    if started:
        return UnderWay(
            Phase.RUNNING, Reason.BUILD_RUNNING, "the build runs", (pod.get("status") or {}).get("startTime")
        )
    if problem is not None and problem.trouble is Trouble.NOT_SCHEDULED:
        return UnderWay(
            Phase.PENDING,
            Reason.BUILD_PENDING,
            f"no node can take the pod yet: {problem.message or problem.reason}; it starts when one can",
        )
    return UnderWay(Phase.PENDING, Reason.BUILD_PENDING, "the pod of the build is starting")


def _ended(pod: Mapping[str, Any] | None, name: str) -> Exit | None:
    found = pods.container(pod, name)
    return found.ended if found is not None else None
