"""A rollback holds its revision: what releases it, what is withheld, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from paas.deployments import pin
from paas.deployments.model import DeploymentConfigSpec, latest_patch, rollback_patch, unpin_patch
from paas.kube.plan import Apply, Status
from tests.deployments.simulator import CONFIG_CHANGE, World, complete, digest, image_trigger, template

HELD = "True/RollbackHeld"


def held() -> World:
    """Revision 2 was rolled back to 1; the baseline is Build 2."""
    return complete("a", "b").pin(1).go()


def test_it_brings_back_image_and_template() -> None:
    world = complete("a")
    world.edit(template=template(env="2")).image("b").go()
    world.pin(1).go()
    assert world.running == (1, digest("a"), "1")
    assert world.rollout == (1, "Complete")
    assert world.status["activeRevision"] == 1
    assert world.status["latestVersion"] == 2
    assert world.status["hold"]["withheld"] == 0
    assert world.ready_reason() == HELD
    assert "paas unpin shop" in (world.condition("Ready") or {})["message"]
    assert "RollbackHeld" in world.reasons()


@pytest.mark.parametrize("cause", ["ImageChange", "Manual", "ConfigChange", ""])
def test_an_image_without_new_source_is_withheld_and_counted(cause: str) -> None:
    world = held().image("c", cause=cause).go()
    assert world.running[0] == 1
    assert world.status["hold"]["withheld"] == 1
    world.image("d", cause=cause).go()
    assert world.status["hold"]["withheld"] == 2
    assert "2 newer images withheld" in (world.condition("Ready") or {})["message"]


@pytest.mark.parametrize("cause", ["Push", "WebHook"])
def test_new_source_releases_it(cause: str) -> None:
    world = held().image("base", cause="ImageChange").go()
    world.image("c", cause=cause).go()
    assert world.running[:2] == (3, digest("c"))
    assert "hold" not in world.status
    assert world.status["released"]["message"] == "Build shop-4 brought new source"
    assert "PinReleased" in world.reasons()


def test_the_release_is_a_verdict_of_its_own() -> None:
    world = held().image("c")
    made = world.step()
    assert isinstance(made.actions[0], Status)
    assert not any(isinstance(action, Apply) for action in made.actions)
    assert world.running[0] == 1
    world.go()
    assert world.running[:2] == (3, digest("c"))


@pytest.mark.parametrize("change", [{"rollback": None}, {"template": template(env="2")}])
def test_nobody_takes_a_release_for_the_end(change: dict[str, Any]) -> None:
    world = held().edit(**change)
    world.step()
    assert "hold" not in world.status
    assert world.status["observedGeneration"] < world.dc["metadata"]["generation"]
    world.step()
    assert world.status["observedGeneration"] == world.dc["metadata"]["generation"]
    assert world.rollout[1] == "New"


def test_a_source_change_that_was_overlaid_by_a_rebuild_still_counts() -> None:
    world = held().image("c", cause="Push").image("d", cause="ImageChange").go()
    assert world.running[:2] == (3, digest("d"))


def test_an_older_build_that_ends_late_is_withheld() -> None:
    world = held()
    world.image("late", cause="Push", number=1).go()
    assert world.running[0] == 1
    assert world.status["hold"]["withheld"] == 1


def test_the_baseline_counts_builds_that_were_running_when_the_pin_was_set() -> None:
    world = complete("a", "b").pin(1, baseline=3).go()
    world.image("c", cause="Push").go()  # Build 3
    assert world.running[0] == 1
    world.image("d", cause="Push").go()  # Build 4
    assert world.running[:2] == (3, digest("d"))


def test_builds_of_a_new_buildconfig_are_numbered_apart() -> None:
    world = held().image("c", cause="Push", number=1, uid="bc-2").go()
    assert world.running[:2] == (3, digest("c"))


def test_the_retry_of_a_lost_build_counts_as_what_it_repeats() -> None:
    world = held().image("rebuilt", cause="Retry", commit="b").go()
    assert world.running[0] == 1
    world.image("unknown", cause="Retry", commit="").go()
    assert world.running[0] == 1
    world.image("c", cause="Retry", commit="c").go()
    assert world.running[1] == digest("c")


def test_an_edited_template_releases_it() -> None:
    world = held().edit(template=template(env="2")).go()
    assert world.running == (3, digest("b"), "2")
    assert world.status["released"]["message"] == "the pod template was edited"


def test_an_edited_placeholder_does_not() -> None:
    world = held().edit(template=template(image="by-hand:1")).go()
    assert world.ready_reason() == HELD


def test_an_edited_template_does_not_when_config_change_is_off() -> None:
    world = complete("a", "b", triggers=[image_trigger()]).pin(1).go()
    world.edit(template=template(env="2")).go()
    assert world.ready_reason() == HELD


def test_an_image_that_is_not_automatic_does_not() -> None:
    world = World(triggers=[CONFIG_CHANGE, image_trigger(automatic=False)], rollout={"latest": "1"}).image(
        "a"
    )
    world.go().image("b").edit(rollout={"latest": "2"}).go()
    world.pin(1).go().image("c").go()
    assert world.ready_reason() == HELD
    assert world.status["hold"]["withheld"] == 0


def test_a_rollout_by_hand_releases_it() -> None:
    world = held().edit(rollout={"latest": "now"}).go()
    assert world.running[:2] == (3, digest("b"))
    assert "by hand" in world.status["released"]["message"]


def test_a_request_that_was_there_before_does_not() -> None:
    world = complete("a", "b").edit(rollout={"latest": "x"}).go().pin(1).go()
    assert world.ready_reason() == HELD


def test_unpin_goes_on_to_the_newest() -> None:
    world = held().edit(rollback=None).go()
    assert world.running[:2] == (2, digest("b"))
    assert world.rollout == (2, "Complete")
    assert "hold" not in world.status
    assert len(world.revisions) == 2


def test_unpin_brings_what_was_withheld() -> None:
    world = held().image("c", cause="ImageChange").go()
    world.edit(rollback=None).go()
    assert world.running[:2] == (3, digest("c"))


def test_unpin_does_not_try_again_what_had_failed() -> None:
    world = complete("a").image("b")
    world.broken = {2}
    world.settle().roll().settle().time_out().settle().ready().settle()
    world.pin(1).go()
    world.edit(rollback=None).go()
    assert world.running[0] == 1
    world.edit(rollout={"latest": "again"})
    world.go()
    assert world.running[:2] == (3, digest("b"))


def test_unpin_takes_up_a_rollout_that_the_rollback_had_cut_short() -> None:
    world = complete("a").image("b").settle().roll().settle()
    world.pin(1).go()
    assert world.running[0] == 1
    world.edit(rollback=None).go()
    assert world.rollout == (2, "Complete")


def test_a_released_request_holds_no_more_and_a_new_one_does() -> None:
    world = held().edit(template=template(env="2")).go()
    world.image("c", cause="ImageChange").go()
    assert world.running == (4, digest("c"), "2")
    world.pin(1, at="t2").go()
    assert world.running[0] == 1
    assert world.ready_reason() == HELD
    assert "released" not in world.status
    world.edit(rollback=None).go()
    assert "released" not in world.status


def test_taking_a_released_request_away_changes_nothing() -> None:
    world = held().image("c").go()
    before = len(world.events)
    world.edit(rollback=None).go()
    assert "released" not in world.status
    assert world.running[0] == 3
    assert len(world.events) == before


def test_another_revision_can_be_pinned_at_once() -> None:
    world = complete("a", "b", "c").pin(2).go().pin(1, at="t2").go()
    assert world.running[0] == 1
    assert world.status["hold"]["revision"] == 1


def test_pinning_what_runs_rolls_out_nothing_and_holds() -> None:
    world = complete("a")
    applies = world.applies()
    world.pin(1).go().image("b", cause="ImageChange").go()
    assert world.ready_reason() == HELD
    assert world.applies() == applies
    assert world.status["hold"]["withheld"] == 1


def test_pinning_while_the_deployment_is_on_its_way_back() -> None:
    world = complete("a").image("b")
    world.broken = {2}
    world.settle().roll().settle().time_out().settle()
    world.pin(1).go()
    assert world.rollout == (1, "Complete")
    assert world.ready_reason() == HELD


def test_a_revision_that_does_not_exist_stops_everything_and_says_so() -> None:
    world = complete("a", "b").pin(9).image("c").go()
    assert world.ready_reason() == "False/InvalidSpec"
    assert "kept: 1, 2" in (world.condition("Stalled") or {})["message"]
    assert world.running[0] == 2
    world.edit(rollback=None).go()
    assert world.running[1] == digest("c")


def test_not_even_an_unrecorded_revision_is_rolled_out_under_a_pin_to_nothing() -> None:
    world = complete("a").image("b")
    world.step(actions=1)  # shop-2 exists; nothing says so yet
    world.pin(9).go()
    assert world.running[0] == 1


def test_nothing_at_all_can_be_pinned_before_the_first_revision() -> None:
    world = World().pin(1).image("a").go()
    assert "kept: none" in (world.condition("Stalled") or {})["message"]
    assert world.deployment is None


def test_a_pinned_revision_that_was_taken_away_keeps_what_runs() -> None:
    world = held()
    del world.revisions["shop-1"]
    world.image("c", cause="ImageChange").go()
    assert world.running[0] == 1
    assert world.ready_reason() == "False/InvalidSpec"


def test_a_pinned_revision_that_fails_goes_back_and_stays_back() -> None:
    world = complete("a", "b")
    world.broken = {1}
    world.pin(1).settle().roll().settle().time_out().sleep(601).settle().ready().settle()
    assert world.rollout == (1, "Failed")
    assert world.running[0] == 2
    world.image("c", cause="ImageChange").sleep(3600).go()
    assert world.running[0] == 2
    assert world.status["hold"]["withheld"] == 1
    world.broken.clear()
    world.pin(1, at="again").go()
    assert world.rollout == (1, "Complete")


def test_a_lost_status_is_held_again() -> None:
    world = held().image("c", cause="ImageChange").go()
    del world.dc["status"]
    world.go()
    assert world.running[0] == 1
    assert world.ready_reason() == HELD


def test_an_unrecorded_revision_waits_while_one_is_held() -> None:
    world = complete("a").image("b")
    world.step(actions=1)  # shop-2 exists; nothing says so yet
    world.pin(1).go()
    assert world.running[0] == 1
    assert world.status["latestVersion"] == 2
    world.edit(rollback=None).go()
    assert world.rollout == (2, "Complete")


def test_what_the_cli_writes() -> None:
    world = complete("a", "b").image("c", number=7)
    spec = DeploymentConfigSpec.model_validate(world.dc["spec"])
    streams = dict(world.observe().streams)
    assert pin.baseline(spec, streams=streams) == 7
    assert pin.baseline(spec, streams={}) == 0
    written = rollback_patch(to_revision=1, baseline=7, requested_at="t")
    assert written == {"spec": {"rollback": {"toRevision": 1, "baseline": 7, "requestedAt": "t"}}}
    assert latest_patch("t") == {"spec": {"rollout": {"latest": "t"}}}
    assert unpin_patch() == {"spec": {"rollback": None}}
