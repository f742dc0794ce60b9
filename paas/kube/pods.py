"""Why a pod does not run or does not become ready: what the scheduler and the kubelet wrote into it, as data.

Nothing here makes sentences: each reader of a PodProblem says it in its own words. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of containers that are just being started: no problem."""
CANNOT_PULL: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
"""Waiting reasons of containers whose image the node cannot get."""
NOT_READY: Final = "ContainersNotReady"
"""Kubernetes' reason of a pod whose containers run and are not ready."""
CRASH_LOOP: Final = "CrashLoopBackOff"
LOST: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
NOT_STARTED: Final = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons of an end: the container runtime could not start the container. What it was to run says nothing
then: the exit code (128) is the runtime's."""
"""Exit reasons of containers that the node lost track of, as when it was started again: not their own end."""
OUT_OF_MEMORY: Final = "OOMKilled"
EVICTED: Final = "Evicted"


@dataclass(frozen=True)
class Exit:
    """How a container ended. `message` is its termination message."""

    code: int
    reason: str = ""
    message: str = ""
    finished: str | None = None


@dataclass(frozen=True)
class Waiting:
    """Why a container has not started (again), in the kubelet's words."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Container:
    """A container or init container as the kubelet reports it: running, or waiting, or ended.

    `run` is the id of what runs or ran last: a container that was started again has another one.
    `before` is how the run before this one ended.
    """

    name: str
    run: str = ""
    image: str = ""
    running: bool = False
    ready: bool = False
    restarts: int = 0
    since: str | None = None
    """When it was started, while it runs."""
    waiting: Waiting | None = None
    ended: Exit | None = None
    before: Exit | None = None

    @property
    def started(self) -> bool:
        """Whether it has a log: it runs, or it has ended."""
        return self.running or self.ended is not None

    @property
    def has_run(self) -> bool:
        """Whether it has the log of any run, also while it waits to be started again."""
        return self.started or self.before is not None


class Trouble(StrEnum):
    """What keeps a pod."""

    FAILED = "Failed"  # the whole pod ended: evicted, refused by its node, its node shut down
    NOT_SCHEDULED = "NotScheduled"
    WAITING = "Waiting"  # a container cannot start, or is held back after crashes
    ENDED = "Ended"  # a container ended badly
    RESTARTED = "Restarted"  # a container runs again after it ended, and is not ready
    NOT_READY = "NotReady"  # a container runs, and its readiness probe fails


@dataclass(frozen=True)
class PodProblem:
    """Why a pod does not run or does not become ready.

    `reason` is Kubernetes' own word (Unschedulable, ImagePullBackOff, OOMKilled, Evicted), `message` what
    the scheduler or the kubelet says about it. `container` has the one that it is about, `exit` how that
    one ended last, where it did.
    """

    pod: str
    trouble: Trouble
    reason: str
    message: str = ""
    container: Container | None = None
    exit: Exit | None = None
    probed: bool = False
    """Whether the container has a readiness probe."""
    port: int | None = None
    """Where that one asks, when it asks a port."""

    @property
    def cannot_pull(self) -> bool:
        """Whether the node cannot get the image."""
        return self.trouble is Trouble.WAITING and self.reason in CANNOT_PULL

    @property
    def crashed(self) -> bool:
        """Whether the container was started and ended by itself or was killed: its log says more."""
        return self.exit is not None

    @property
    def out_of_memory(self) -> bool:
        return self.exit is not None and self.exit.reason == OUT_OF_MEMORY


def problems(pod: Mapping[str, Any]) -> Iterator[PodProblem]:
    """Everything that keeps the pod, what explains most first."""
    name = str((pod.get("metadata") or {}).get("name") or "")
    status = pod.get("status") or {}
    whole_pod = str(status.get("reason") or "")
    if whole_pod:
        yield PodProblem(name, Trouble.FAILED, whole_pod, str(status.get("message") or ""))
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        reason = str(scheduled.get("reason") or "Unschedulable")
        yield PodProblem(name, Trouble.NOT_SCHEDULED, reason, str(scheduled.get("message") or ""))
    found = containers(pod)
    for container in found:
        if (problem := _of_container(name, container)) is not None:
            yield problem
    if status.get("phase") == "Failed" and not whole_pod:
        yield PodProblem(name, Trouble.FAILED, "Failed", str(status.get("message") or ""))
    spec = (pod.get("spec") or {}).get("containers") or ()
    specs = {str(each["name"]): each for each in spec}
    for container in found:
        if container.running and not container.ready and container.name in specs:
            probed = specs[container.name]
            yield PodProblem(
                name, Trouble.NOT_READY, NOT_READY, container=container, exit=container.before,
                probed=bool(probed.get("readinessProbe")), port=_asked(probed),
            )  # fmt: skip


def _asked(spec: Mapping[str, Any]) -> int | None:
    """The port that a container's readiness probe asks; a name is looked up among its ports."""
    probe = spec.get("readinessProbe") or {}
    port = (probe.get("tcpSocket") or probe.get("httpGet") or probe.get("grpc") or {}).get("port")
    if isinstance(port, str) and not port.isdecimal():
        named = (each.get("containerPort") for each in spec.get("ports") or () if each.get("name") == port)
        port = next(named, None)
    return int(port) if port is not None else None


def _of_container(pod: str, container: Container) -> PodProblem | None:
    waiting, ended, before = container.waiting, container.ended, container.before
    if waiting is not None and waiting.reason and waiting.reason not in STARTING:
        # of a crash loop the exit says more than the kubelet's "back-off 10s restarting"
        crash = before if waiting.reason == CRASH_LOOP else None
        return PodProblem(pod, Trouble.WAITING, waiting.reason, waiting.message, container, crash)
    if ended is not None and ended.code != 0:
        return PodProblem(pod, Trouble.ENDED, ended.reason or "Error", ended.message, container, ended)
    if before is not None and not container.ready:
        return PodProblem(pod, Trouble.RESTARTED, before.reason or "Error", before.message, container, before)
    return None


def crashes(pod: Mapping[str, Any]) -> Iterator[PodProblem]:
    """Containers that ended by themselves or were killed though the pod goes on, also those that run again
    since. Nothing of a pod that is taken away or was lost with its node, and not that an init container is
    done."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if metadata.get("deletionTimestamp") or status.get("reason"):
        return
    name = str(metadata.get("name") or "")
    steps = {each.get("name") for each in status.get("initContainerStatuses") or ()}
    for found in containers(pod):
        done = found.name in steps
        exit_ = next((e for e in (found.ended, found.before) if e is not None and (e.code or not done)), None)
        if exit_ is None or exit_.reason in LOST:
            continue
        trouble = Trouble.ENDED if exit_ is found.ended else Trouble.RESTARTED
        yield PodProblem(name, trouble, exit_.reason or "Error", exit_.message, found, exit_)


def why_not_running(pod: Mapping[str, Any]) -> PodProblem | None:
    """What keeps the pod from running; None when nothing does, also when it runs and is not ready."""
    quiet = (Trouble.RESTARTED, Trouble.NOT_READY)
    return next((problem for problem in problems(pod) if problem.trouble not in quiet), None)


def why_not_ready(pod: Mapping[str, Any]) -> PodProblem | None:
    """What keeps the pod from becoming ready, as far as it can be seen."""
    return next(problems(pod), None)


def containers(pod: Mapping[str, Any]) -> list[Container]:
    """What the kubelet reports of the pod's containers, init containers first; empty before it does."""
    status = pod.get("status") or {}
    reported = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return [_container(each) for each in reported]


def container(pod: Mapping[str, Any] | None, name: str) -> Container | None:
    """What the kubelet reports of one container."""
    return next((each for each in containers(pod or {}) if each.name == name), None)


def _container(reported: Mapping[str, Any]) -> Container:
    state = reported.get("state") or {}
    waiting = state.get("waiting")
    return Container(
        name=str(reported.get("name") or ""),
        run=str(reported.get("containerID") or ""),
        image=str(reported.get("image") or ""),
        running="running" in state,
        since=(state.get("running") or {}).get("startedAt"),
        ready=bool(reported.get("ready")),
        restarts=int(reported.get("restartCount") or 0),
        waiting=Waiting(str(waiting.get("reason") or ""), str(waiting.get("message") or ""))
        if waiting
        else None,
        ended=_exit(state.get("terminated")),
        before=_exit((reported.get("lastState") or {}).get("terminated")),
    )


def _exit(terminated: Mapping[str, Any] | None) -> Exit | None:
    if not terminated:
        return None
    return Exit(
        code=int(terminated.get("exitCode") or 0),
        reason=str(terminated.get("reason") or ""),
        message=str(terminated.get("message") or ""),
        finished=terminated.get("finishedAt"),
    )


def condition(pod: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """A condition of the pod; empty when it has none of this type."""
    for found in (pod.get("status") or {}).get("conditions") or ():
        if found.get("type") == type_:
            return found  # type: ignore[no-any-return]
    return {}


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod is ready to be sent requests."""
    return condition(pod, "Ready").get("status") == "True"


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether all of its containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
