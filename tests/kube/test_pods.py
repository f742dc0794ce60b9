"""Why a pod does not run or is not ready: the same data for builds, rollouts and `paas status`."""

from __future__ import annotations

from typing import Any

import pytest

from paas.kube import pods
from paas.kube.pods import Exit, Trouble

CRASHED = {"terminated": {"exitCode": 3, "reason": "Error", "message": "KeyError", "finishedAt": "t"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


def pod(*containers: dict[str, Any], probe: bool = False, **status: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", **({"readinessProbe": {"httpGet": {}}} if probe else {})}]}
    reported = [{"name": "web", "ready": False, **container} for container in containers]
    return {
        "metadata": {"name": "p"},
        "spec": spec,
        "status": {"containerStatuses": reported, **status} if reported else status,
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}


@pytest.mark.parametrize(
    ("manifest", "trouble", "reason", "message", "exit_"),
    [
        (pod(reason="Evicted", message="disk"), Trouble.FAILED, "Evicted", "disk", None),
        (pod(phase="Failed"), Trouble.FAILED, "Failed", "", None),
        (pod(conditions=[UNSCHEDULED]), Trouble.NOT_SCHEDULED, "Unschedulable", "0/1 nodes", None),
        (pod(waiting("ErrImagePull", "no such")), Trouble.WAITING, "ErrImagePull", "no such", None),
        (
            pod(waiting("CrashLoopBackOff", "back-off 10s", lastState=CRASHED)),
            Trouble.WAITING, "CrashLoopBackOff", "back-off 10s", Exit(3, "Error", "KeyError", "t"),
        ),
        (
            pod(waiting("ImagePullBackOff", "no such", lastState=CRASHED)),
            Trouble.WAITING, "ImagePullBackOff", "no such", None,
        ),
        (pod({"state": KILLED}), Trouble.ENDED, "OOMKilled", "", Exit(137, "OOMKilled")),
        (
            pod({"state": {"running": {}}, "lastState": CRASHED, "restartCount": 2}),
            Trouble.RESTARTED, "Error", "KeyError", Exit(3, "Error", "KeyError", "t"),
        ),
        (pod({"state": {"running": {}}}), Trouble.NOT_READY, "ContainersNotReady", "", None),
    ],
)  # fmt: skip
def test_what_keeps_a_pod(
    manifest: dict[str, Any], trouble: Trouble, reason: str, message: str, exit_: Exit | None
) -> None:
    found = pods.why_not_ready(manifest)
    assert found is not None
    assert (found.pod, found.trouble, found.reason, found.message) == ("p", trouble, reason, message)
    assert found.exit == exit_
    runs = trouble in (Trouble.RESTARTED, Trouble.NOT_READY)
    assert pods.why_not_running(manifest) == (None if runs else found)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        pod(),
        pod(waiting("ContainerCreating")),
        pod({"state": {"running": {}}, "ready": True}),
        pod({"state": {"running": {}}, "ready": True, "lastState": CRASHED}),
        pod({"state": {"terminated": {"exitCode": 0}}}),
    ],
)
def test_pods_that_nothing_keeps(manifest: dict[str, Any]) -> None:
    assert pods.why_not_ready(manifest) is None


def test_an_evicted_pod_says_so_before_its_killed_container() -> None:
    found = list(pods.problems(pod({"state": KILLED}, reason="Evicted", phase="Failed")))
    assert [problem.trouble for problem in found] == [Trouble.FAILED, Trouble.ENDED]


def test_what_kind_of_problem_it_is() -> None:
    pull = pods.why_not_ready(pod(waiting("ImagePullBackOff")))
    killed = pods.why_not_ready(pod({"state": KILLED}))
    slow = pods.why_not_ready(pod({"state": {"running": {}}}, probe=True))
    assert pull is not None
    assert killed is not None
    assert slow is not None
    assert (pull.cannot_pull, pull.crashed, pull.out_of_memory) == (True, False, False)
    assert (killed.cannot_pull, killed.crashed, killed.out_of_memory) == (False, True, True)
    assert slow.probed


def test_containers_that_have_a_log() -> None:
    manifest = pod(waiting("ContainerCreating"))
    manifest["status"]["initContainerStatuses"] = [
        {"name": "fetch", "containerID": "x", "state": {"terminated": {"exitCode": 0}}}
    ]
    assert [(c.name, c.run, c.started) for c in pods.containers(manifest)] == [
        ("fetch", "x", True),
        ("web", "", False),
    ]
    assert pods.container(manifest, "fetch").ended == Exit(0)  # type: ignore[union-attr]
    assert pods.container(None, "fetch") is None
