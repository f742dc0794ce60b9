"""A container of the new revision that ends by itself: the rollout fails at once, and its log is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from paas.deployments import judgement
from paas.deployments.judgement import LogSource
from paas.kube import pods
from paas.reconcile.plan import Requeue
from tests.deployments.fake_cluster import FakeCluster, complete, digest


def row(cluster: FakeCluster, number: int) -> dict[str, Any]:
    return next(row for row in cluster.status["history"] if row["revision"] == number)


@pytest.mark.guard(judgement, "if crash is not None:", "if False:")
def test_a_revision_whose_pod_was_restarted_does_not_complete_though_it_is_ready_now() -> None:
    cluster = complete("a").image("b").settle().roll().settle()
    cluster.crashes().ready().settle()
    assert cluster.rollout == (2, "Failed")
    assert cluster.status["rollout"]["reason"] == "ContainerRestarted"
    assert cluster.status["rollout"]["problems"] == [
        {"reason": "Error", "message": "pod shop-x: container web was restarted once: exit code 3"}
    ]
    assert cluster.running[:2] == (1, digest("a"))
    cluster.ready().sleep(3600).go()
    assert (cluster.rollout, cluster.running[0]) == ((2, "Failed"), 1), "it is not tried again by itself"
    assert cluster.status["activeRevision"] == 1
    assert (cluster.condition("Progressing") or {})["reason"] == "RolloutFailed"


def test_a_crash_loop_fails_within_seconds_and_not_after_the_deadline() -> None:
    cluster = complete("a").image("b").settle().roll().settle().crashes(runs=False)
    cluster.broken = {2}
    waited = 0.0
    while cluster.settle().rollout == (2, "Running"):
        (pause,) = (action.after for action in cluster.plan().actions if isinstance(action, Requeue))
        cluster.sleep(pause)
        waited += pause
    assert (cluster.rollout, waited) == ((2, "Failed"), 2.0)


def test_the_end_of_the_log_is_kept_of_five_failures() -> None:
    cluster = complete("a")
    cluster.logs = {LogSource("shop-x", "web", previous=True): "Traceback\nModuleNotFoundError: No module"}
    for number in range(2, 9):
        cluster.image(f"x{number}").settle().roll().settle().crashes().ready().settle().ready().settle()
        assert cluster.rollout == (number, "Failed")
    assert row(cluster, 8)["log"] == "Traceback\nModuleNotFoundError: No module"
    assert [r["revision"] for r in cluster.status["history"] if r.get("log")] == [8, 7, 6, 5, 4]
    cluster.pods = []
    cluster.image("good").go()
    assert cluster.rollout == (9, "Complete")
    assert row(cluster, 8)["log"], "the next rollout does not take it away"


@pytest.mark.parametrize(
    ("state", "last", "previous"),
    [
        ({"terminated": {"exitCode": 1}}, {}, False),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}}, True),
        ({"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}}, True),
    ],
    ids=["it has just ended", "it waits", "it runs again"],
)
def test_the_log_is_that_of_the_run_that_ended(
    state: dict[str, Any], last: dict[str, Any], previous: bool
) -> None:
    cluster = complete("a").image("b").settle().roll().settle()
    cluster.crashes(state=state, lastState=last).ready()
    found = judgement.log_source(cluster.snapshot(), now=cluster.now)
    assert found == LogSource("shop-x", "web", previous=previous)


def test_a_rollout_out_of_time_keeps_the_log_of_what_runs_and_is_not_ready() -> None:
    cluster = complete("a").image("b").settle()
    cluster.broken = {2}
    cluster.roll().settle()
    container = {"name": "web", "ready": False, "restartCount": 0, "state": {"running": {}}}
    spec = {"containers": [{"name": "web", "readinessProbe": {"tcpSocket": {"port": 8080}}}]}
    status = {"containerStatuses": [container]}
    cluster.pods = [{"metadata": {"name": "shop-x"}, "spec": spec, "status": status}]
    cluster.logs = {LogSource("shop-x", "web", previous=False): "Running on http://127.0.0.1:5000"}
    cluster.time_out().settle()
    assert cluster.status["rollout"]["reason"] == "ProgressDeadlineExceeded"
    assert row(cluster, 2)["log"] == "Running on http://127.0.0.1:5000"


@pytest.mark.guard(judgement, "proved = state.rollout is not None and", "proved = False and")
def test_what_crashed_before_a_rollback_does_not_count_against_the_revision_that_serves() -> None:
    cluster = complete("a").image("b").settle().roll().settle()
    cluster.crashes(at=cluster.now - timedelta(hours=1)).pods[0]["metadata"]["name"] = "shop-old"
    cluster.pin(1).settle().ready().settle()
    assert cluster.rollout == (1, "Complete")
    assert "RolloutFailed" not in cluster.reasons()


def test_the_first_revision_is_told_to_have_failed_and_completes_when_it_has_run_for_a_minute() -> None:
    cluster = FakeCluster().image("a").settle().roll().settle().crashes().ready().settle()
    assert cluster.rollout == (1, "Failed")
    assert [a.after for a in cluster.plan().actions if isinstance(a, Requeue)] == [30.0]
    assert cluster.sleep(59).settle().rollout == (1, "Failed")
    assert cluster.sleep(2).settle().rollout == (1, "Complete")


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        pytest.param({"restartCount": 1, "lastState": {"terminated": {"exitCode": 0}}}, 1, id="ended well"),
        pytest.param({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, 1, id="just ended"),
        pytest.param({"state": {"running": {}}}, 0, id="runs"),
        pytest.param(
            {"lastState": {"terminated": {"exitCode": 255, "reason": "Unknown"}}}, 0, id="the node restarted"
        ),
    ],
)
def test_which_ends_count(pod: dict[str, Any], found: int) -> None:
    status = {"containerStatuses": [{"name": "web", **pod}]}
    seen = {"metadata": {"name": "x"}, "status": status}
    assert len(list(pods.crashes(seen))) == found
    assert not list(pods.crashes({**seen, "metadata": {"name": "x", "deletionTimestamp": "now"}}))
    assert not list(pods.crashes({**seen, "status": {**status, "reason": "Evicted"}}))


def test_an_init_container_that_is_done_has_not_crashed_and_one_that_fails_has() -> None:
    def pod(code: int) -> dict[str, Any]:
        ended = {"name": "migrate", "state": {"terminated": {"exitCode": code}}}
        return {"metadata": {"name": "x"}, "status": {"initContainerStatuses": [ended]}}

    assert not list(pods.crashes(pod(0)))
    assert [problem.exit.code for problem in pods.crashes(pod(1)) if problem.exit] == [1]
