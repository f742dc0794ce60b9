"""The Deployment as it is written, and what it and its pods say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from paas.api.resources import Manifest
from paas.deployments import workload
from paas.deployments.workload import Progress
from paas.reconcile import meta
from tests.deployments.fake_cluster import FakeCluster, digest, template


def made(**spec: Any) -> Manifest:
    cluster = FakeCluster(**spec).image("a").go()
    assert cluster.deployment is not None
    return cluster.deployment


def test_the_deployment_is_exactly_this() -> None:
    pods = template(env="x")
    pods["metadata"]["annotations"] = {"note": "kept"}
    found = made(
        template=pods,
        selector={"app": "shop"},
        minReadySeconds=3,
        revisionHistoryLimit=4,
        strategy={
            "type": "Rolling",
            "rollingParams": {"maxSurge": 1, "maxUnavailable": 0, "timeoutSeconds": 120},
        },
    )
    assert found["metadata"]["ownerReferences"][0]["uid"] == "dc"
    assert found["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "paas",
        "app.kubernetes.io/name": "shop",
        "app.kubernetes.io/part-of": "shop",
        "paas.dev/deploymentconfig": "shop",
    }
    assert found["spec"] == {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {
                "annotations": {"note": "kept"},
                "labels": {"app": "shop", "paas.dev/deploymentconfig": "shop", "paas.dev/revision": "1"},
            },
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": f"registry/demo/shop@{digest('a')}",
                        "env": [{"name": "LEVEL", "value": "x"}],
                        "terminationMessagePath": "/dev/termination-log",  # the API server's
                    }
                ],
                "restartPolicy": "Always",  # the API server's
            },
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "minReadySeconds": 3,
        "revisionHistoryLimit": 4,
        "progressDeadlineSeconds": 120,
        "paused": False,
    }


def test_openshifts_defaults() -> None:
    spec = made()["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert (spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (600, 10)
    assert spec["selector"] == {"matchLabels": {"paas.dev/deploymentconfig": "shop"}}


def reported(
    *, generation: int = 2, observed: int = 2, condition: Manifest | None = None, **counts: int
) -> Manifest:
    live = meta.desired(wanted())
    live["metadata"]["generation"] = generation
    live["status"] = {
        "observedGeneration": observed,
        "conditions": [condition] if condition else [],
        **counts,
    }
    return live


def wanted(replicas: int = 2, revision: str = "7") -> Manifest:
    labels = {"paas.dev/revision": revision}
    return {"metadata": {}, "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}}}}


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (None, Progress.ABSENT),
        (wanted(), Progress.ABSENT),
        (reported(observed=1, **DONE), Progress.UNOBSERVED),
        (reported(**DONE), Progress.COMPLETE),
        (reported(**DONE, condition=LATE), Progress.COMPLETE),
        (reported(**{**DONE, "replicas": 3}), Progress.RUNNING),
        (reported(**{**DONE, "updatedReplicas": 1}), Progress.RUNNING),
        (reported(**{**DONE, "availableReplicas": 1}), Progress.RUNNING),
        (reported(condition=LATE), Progress.TIMED_OUT),
        (reported(condition={**LATE, "reason": "ReplicaSetUpdated"}), Progress.RUNNING),
        (reported(condition={**LATE, "status": "True"}), Progress.RUNNING),
    ],
)
def test_progress(live: Manifest | None, expected: Progress) -> None:
    assert workload.progress(live, wanted()) == expected


@pytest.mark.guard(
    workload, "if not noted(live, wanted) or revision_of(live) != revision_of(wanted):", "if False:"
)
def test_progress_is_about_this_revision_and_these_replicas_alone() -> None:
    live = reported(**DONE)
    assert workload.progress(live, wanted(replicas=3)) == Progress.ABSENT
    assert workload.progress(live, wanted(revision="8")) == Progress.ABSENT
    live["spec"] = wanted(revision="6")["spec"]  # somebody changed the label by hand
    assert workload.progress(live, wanted()) == Progress.ABSENT


def container(name: str = "web", *, ready: bool = False, **state: Any) -> Manifest:
    return {"name": name, "ready": ready, **state}


def waiting(reason: str, message: str = "", **more: Any) -> Manifest:
    return container(state={"waiting": {"reason": reason, "message": message}}, **more)


def pod(*statuses: Manifest, name: str = "p", **status: Any) -> Manifest:
    spec = {"containers": [{"name": "web", "readinessProbe": {"httpGet": {}}}, {"name": "side"}]}
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {"containerStatuses": list(statuses), **status},
    }


CRASHED = {
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "trace\nKeyError: 'DB'\n"}}
}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}


@pytest.mark.parametrize(
    ("pods", "reason", "expected"),
    [
        ([], None, None),
        ([pod()], None, None),
        ([pod(container(ready=True, state={"running": {}}))], None, None),
        ([pod(waiting("ContainerCreating"))], None, None),
        ([pod(container(state={"terminated": {"exitCode": 0}}))], None, None),
        (
            [pod(waiting("ErrImagePull", "not found\nmore"))],
            "ErrImagePull",
            "pod p: container web: ErrImagePull: not found",
        ),
        ([pod(waiting("InvalidImageName"))], "InvalidImageName", "pod p: container web: InvalidImageName"),
        (
            [pod(waiting("CrashLoopBackOff", "back-off 10s", **CRASHED))],
            "CrashLoopBackOff",
            "pod p: container web: CrashLoopBackOff: exit code 1: KeyError: 'DB'",
        ),
        ([pod(container(state=KILLED))], "OOMKilled", "pod p: container web: OOMKilled, exit code 137"),
        (
            [pod(container(state={"running": {}}, restartCount=3, **CRASHED))],
            "Error",
            "pod p: container web was restarted 3 times: exit code 1: KeyError: 'DB'",
        ),
        (
            [pod(container(state={"running": {}}))],
            "ContainersNotReady",
            "pod p: container web runs, but its readiness probe fails",
        ),
        (
            [pod(container("side", state={"running": {}}))],
            "ContainersNotReady",
            "pod p: container side runs, but it is not ready",
        ),
        (
            [pod(initContainerStatuses=[container("init", state=KILLED)])],
            "OOMKilled",
            "pod p: container init: OOMKilled, exit code 137",
        ),
        (
            [
                pod(
                    conditions=[
                        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too small"}
                    ]
                )
            ],
            "Unschedulable",
            "pod p: not scheduled: 0/1 nodes: too small",
        ),
        ([pod(conditions=[{"type": "Ready", "status": "False"}])], None, None),
        ([pod(reason="Evicted", message="low on disk")], "Evicted", "pod p: evicted: low on disk"),
        (
            [pod(name="a"), pod(waiting("X"), name="c"), pod(waiting("Y"), name="b")],
            "Y",
            "pod b: container web: Y",
        ),
    ],
)
def test_why_pods_do_not_become_ready(pods: list[Manifest], reason: str | None, expected: str | None) -> None:
    found = workload.problem(None, pods)
    assert (found and found.message) == expected
    assert (found and found.reason) == reason


def test_pods_that_cannot_even_be_made() -> None:
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "shop-7d9f-x2b4" is forbidden: exceeded quota: small',
    }
    about = {"name": "shop", "namespace": "demo", "uid": "u"}
    live = {"metadata": about, "status": {"conditions": [failure]}}
    found = workload.problem(live, [pod(waiting("X"))])
    assert found is not None
    assert found.message == (
        "the cluster refuses Pod shop: exceeded quota: small; free some of the quota or raise it"
        " (kubectl describe quota -n demo)"
    )
    assert found.reason == "FailedCreate"
