"""From a build's Job and pod to the verdict on the build. Pure.

What an end of Kaniko by itself means is in `executor_verdict`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from paas.api.build import Phase
from paas.api.names import Reason
from paas.api.resources import Manifest
from paas.builds import executor, log
from paas.builds.executor_verdict import DIGEST, ERROR_WIDTH, kaniko_failed
from paas.builds.job import FETCH, KANIKO
from paas.builds.verdict import Failed, Lost, Succeeded, UnderWay, Verdict
from paas.fetch.request import FetchReport
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
        claimed = DIGEST.search(kaniko.message)
        return Succeeded(claimed.group(0) if claimed else None, kaniko.finished)
    taken = _taken_away(pod)
    if taken is not None:
        return taken
    for ended in (fetch, kaniko):
        if ended is not None and ended.reason == pods.OUT_OF_MEMORY:
            return _out_of_memory(tail, ended)
        if ended is not None and ended.reason in pods.LOST | pods.NOT_STARTED:
            # both commands are the platform's own, so it is never the source that cannot be started
            why = ended.message.strip().partition("\n")[0][:ERROR_WIDTH] or ended.reason
            return Lost(
                Reason.BUILD_POD_DELETED, f"the node did not run the build to its end ({why})", ended.finished
            )
    if fetch is not None and fetch.code != 0:
        return _fetch_failed(pod, fetch, tail)
    if kaniko is not None:
        return kaniko_failed(kaniko, tail, runtimes)
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
    if ended.code in executor.KILLED:
        return Lost(Reason.BUILD_POD_DELETED, "fetching the source was stopped from outside")
    return Failed(
        Reason.FETCH_SOURCE_FAILED,
        "the source could not be fetched",
        log.snippet(tail or ended.message),
        ended.finished,
        more_in_log=True,
    )


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
