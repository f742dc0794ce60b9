"""What a BuildConfig says about itself, what it remembers, and which Builds it keeps."""

from __future__ import annotations

import pytest

from paas.builds.model import ANNOTATION_PAUSED, TRIGGERS_KEPT, TriggerType
from paas.kube.plan import Delete
from tests.builds.world import World, push

EXTERNAL = {"git": {"uri": "https://git.example/team/shop.git"}}


def condition(world: World, type_: str) -> tuple[str, str, str]:
    assert world.config is not None
    for found in world.config["status"]["conditions"]:
        if found["type"] == type_:
            return found["status"], found["reason"], found["message"]
    return "", "", ""


def test_a_hosted_one_says_where_to_push() -> None:
    world = World().settle()
    assert world.config is not None
    assert world.config["status"]["repository"] == "https://paas.apps.localhost:8443/git/demo/shop.git"
    assert condition(world, "Ready")[:2] == ("True", "Reconciled")
    assert condition(world, "SourceResolved")[:2] == ("True", "Hosted")


def test_an_external_one_has_no_repository_here() -> None:
    world = World(source=EXTERNAL).settle()
    assert world.config is not None
    assert "repository" not in world.config["status"]
    assert condition(world, "SourceResolved")[1] == "External"


def test_a_missing_source_secret_or_stream_is_said_with_what_to_do() -> None:
    world = World(source={**EXTERNAL, "sourceSecret": {"name": "login"}})
    world.source_secret_missing = True
    world.settle()
    status, _, message = condition(world, "Ready")
    assert status == "False"
    assert "'login'" in message
    assert "username and password" in message
    world.source_secret_missing = False
    world.streams.clear()
    world.settle()
    assert condition(world, "Ready")[:2] == ("False", "InvalidOutputReference")
    assert condition(world, "SourceResolved")[0] == "True"


def test_a_spec_that_cannot_be_read_is_stalled_and_still_follows_its_builds() -> None:
    world = World()
    world.build(push(1))
    world.settle()
    assert world.config is not None
    del world.config["spec"]["output"]
    world.settle()
    assert condition(world, "Stalled")[1] == "InvalidSpec"
    assert "spec.output" in condition(world, "Ready")[2]
    world.succeed("shop-1")
    world.settle()
    assert world.phase("shop-1") == "Complete"


def test_what_the_server_wrote_into_the_status_stays() -> None:
    world = World()
    assert world.config is not None
    world.config["status"] = {"deliveries": [{"id": "1", "decision": "ignored", "reason": "other branch"}]}
    world.settle()
    assert world.config["status"]["deliveries"][0]["id"] == "1"


def test_trigger_ids_outlive_their_builds_and_the_last_fifty_are_kept() -> None:
    world = World(failedBuildsHistoryLimit=1)
    for number in range(1, TRIGGERS_KEPT + 6):
        world.build(push(number))
        world.settle()
        world.fail(f"shop-{number}")
        world.settle()
    assert world.config is not None
    kept = world.config["status"]["triggers"]
    assert len(kept) == TRIGGERS_KEPT
    assert kept[-1] == {"id": "push:55", "build": "shop-55"}
    assert set(world.builds) == {"shop-55"}
    assert world.config["status"]["lastVersion"] == 55
    assert world.build(push(55)) is world.builds["shop-55"]
    assert world.build(push(54)) is None, "it was pruned, and is remembered"
    fresh = world.build(push("another"))
    assert fresh is not None
    assert fresh["metadata"]["name"] == "shop-56"


def test_history_limits_count_successes_and_the_rest_apart_oldest_first() -> None:
    world = World(successfulBuildsHistoryLimit=2, failedBuildsHistoryLimit=1)
    for number in range(1, 8):
        world.build(push(number))
        world.settle()
        if number % 2:
            world.succeed(f"shop-{number}")
        else:
            world.fail(f"shop-{number}")
        world.settle()
        world.merge()
    world.settle()
    assert sorted(world.builds) == ["shop-5", "shop-6", "shop-7"]


def test_a_complete_build_goes_only_once_the_stream_has_it() -> None:
    world = World(successfulBuildsHistoryLimit=0)
    world.build(push(1))
    world.settle()
    world.succeed("shop-1")
    world.settle()
    assert set(world.builds) == {"shop-1"}
    world.merge()
    world.settle()
    assert not world.builds


def test_a_build_goes_only_once_its_trigger_is_noted() -> None:
    world = World(failedBuildsHistoryLimit=0)
    world.build(push(1))
    world.cancel("shop-1")
    while world.phase("shop-1") != "Cancelled":
        plan = world.step()
    assert not [action for action in plan.actions if isinstance(action, Delete)]
    world.settle()
    assert not world.builds


def test_a_lost_build_is_kept_until_it_was_run_again() -> None:
    world = World(failedBuildsHistoryLimit=0)
    world.build(push(1))
    world.settle()
    world.delete_job("shop-1")
    world.step()
    world.step(actions=1)  # the BuildConfig's status is written, the repetition is not made yet
    assert "shop-1" in world.builds
    world.settle()
    assert set(world.builds) == {"shop-2"}


@pytest.mark.parametrize("source", [EXTERNAL, {"git": {}}])
def test_config_change_builds_a_new_external_source_once(source: dict[str, object]) -> None:
    world = World(source=source, triggers=[{"type": "ConfigChange"}], failedBuildsHistoryLimit=0)
    world.settle()
    if source is not EXTERNAL:
        assert not world.builds
        return
    assert world.builds["shop-1"]["spec"]["trigger"]["type"] == TriggerType.CONFIG_CHANGE
    world.cancel("shop-1")
    world.settle()
    assert not world.builds, "pruned, and not made again"


def test_without_the_trigger_nothing_is_built() -> None:
    assert not World(source=EXTERNAL).settle().builds


def test_a_paused_one_builds_nothing() -> None:
    world = World(source=EXTERNAL, triggers=[{"type": "ConfigChange"}])
    assert world.config is not None
    world.config["metadata"]["annotations"] = {ANNOTATION_PAUSED: "true"}
    world.settle()
    assert not world.builds


def test_builds_left_behind_by_a_deleted_one_end_but_no_new_ones_start() -> None:
    world = World()
    world.build(push(1))
    world.build(push(2))
    world.settle()
    world.config = None
    world.succeed("shop-1")
    world.settle()
    assert world.phase("shop-1") == "Complete"
    assert world.phase("shop-2") == "New"
