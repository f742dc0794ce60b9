"""Rollouts from New to Complete or Failed, back again, overtaken, interrupted, and their history."""

from __future__ import annotations

import pytest

from paas.deployments import judgement, plan, rollout, workload
from paas.deployments.revision import history_row
from paas.reconcile.plan import Apply, Create, Requeue, Status
from tests.deployments.fake_cluster import FakeCluster, complete, digest, template


def phases(cluster: FakeCluster) -> dict[int, str]:
    return {row["revision"]: row["phase"] for row in cluster.status["history"]}


def fail(cluster: FakeCluster) -> FakeCluster:
    """The current rollout runs into its deadline, and the way back ends well."""
    cluster.settle().roll().settle().time_out().settle()
    return cluster.ready().settle()


@pytest.mark.guard(
    workload,
    'if int(status.get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0):',
    "if False:",
)
def test_the_phases_of_a_rollout() -> None:
    cluster = complete("a").image("b")
    cluster.step()
    assert cluster.rollout == (2, "New")
    assert cluster.running[0] == 1
    cluster.settle()
    assert cluster.rollout == (2, "Pending")
    cluster.roll().settle()
    assert cluster.rollout == (2, "Running")
    assert cluster.ready_reason() == "False/RolloutStarted"
    assert cluster.condition("Reconciling")
    cluster.ready().settle()
    assert cluster.rollout == (2, "Complete")
    assert cluster.status["activeRevision"] == 2
    assert cluster.reasons()[-2:] == ["RolloutStarted", "RolloutComplete"]


@pytest.mark.guard(
    rollout, "if rollout.phase == Phase.FAILED and state.active_revision is not None:", "if False:"
)
def test_a_failed_rollout_goes_back_by_itself_and_is_not_tried_again() -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    fail(cluster)
    assert cluster.rollout == (2, "Failed")
    assert cluster.running[:2] == (1, digest("a"))
    assert cluster.status["activeRevision"] == 1
    assert cluster.ready_reason() == "False/RolloutFailed"
    assert (cluster.condition("Available") or {})["status"] == "True"
    assert cluster.reasons()[-2:] == ["RolloutFailed", "RolledBack"]
    writes = len(cluster.log)
    for _ in range(3):
        cluster.sleep(3600).go()
    assert len(cluster.log) == writes

    cluster.image("c").go()
    assert (cluster.rollout, cluster.running[1]) == ((3, "Complete"), digest("c"))
    assert phases(cluster) == {1: "Complete", 2: "Failed", 3: "Complete"}


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_crash_between_verdict_and_act_loses_neither(killed_after: int) -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    cluster.settle().roll().settle().time_out()
    made = cluster.step(actions=killed_after)
    assert isinstance(made.actions[0], Status)
    assert not any(isinstance(action, Apply) for action in made.actions), "the act comes with the next plan"
    cluster.settle().ready().settle()
    assert cluster.rollout == (2, "Failed")
    assert cluster.running[0] == 1


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_crash_between_create_and_record_makes_no_second_revision(killed_after: int) -> None:
    cluster = complete("a").image("b")
    made = cluster.step(actions=killed_after)
    assert [type(action) for action in made.actions[:2]] == [Create, Status]
    cluster.go()
    assert sorted(cluster.revisions) == ["shop-1", "shop-2"]
    assert cluster.rollout == (2, "Complete")


@pytest.mark.guard(
    plan, "if newest is not None and newest.number > (state.latest_version or 0):", "if False:"
)
def test_an_image_that_comes_between_create_and_record_gets_a_revision_of_its_own() -> None:
    cluster = complete("a").image("b")
    cluster.step(actions=1)
    cluster.image("c").go()
    assert cluster.running[:2] == (3, digest("c"))
    assert phases(cluster) == {1: "Complete", 2: "Failed", 3: "Complete"}


def test_the_first_failure_has_nothing_to_go_back_to_and_may_yet_come_right() -> None:
    cluster = FakeCluster().image("a")
    cluster.broken = {1}
    fail(cluster)
    assert cluster.rollout == (1, "Failed")
    assert "takes its place" not in cluster.status["rollout"]["message"]
    assert cluster.running[0] == 1
    assert "activeRevision" not in cluster.status
    cluster.broken.clear()
    cluster.ready().settle()
    assert cluster.rollout == (1, "Complete")
    assert cluster.ready_reason() == "True/Reconciled"


def test_a_newer_trigger_overtakes_a_running_rollout() -> None:
    cluster = complete("a").image("b").settle().roll().settle()
    cluster.image("c").go()
    row = next(row for row in cluster.status["history"] if row["revision"] == 2)
    assert (row["phase"], row["reason"]) == ("Failed", "Superseded")
    assert cluster.running[:2] == (3, digest("c"))
    cluster.image("d")
    cluster.broken = {4}
    fail(cluster)
    assert cluster.running[0] == 3


@pytest.mark.guard(
    judgement,
    "if progress == Progress.TIMED_OUT and _believed(snapshot, step, now):",
    "if progress == Progress.TIMED_OUT:",
)
def test_a_verdict_left_from_the_rollout_before_is_not_believed() -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    cluster.settle().roll().settle().time_out()  # the verdict is there, and nobody has looked yet
    cluster.pin(1).settle().roll()
    assert cluster.rollout[1] == "Pending"
    assert any(isinstance(action, Requeue) for action in cluster.plan().actions)
    cluster.ready().settle()
    assert cluster.rollout == (1, "Complete")


@pytest.mark.guard(
    judgement,
    "return current.phase == Phase.RUNNING or remaining(snapshot, step, now) <= 0",
    "return current.phase == Phase.RUNNING",
)
def test_a_verdict_reached_while_nobody_looked_is_believed_after_its_time() -> None:
    cluster = complete("a").image("b").settle()
    cluster.broken = {2}
    cluster.time_out().settle()
    assert cluster.rollout == (2, "Pending")
    pause = [action.after for action in cluster.plan().actions if isinstance(action, Requeue)]
    assert pause == [30.0]
    cluster.sleep(599).settle()
    assert [a.after for a in cluster.plan().actions if isinstance(a, Requeue)] == [1.0]
    cluster.sleep(1).settle()
    assert cluster.rollout == (2, "Failed")


def test_a_clock_that_is_set_back_neither_fails_nor_blocks_a_rollout() -> None:
    cluster = complete("a").image("b").settle().sleep(-3600).roll().settle()
    assert cluster.rollout == (2, "Running")
    cluster.ready().settle()
    assert cluster.rollout == (2, "Complete")


def test_the_message_of_a_failure_names_the_pod_and_what_to_do() -> None:
    cluster = complete("a").image("b")
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    state = {"name": "web", "state": {"waiting": waiting}}
    cluster.broken = {2}
    cluster.settle().roll().settle()
    cluster.pods = [{"metadata": {"name": "shop-x"}, "status": {"containerStatuses": [state]}}]
    cluster.sleep(2).settle()
    assert "ImagePullBackOff" in cluster.status["rollout"]["message"]
    assert "ImagePullBackOff" in (cluster.condition("Ready") or {})["message"]
    cluster.time_out().settle()
    message = cluster.status["rollout"]["message"]
    assert "pod shop-x: container web: ImagePullBackOff: Back-off pulling image" in message
    assert "revision 1 takes its place" in message
    assert "paas logs shop --revision 2;" in message


def test_why_a_rollout_failed_is_data_too() -> None:
    cluster = complete("a").image("b")
    state = {"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    cluster.pods = [{"metadata": {"name": "shop-x"}, "status": {"containerStatuses": [state]}}]
    cluster.broken = {2}
    fail(cluster)
    problems = [
        {"reason": "ProgressDeadlineExceeded", "message": "no progress for 600 s"},
        {"reason": "ImagePullBackOff", "message": "pod shop-x: container web: ImagePullBackOff"},
    ]
    assert cluster.status["rollout"]["problems"] == problems
    assert cluster.status["history"][0]["problems"] == problems
    assert all(problem["message"] in cluster.status["rollout"]["message"] for problem in problems)
    cluster.edit(rollout={"latest": "again"}).settle()
    assert "problems" not in cluster.status["rollout"]


def test_scaling_changes_replicas_and_makes_no_rollout() -> None:
    cluster = complete("a").edit(replicas=5).settle()
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["replicas"] == 5
    assert cluster.ready_reason() == "False/InProgress"
    cluster.ready().settle()
    assert cluster.ready_reason() == "True/Reconciled"
    assert cluster.status["replicas"] == 5
    assert len(cluster.revisions) == 1


def test_zero_replicas_are_complete_at_once() -> None:
    cluster = FakeCluster(replicas=0).image("a").settle().roll().settle()
    assert cluster.rollout == (1, "Complete")


def test_pods_that_stop_serving_are_told_and_no_rollout_is_undone() -> None:
    cluster = complete("a")
    cluster.unavailable().settle()
    assert cluster.ready_reason() == "False/InProgress"
    assert cluster.rollout == (1, "Complete")
    crash = {"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    cluster.pods = [{"metadata": {"name": "p"}, "status": {"containerStatuses": [crash]}}]
    cluster.settle()
    assert "CrashLoopBackOff" in (cluster.condition("Ready") or {})["message"]


def test_a_paused_one_waits_and_goes_on() -> None:
    cluster = complete("a").edit(paused=True).image("b").go()
    assert cluster.ready_reason() == "True/Paused"
    assert len(cluster.revisions) == 1
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["paused"] is True
    cluster.edit(replicas=3).pin(1).settle()
    assert cluster.deployment["spec"]["replicas"] == 3
    assert "hold" not in cluster.status
    cluster.edit(rollback=None, paused=False).go()
    assert cluster.running[:2] == (2, digest("b"))


@pytest.mark.guard(plan, "if blocker is None or not _stops(blocker):", "if True:")
def test_a_rollout_that_is_paused_does_not_fail() -> None:
    cluster = complete("a").image("b").settle().roll().settle().edit(paused=True).settle()
    assert cluster.ready_reason() == "False/Paused"
    assert (cluster.condition("Progressing") or {})["reason"] == "Paused"
    cluster.time_out().sleep(3600).settle()
    assert cluster.rollout == (2, "Running")


def test_paused_from_the_beginning() -> None:
    cluster = FakeCluster(paused=True).image("a").settle()
    assert (cluster.deployment, cluster.ready_reason()) == (None, "False/Paused")


def test_a_deleted_or_changed_deployment_is_brought_back() -> None:
    cluster = complete("a")
    cluster.deployment = None
    cluster.go()
    assert cluster.running == (1, digest("a"), "1")
    assert cluster.deployment is not None
    cluster.deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "by hand"
    cluster.deployment["spec"]["template"]["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/restartedAt": "now"
    }
    cluster.go()
    assert cluster.running == (1, digest("a"), "1")
    assert cluster.deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "paas"


@pytest.mark.guard(plan, "keep.add(rollback.to_revision if rollback else None)", "pass")
@pytest.mark.guard(
    plan,
    "keep = {state.active_revision, rollout.target(state), snapshot.latest_version}",
    "keep = {snapshot.latest_version}",
)
def test_the_history_is_kept_to_its_limit_without_what_is_needed() -> None:
    cluster = complete(*"abcdef", revisionHistoryLimit=2)
    assert sorted(cluster.revisions) == ["shop-4", "shop-5", "shop-6"]
    assert sorted(phases(cluster)) == [4, 5, 6]
    cluster.pin(4).go()
    for number in range(4):  # the first of them releases the hold; spec.rollback still names revision 4
        cluster.edit(template=template(env=f"x{number}")).go()
    assert sorted(r["revision"] for r in cluster.revisions.values()) == [4, 8, 9, 10]
    cluster.edit(rollback=None).go()
    assert sorted(r["revision"] for r in cluster.revisions.values()) == [8, 9, 10]
    cluster.edit(revisionHistoryLimit=0).image("g", cause="Manual")
    cluster.broken = {11}
    fail(cluster)
    assert sorted(r["revision"] for r in cluster.revisions.values()) == [10, 11], "the active one is needed"


def test_a_lost_status_is_made_anew() -> None:
    cluster = complete("a", "b")
    del cluster.dc["status"]
    cluster.go()
    assert cluster.rollout == (2, "Complete")
    assert cluster.status["activeRevision"] == cluster.status["latestVersion"] == 2
    assert len(cluster.revisions) == 2
    cluster.dc["status"] = {"rollout": "nonsense"}
    assert cluster.go().rollout == (2, "Complete")


def test_lost_revisions_get_a_successor_with_a_number_of_its_own() -> None:
    cluster = complete("a", "b")
    cluster.revisions.clear()
    cluster.go()
    assert cluster.running == (3, digest("b"), "1")
    cluster.revisions["shop-3"]["data"] = {"nonsense": True}
    cluster.go()
    assert cluster.running == (4, digest("b"), "1")


def test_a_started_time_that_cannot_be_read_does_no_harm() -> None:
    cluster = complete("a").image("b").settle()
    cluster.status["rollout"]["startedAt"] = "nonsense"
    assert cluster.go().rollout == (2, "Complete")


def test_the_history_reads_well() -> None:
    cluster = complete("a", "b")
    row = history_row(cluster.revisions["shop-2"])
    assert row["build"] == "shop-2"
    assert row["commit"] == "b"
    assert row["causes"] == "shop:latest has a new image by Build shop-2 for container web"
    assert row["images"] == {"web": f"registry/demo/shop@{digest('b')}"}


@pytest.mark.guard(
    workload,
    "if needed is None or live is None or not noted(live, wanted) or tried != tried_at(live):",
    "if True:",
)
@pytest.mark.guard(
    workload, 'return None if meta.covers(live["metadata"], wanted["metadata"]) else needed', "return None"
)
def test_a_value_that_the_api_server_writes_in_another_form_is_applied_once_more_and_no_more() -> None:
    cluster = FakeCluster(template=template(restartPolicy="")).image("a").go()
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert cluster.applies() == 2
    assert cluster.rollout == (1, "Complete")
    cluster.sleep(3600).go()
    assert cluster.applies() == 2

    cluster.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "by-hand:1"
    cluster.deployment["metadata"]["generation"] += 1
    cluster.go()
    assert cluster.running[:2] == (1, digest("a"))
    applies = cluster.applies()
    cluster.deployment["metadata"]["labels"] = {}  # does not change its generation
    cluster.go()
    assert cluster.deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "paas"
    assert cluster.applies() == applies + 1
    cluster.go().edit(replicas=3).go()
    assert cluster.ready_reason() == "True/Reconciled"
