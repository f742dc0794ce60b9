"""A rollback holds its revision: what releases it, what is withheld, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from paas.api.deployment import DeploymentConfigSpec, latest_patch, rollback_patch, unpin_patch
from paas.deployments import hold, plan, rollout
from paas.reconcile.plan import Apply, Status
from tests.deployments.fake_cluster import (
    CONFIG_CHANGE,
    FakeCluster,
    complete,
    digest,
    image_trigger,
    template,
)

HELD = "True/RollbackHeld"


def held() -> FakeCluster:
    """Revision 2 was rolled back to 1; the baseline is Build 2."""
    return complete("a", "b").pin(1).go()


def test_it_brings_back_image_and_template() -> None:
    cluster = complete("a")
    cluster.edit(template=template(env="2")).image("b").go()
    cluster.pin(1).go()
    assert cluster.running == (1, digest("a"), "1")
    assert cluster.rollout == (1, "Complete")
    assert cluster.status["activeRevision"] == 1
    assert cluster.status["latestVersion"] == 2
    assert cluster.status["hold"]["withheld"] == 0
    assert cluster.ready_reason() == HELD
    assert "paas unpin shop" in (cluster.condition("Ready") or {})["message"]
    assert "RollbackHeld" in cluster.reasons()


@pytest.mark.parametrize("cause", ["ImageChange", "Manual", "ConfigChange"])
@pytest.mark.guard(plan, "if state.hold is not None or snapshot.hold_requested:", "if False:")
@pytest.mark.guard(hold, "if event.cause in SOURCE_CHANGES:", "if event.cause:")
def test_an_image_without_new_source_is_withheld_and_counted(cause: str) -> None:
    withheld_and_counted(cause)


@pytest.mark.guard(plan, "if state.hold is not None or snapshot.hold_requested:", "if False:")
def test_an_image_without_a_known_cause_is_withheld_and_counted() -> None:
    withheld_and_counted("")


def withheld_and_counted(cause: str) -> None:
    cluster = held().image("c", cause=cause).go()
    assert cluster.running[0] == 1
    assert cluster.status["hold"]["withheld"] == 1
    cluster.image("d", cause=cause).go()
    assert cluster.status["hold"]["withheld"] == 2
    assert "2 newer images withheld" in (cluster.condition("Ready") or {})["message"]


@pytest.mark.parametrize("cause", ["Push", "WebHook"])
def test_new_source_releases_it(cause: str) -> None:
    cluster = held().image("base", cause="ImageChange").go()
    cluster.image("c", cause=cause).go()
    assert cluster.running[:2] == (3, digest("c"))
    assert "hold" not in cluster.status
    assert cluster.status["released"]["message"] == "Build shop-4 brought new source"
    assert "PinReleased" in cluster.reasons()


def test_the_release_is_a_verdict_of_its_own() -> None:
    cluster = held().image("c")
    made = cluster.step()
    assert isinstance(made.actions[0], Status)
    assert not any(isinstance(action, Apply) for action in made.actions)
    assert cluster.running[0] == 1
    cluster.go()
    assert cluster.running[:2] == (3, digest("c"))


@pytest.mark.parametrize("change", [{"rollback": None}, {"template": template(env="2")}])
@pytest.mark.guard(plan, "final=change.final", "final=True")
def test_nobody_takes_a_release_for_the_end(change: dict[str, Any]) -> None:
    cluster = held().edit(**change)
    cluster.step()
    assert "hold" not in cluster.status
    assert cluster.status["observedGeneration"] < cluster.dc["metadata"]["generation"]
    cluster.step()
    assert cluster.status["observedGeneration"] == cluster.dc["metadata"]["generation"]
    assert cluster.rollout[1] == "New"


def test_a_source_change_that_was_overlaid_by_a_rebuild_still_counts() -> None:
    cluster = held().image("c", cause="Push").image("d", cause="ImageChange").go()
    assert cluster.running[:2] == (3, digest("d"))


@pytest.mark.guard(
    hold, "return event.build_number > baseline or event.build_config_uid not in known", "return True"
)
def test_an_older_build_that_ends_late_is_withheld() -> None:
    cluster = held()
    cluster.image("late", cause="Push", number=1).go()
    assert cluster.running[0] == 1
    assert cluster.status["hold"]["withheld"] == 1


def test_the_baseline_counts_builds_that_were_running_when_the_pin_was_set() -> None:
    cluster = complete("a", "b").pin(1, baseline=3).go()
    cluster.image("c", cause="Push").go()  # Build 3
    assert cluster.running[0] == 1
    cluster.image("d", cause="Push").go()  # Build 4
    assert cluster.running[:2] == (3, digest("d"))


@pytest.mark.guard(
    hold,
    "return event.build_number > baseline or event.build_config_uid not in known",
    "return event.build_number > baseline",
)
def test_builds_of_a_new_buildconfig_are_numbered_apart() -> None:
    cluster = held().image("c", cause="Push", number=1, uid="bc-2").go()
    assert cluster.running[:2] == (3, digest("c"))


def test_the_retry_of_a_lost_build_counts_as_what_it_repeats() -> None:
    cluster = held().image("rebuilt", cause="Retry", commit="b").go()
    assert cluster.running[0] == 1
    cluster.image("unknown", cause="Retry", commit="").go()
    assert cluster.running[0] == 1
    cluster.image("c", cause="Retry", commit="c").go()
    assert cluster.running[1] == digest("c")


def test_an_edited_template_releases_it() -> None:
    cluster = held().edit(template=template(env="2")).go()
    assert cluster.running == (3, digest("b"), "2")
    assert cluster.status["released"]["message"] == "the pod template was edited"


def test_an_edited_placeholder_does_not() -> None:
    cluster = held().edit(template=template(image="by-hand:1")).go()
    assert cluster.ready_reason() == HELD


@pytest.mark.guard(hold, "if edited and triggers.on_config_change(spec):", "if edited:")
def test_an_edited_template_does_not_when_config_change_is_off() -> None:
    cluster = complete("a", "b", triggers=[image_trigger()]).pin(1).go()
    cluster.edit(template=template(env="2")).go()
    assert cluster.ready_reason() == HELD


def test_an_image_that_is_not_automatic_does_not() -> None:
    cluster = FakeCluster(
        triggers=[CONFIG_CHANGE, image_trigger(automatic=False)], rollout={"latest": "1"}
    ).image("a")
    cluster.go().image("b").edit(rollout={"latest": "2"}).go()
    cluster.pin(1).go().image("c").go()
    assert cluster.ready_reason() == HELD
    assert cluster.status["hold"]["withheld"] == 0


def test_a_rollout_by_hand_releases_it() -> None:
    cluster = held().edit(rollout={"latest": "now"}).go()
    assert cluster.running[:2] == (3, digest("b"))
    assert "by hand" in cluster.status["released"]["message"]


@pytest.mark.guard(hold, "if request is not None and request != hold.request:", "if request is not None:")
def test_a_request_that_was_there_before_does_not() -> None:
    cluster = complete("a", "b").edit(rollout={"latest": "x"}).go().pin(1).go()
    assert cluster.ready_reason() == HELD


def test_unpin_goes_on_to_the_newest() -> None:
    cluster = held().edit(rollback=None).go()
    assert cluster.running[:2] == (2, digest("b"))
    assert cluster.rollout == (2, "Complete")
    assert "hold" not in cluster.status
    assert len(cluster.revisions) == 2


def test_unpin_brings_what_was_withheld() -> None:
    cluster = held().image("c", cause="ImageChange").go()
    cluster.edit(rollback=None).go()
    assert cluster.running[:2] == (3, digest("c"))


@pytest.mark.guard(plan, "if newest is None or rollout.gave_up(state, newest.number):", "if newest is None:")
def test_unpin_does_not_try_again_what_had_failed() -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    cluster.settle().roll().settle().time_out().settle().ready().settle()
    cluster.pin(1).go()
    cluster.edit(rollback=None).go()
    assert cluster.running[0] == 1
    cluster.edit(rollout={"latest": "again"})
    cluster.go()
    assert cluster.running[:2] == (3, digest("b"))


@pytest.mark.guard(rollout, "and row.reason in OF_ITSELF", "")
def test_unpin_takes_up_a_rollout_that_the_rollback_had_cut_short() -> None:
    cluster = complete("a").image("b").settle().roll().settle()
    cluster.pin(1).go()
    assert cluster.running[0] == 1
    cluster.edit(rollback=None).go()
    assert cluster.rollout == (2, "Complete")


def test_a_released_request_holds_no_more_and_a_new_one_does() -> None:
    cluster = held().edit(template=template(env="2")).go()
    cluster.image("c", cause="ImageChange").go()
    assert cluster.running == (4, digest("c"), "2")
    cluster.pin(1, at="t2").go()
    assert cluster.running[0] == 1
    assert cluster.ready_reason() == HELD
    assert "released" not in cluster.status
    cluster.edit(rollback=None).go()
    assert "released" not in cluster.status


def test_taking_a_released_request_away_changes_nothing() -> None:
    cluster = held().image("c").go()
    before = len(cluster.events)
    cluster.edit(rollback=None).go()
    assert "released" not in cluster.status
    assert cluster.running[0] == 3
    assert len(cluster.events) == before


def test_another_revision_can_be_pinned_at_once() -> None:
    cluster = complete("a", "b", "c").pin(2).go().pin(1, at="t2").go()
    assert cluster.running[0] == 1
    assert cluster.status["hold"]["revision"] == 1


def test_pinning_what_runs_rolls_out_nothing_and_holds() -> None:
    cluster = complete("a")
    applies = cluster.applies()
    cluster.pin(1).go().image("b", cause="ImageChange").go()
    assert cluster.ready_reason() == HELD
    assert cluster.applies() == applies
    assert cluster.status["hold"]["withheld"] == 1


def test_pinning_while_the_deployment_is_on_its_way_back() -> None:
    cluster = complete("a").image("b")
    cluster.broken = {2}
    cluster.settle().roll().settle().time_out().settle()
    cluster.pin(1).go()
    assert cluster.rollout == (1, "Complete")
    assert cluster.ready_reason() == HELD


def test_a_revision_that_does_not_exist_stops_everything_and_says_so() -> None:
    cluster = complete("a", "b").pin(9).image("c").go()
    assert cluster.ready_reason() == "False/InvalidSpec"
    assert "kept: 1, 2" in (cluster.condition("Stalled") or {})["message"]
    assert cluster.running[0] == 2
    cluster.edit(rollback=None).go()
    assert cluster.running[1] == digest("c")


@pytest.mark.guard(
    plan, "if state.hold is not None or snapshot.hold_requested:", "if state.hold is not None:"
)
def test_not_even_an_unrecorded_revision_is_rolled_out_under_a_pin_to_nothing() -> None:
    cluster = complete("a").image("b")
    cluster.step(actions=1)  # shop-2 exists; nothing says so yet
    cluster.pin(9).go()
    assert cluster.running[0] == 1


def test_nothing_at_all_can_be_pinned_before_the_first_revision() -> None:
    cluster = FakeCluster().pin(1).image("a").go()
    assert "kept: none" in (cluster.condition("Stalled") or {})["message"]
    assert cluster.deployment is None


def test_a_pinned_revision_that_was_taken_away_keeps_what_runs() -> None:
    cluster = held()
    del cluster.revisions["shop-1"]
    cluster.image("c", cause="ImageChange").go()
    assert cluster.running[0] == 1
    assert cluster.ready_reason() == "False/InvalidSpec"


def test_a_pinned_revision_that_fails_goes_back_and_stays_back() -> None:
    cluster = complete("a", "b")
    cluster.broken = {1}
    cluster.pin(1).settle().roll().settle().time_out().sleep(601).settle().ready().settle()
    assert cluster.rollout == (1, "Failed")
    assert cluster.running[0] == 2
    cluster.image("c", cause="ImageChange").sleep(3600).go()
    assert cluster.running[0] == 2
    assert cluster.status["hold"]["withheld"] == 1
    cluster.broken.clear()
    cluster.pin(1, at="again").go()
    assert cluster.rollout == (1, "Complete")


def test_a_lost_status_is_held_again() -> None:
    cluster = held().image("c", cause="ImageChange").go()
    del cluster.dc["status"]
    cluster.go()
    assert cluster.running[0] == 1
    assert cluster.ready_reason() == HELD


def test_an_unrecorded_revision_waits_while_one_is_held() -> None:
    cluster = complete("a").image("b")
    cluster.step(actions=1)  # shop-2 exists; nothing says so yet
    cluster.pin(1).go()
    assert cluster.running[0] == 1
    assert cluster.status["latestVersion"] == 2
    cluster.edit(rollback=None).go()
    assert cluster.rollout == (2, "Complete")


def test_what_the_cli_writes() -> None:
    cluster = complete("a", "b").image("c", number=7)
    spec = DeploymentConfigSpec.model_validate(cluster.dc["spec"])
    streams = cluster.streams
    assert hold.baseline(spec, streams=streams) == 7
    assert hold.baseline(spec, streams={}) == 0
    written = rollback_patch(to_revision=1, baseline=7, requested_at="t")
    assert written == {"spec": {"rollback": {"toRevision": 1, "baseline": 7, "requestedAt": "t"}}}
    assert latest_patch("t") == {"spec": {"rollout": {"latest": "t"}}}
    assert unpin_patch() == {"spec": {"rollback": None}}
