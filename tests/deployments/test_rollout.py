"""Rollouts from New to Complete or Failed, back again, overtaken, interrupted, and their history."""

from __future__ import annotations

import pytest

from paas.deployments.revision import history_row
from paas.kube.plan import Apply, Create, Requeue, Status
from tests.deployments.simulator import World, complete, digest, template


def phases(world: World) -> dict[int, str]:
    return {row["revision"]: row["phase"] for row in world.status["history"]}


def fail(world: World) -> World:
    """The current rollout runs into its deadline, and the way back ends well."""
    world.settle().roll().settle().time_out().settle()
    return world.ready().settle()


def test_the_phases_of_a_rollout() -> None:
    world = complete("a").image("b")
    world.step()
    assert world.rollout == (2, "New")
    assert world.running[0] == 1
    world.settle()
    assert world.rollout == (2, "Pending")
    world.roll().settle()
    assert world.rollout == (2, "Running")
    assert world.ready_reason() == "False/RolloutStarted"
    assert world.condition("Reconciling")
    world.ready().settle()
    assert world.rollout == (2, "Complete")
    assert world.status["activeRevision"] == 2
    assert world.reasons()[-2:] == ["RolloutStarted", "RolloutComplete"]


def test_a_failed_rollout_goes_back_by_itself_and_is_not_tried_again() -> None:
    world = complete("a").image("b")
    world.broken = {2}
    fail(world)
    assert world.rollout == (2, "Failed")
    assert world.running[:2] == (1, digest("a"))
    assert world.status["activeRevision"] == 1
    assert world.ready_reason() == "False/RolloutFailed"
    assert (world.condition("Available") or {})["status"] == "True"
    assert world.reasons()[-2:] == ["RolloutFailed", "RolledBack"]
    writes = len(world.log)
    for _ in range(3):
        world.sleep(3600).go()
    assert len(world.log) == writes

    world.image("c").go()
    assert (world.rollout, world.running[1]) == ((3, "Complete"), digest("c"))
    assert phases(world) == {1: "Complete", 2: "Failed", 3: "Complete"}


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_crash_between_verdict_and_act_loses_neither(killed_after: int) -> None:
    world = complete("a").image("b")
    world.broken = {2}
    world.settle().roll().settle().time_out()
    made = world.step(actions=killed_after)
    assert isinstance(made.actions[0], Status)
    assert not any(isinstance(action, Apply) for action in made.actions), "the act comes with the next plan"
    world.settle().ready().settle()
    assert world.rollout == (2, "Failed")
    assert world.running[0] == 1


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_crash_between_create_and_record_makes_no_second_revision(killed_after: int) -> None:
    world = complete("a").image("b")
    made = world.step(actions=killed_after)
    assert [type(action) for action in made.actions[:2]] == [Create, Status]
    world.go()
    assert sorted(world.revisions) == ["shop-1", "shop-2"]
    assert world.rollout == (2, "Complete")


def test_an_image_that_comes_between_create_and_record_gets_a_revision_of_its_own() -> None:
    world = complete("a").image("b")
    world.step(actions=1)
    world.image("c").go()
    assert world.running[:2] == (3, digest("c"))
    assert phases(world) == {1: "Complete", 2: "Failed", 3: "Complete"}


def test_the_first_failure_has_nothing_to_go_back_to_and_may_yet_come_right() -> None:
    world = World().image("a")
    world.broken = {1}
    fail(world)
    assert world.rollout == (1, "Failed")
    assert "takes its place" not in world.status["rollout"]["message"]
    assert world.running[0] == 1
    assert "activeRevision" not in world.status
    world.broken.clear()
    world.ready().settle()
    assert world.rollout == (1, "Complete")
    assert world.ready_reason() == "True/Reconciled"


def test_a_newer_trigger_overtakes_a_running_rollout() -> None:
    world = complete("a").image("b").settle().roll().settle()
    world.image("c").go()
    row = next(row for row in world.status["history"] if row["revision"] == 2)
    assert (row["phase"], row["reason"]) == ("Failed", "Superseded")
    assert world.running[:2] == (3, digest("c"))
    world.image("d")
    world.broken = {4}
    fail(world)
    assert world.running[0] == 3


def test_a_verdict_left_from_the_rollout_before_is_not_believed() -> None:
    world = complete("a").image("b")
    world.broken = {2}
    world.settle().roll().settle().time_out()  # the verdict is there, and nobody has looked yet
    world.pin(1).settle().roll()
    assert world.rollout[1] == "Pending"
    assert any(isinstance(action, Requeue) for action in world.plan().actions)
    world.ready().settle()
    assert world.rollout == (1, "Complete")


def test_a_verdict_reached_while_nobody_looked_is_believed_after_its_time() -> None:
    world = complete("a").image("b").settle()
    world.broken = {2}
    world.time_out().settle()
    assert world.rollout == (2, "Pending")
    pause = [action.after for action in world.plan().actions if isinstance(action, Requeue)]
    assert pause == [30.0]
    world.sleep(599).settle()
    assert [a.after for a in world.plan().actions if isinstance(a, Requeue)] == [1.0]
    world.sleep(1).settle()
    assert world.rollout == (2, "Failed")


def test_a_clock_that_is_set_back_neither_fails_nor_blocks_a_rollout() -> None:
    world = complete("a").image("b").settle().sleep(-3600).roll().settle()
    assert world.rollout == (2, "Running")
    world.ready().settle()
    assert world.rollout == (2, "Complete")


def test_the_message_of_a_failure_names_the_pod_and_what_to_do() -> None:
    world = complete("a").image("b")
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    state = {"name": "web", "state": {"waiting": waiting}}
    world.broken = {2}
    world.settle().roll().settle()
    world.pods = [{"metadata": {"name": "shop-x"}, "status": {"containerStatuses": [state]}}]
    world.sleep(2).settle()
    assert "ImagePullBackOff" in world.status["rollout"]["message"]
    assert "ImagePullBackOff" in (world.condition("Ready") or {})["message"]
    world.time_out().settle()
    message = world.status["rollout"]["message"]
    assert "pod shop-x: container web: ImagePullBackOff: Back-off pulling image" in message
    assert "revision 1 takes its place" in message
    assert "paas logs shop" in message


def test_scaling_changes_replicas_and_makes_no_rollout() -> None:
    world = complete("a").edit(replicas=5).settle()
    assert world.deployment is not None
    assert world.deployment["spec"]["replicas"] == 5
    assert world.ready_reason() == "False/InProgress"
    world.ready().settle()
    assert world.ready_reason() == "True/Reconciled"
    assert world.status["replicas"] == 5
    assert len(world.revisions) == 1


def test_zero_replicas_are_complete_at_once() -> None:
    world = World(replicas=0).image("a").settle().roll().settle()
    assert world.rollout == (1, "Complete")


def test_pods_that_stop_serving_are_told_and_no_rollout_is_undone() -> None:
    world = complete("a")
    world.unavailable().settle()
    assert world.ready_reason() == "False/InProgress"
    assert world.rollout == (1, "Complete")
    crash = {"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    world.pods = [{"metadata": {"name": "p"}, "status": {"containerStatuses": [crash]}}]
    world.settle()
    assert "CrashLoopBackOff" in (world.condition("Ready") or {})["message"]


def test_a_paused_one_waits_and_goes_on() -> None:
    world = complete("a").edit(paused=True).image("b").go()
    assert world.ready_reason() == "True/Paused"
    assert len(world.revisions) == 1
    assert world.deployment is not None
    assert world.deployment["spec"]["paused"] is True
    world.edit(replicas=3).pin(1).settle()
    assert world.deployment["spec"]["replicas"] == 3
    assert "hold" not in world.status
    world.edit(rollback=None, paused=False).go()
    assert world.running[:2] == (2, digest("b"))


def test_a_rollout_that_is_paused_does_not_fail() -> None:
    world = complete("a").image("b").settle().roll().settle().edit(paused=True).settle()
    assert world.ready_reason() == "False/Paused"
    assert (world.condition("Progressing") or {})["reason"] == "Paused"
    world.time_out().sleep(3600).settle()
    assert world.rollout == (2, "Running")


def test_paused_from_the_beginning() -> None:
    world = World(paused=True).image("a").settle()
    assert (world.deployment, world.ready_reason()) == (None, "False/Paused")


def test_a_deleted_or_changed_deployment_is_brought_back() -> None:
    world = complete("a")
    world.deployment = None
    world.go()
    assert world.running == (1, digest("a"), "1")
    assert world.deployment is not None
    world.deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "by hand"
    world.deployment["spec"]["template"]["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/restartedAt": "now"
    }
    world.go()
    assert world.running == (1, digest("a"), "1")
    assert world.deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "paas"


def test_the_history_is_kept_to_its_limit_without_what_is_needed() -> None:
    world = complete(*"abcdef", revisionHistoryLimit=2)
    assert sorted(world.revisions) == ["shop-4", "shop-5", "shop-6"]
    assert sorted(phases(world)) == [4, 5, 6]
    world.pin(4).go()
    for number in range(4):  # the first of them releases the hold; spec.rollback still names revision 4
        world.edit(template=template(env=f"x{number}")).go()
    assert sorted(r["revision"] for r in world.revisions.values()) == [4, 8, 9, 10]
    world.edit(rollback=None).go()
    assert sorted(r["revision"] for r in world.revisions.values()) == [8, 9, 10]
    world.edit(revisionHistoryLimit=0).image("g", cause="Manual")
    world.broken = {11}
    fail(world)
    assert sorted(r["revision"] for r in world.revisions.values()) == [10, 11], "the active one is needed"


def test_a_lost_status_is_made_anew() -> None:
    world = complete("a", "b")
    del world.dc["status"]
    world.go()
    assert world.rollout == (2, "Complete")
    assert world.status["activeRevision"] == world.status["latestVersion"] == 2
    assert len(world.revisions) == 2
    world.dc["status"] = {"rollout": "nonsense"}
    assert world.go().rollout == (2, "Complete")


def test_lost_revisions_get_a_successor_with_a_number_of_its_own() -> None:
    world = complete("a", "b")
    world.revisions.clear()
    world.go()
    assert world.running == (3, digest("b"), "1")
    world.revisions["shop-3"]["data"] = {"nonsense": True}
    world.go()
    assert world.running == (4, digest("b"), "1")


def test_a_started_time_that_cannot_be_read_does_no_harm() -> None:
    world = complete("a").image("b").settle()
    world.status["rollout"]["startedAt"] = "nonsense"
    assert world.go().rollout == (2, "Complete")


def test_the_history_reads_well() -> None:
    world = complete("a", "b")
    row = history_row(world.revisions["shop-2"])
    assert row["build"] == "shop-2"
    assert row["commit"] == "b"
    assert row["causes"] == "shop:latest has a new image by Build shop-2 for container web"
    assert row["images"] == {"web": f"registry/demo/shop@{digest('b')}"}


def test_a_value_that_the_api_server_writes_in_another_form_is_applied_once_more_and_no_more() -> None:
    world = World(template=template(restartPolicy="")).image("a").go()
    assert world.deployment is not None
    assert world.deployment["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert world.applies() == 2
    assert world.rollout == (1, "Complete")
    world.sleep(3600).go()
    assert world.applies() == 2

    world.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "by-hand:1"
    world.deployment["metadata"]["generation"] += 1
    world.go()
    assert world.running[:2] == (1, digest("a"))
    applies = world.applies()
    world.deployment["metadata"]["labels"] = {}  # does not change its generation
    world.go()
    assert world.deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "paas"
    assert world.applies() == applies + 1
    world.go().edit(replicas=3).go()
    assert world.ready_reason() == "True/Reconciled"
