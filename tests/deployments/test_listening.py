"""An application that runs and does not answer: what was seen, and what to change, within 20 seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from paas.deployments import listening
from paas.deployments.judgement import LogSource
from paas.reconcile.conditions import timestamp
from paas.reconcile.plan import Requeue
from tests.deployments.fake_cluster import FakeCluster, complete


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (" * Running on http://127.0.0.1:5000\n", [("127.0.0.1", 5000)]),
        ("[INFO] Listening at: http://0.0.0.0:9999 (1)", [("0.0.0.0", 9999)]),
        ("Starting development server at http://localhost:8000/", [("localhost", 8000)]),
        ("Server listening on [::1]:3000\nready on [::1]:3000", [("[::1]", 3000)]),
        ("connecting to 127.0.0.1:5432", []),
        ("version 1.127.0.0.1:80 is running; 10.0.0.1:80", []),
        ("", []),
    ],
)
def test_addresses_that_servers_say_at_their_start(log: str, found: list[tuple[str, int]]) -> None:
    assert listening.addresses(log) == found


def test_the_advice_names_what_was_seen_and_what_to_change() -> None:
    assert listening.advice(8080, "Running on http://127.0.0.1:5000") == (
        "its log says 127.0.0.1:5000; listen on 0.0.0.0:8080, the address 0.0.0.0 and the port in $PORT"
    )
    assert listening.advice(8080, "").startswith(
        "nothing listens there for other pods; listen on 0.0.0.0:8080"
    )
    assert "look at what it answers" in listening.advice(8080, "listening on 0.0.0.0:8080")


def silent(cluster: FakeCluster) -> FakeCluster:
    """A pod of the new revision whose container is started now and never answers its probe."""
    cluster.settle().roll().settle()
    running = {"running": {"startedAt": timestamp(cluster.now)}}
    status: dict[str, Any] = {"name": "web", "ready": False, "restartCount": 0, "state": running}
    web = {
        "name": "web",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "http"}},
    }
    pod = {"metadata": {"name": "shop-x"}, "spec": {"containers": [web]}}
    cluster.pods = [{**pod, "status": {"containerStatuses": [status]}}]
    cluster.logs = {LogSource("shop-x", "web", previous=False): "Running on http://127.0.0.1:5000"}
    return cluster


def test_a_container_that_does_not_answer_is_told_of_within_20_seconds() -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    silent(cluster)
    begun = cluster.now
    while "problems" not in cluster.settle().status["rollout"]:
        (pause,) = (action.after for action in cluster.plan().actions if isinstance(action, Requeue))
        cluster.sleep(pause)
    assert timedelta(seconds=8) <= cluster.now - begun <= timedelta(seconds=15)
    assert cluster.rollout == (2, "Running")
    (problem,) = cluster.status["rollout"]["problems"]
    assert problem == {
        "reason": "ContainersNotReady",
        "message": "pod shop-x: container web runs, but its readiness probe fails; its log says"
        " 127.0.0.1:5000; listen on 0.0.0.0:8080, the address 0.0.0.0 and the port in $PORT",
    }
    assert problem["message"] in (cluster.condition("Ready") or {})["message"]
    cluster.broken, cluster.pods = set(), []
    cluster.ready().settle()
    assert "problems" not in cluster.status["rollout"]
