"""A rollout of which something is refused says so, and ends: also one that only changes the image."""

from __future__ import annotations

from tests.deployments.fake_cluster import FakeCluster, complete


def refuse(cluster: FakeCluster) -> FakeCluster:
    cluster.refusing.toggle("Apply", "Deployment")
    return cluster


def test_a_refused_image_fails_after_the_deadline_and_the_good_revision_stays() -> None:
    cluster = refuse(complete("a").image("b")).settle()
    assert cluster.rollout == (2, "New")
    assert cluster.ready_reason() == "False/Refused"
    cluster.sleep(601).settle()
    assert cluster.rollout == (2, "Failed")
    message = cluster.status["rollout"]["message"]
    assert "the cluster refuses Deployment shop: exceeded quota: small" in message
    assert "kubectl describe quota -n demo" in message
    assert "revision 1 takes its place" in message
    assert [problem["reason"] for problem in cluster.status["rollout"]["problems"]] == [
        "ProgressDeadlineExceeded",
        "Refused",
    ]
    assert cluster.running[0] == 1
    assert cluster.ready_reason() == "False/RolloutFailed"
    refuse(cluster).go()
    assert cluster.rollout == (2, "Failed"), "it is tried again when somebody asks for it"
    cluster.image("c").go()
    assert cluster.rollout == (3, "Complete")


def test_a_refused_first_rollout_fails_too_and_goes_on_when_it_is_let_in() -> None:
    cluster = refuse(FakeCluster().image("a")).settle()
    cluster.sleep(601).settle()
    assert cluster.rollout == (1, "Failed")
    assert cluster.ready_reason() == "False/Refused", "it is still asked for"
    refuse(cluster).go()
    assert cluster.rollout == (1, "Complete")


def test_pods_that_are_refused_are_said_by_the_deploymentconfig() -> None:
    cluster = complete("a").image("b").settle().roll()
    cluster._condition("ReplicaFailure", "True", "FailedCreate")
    assert cluster.deployment is not None
    (failure,) = [c for c in cluster.deployment["status"]["conditions"] if c["type"] == "ReplicaFailure"]
    failure["message"] = 'pods "shop-1" is forbidden: exceeded quota: small, used: pods=1'
    cluster.settle()
    assert cluster.ready_reason() == "False/Refused"
    stalled = cluster.condition("Stalled")
    assert stalled is not None
    assert stalled["message"] == (
        "the cluster refuses Pod shop: exceeded quota: small, used: pods=1; free some of the quota or raise"
        " it (kubectl describe quota -n demo), and it goes on by itself"
    )
    failure["message"] = 'pods "shop-2" is forbidden: exceeded quota: small, used: pods=1'
    cluster.step()
    assert not cluster.wrote, "the name of the pod that was tried is another each time"
    cluster.deployment["status"]["conditions"].remove(failure)
    cluster.go()
    assert cluster.rollout == (2, "Complete")
