"""What makes a revision, and of what it is made."""

from __future__ import annotations

import pytest

from tests.deployments.simulator import CONFIG_CHANGE, World, complete, digest, image_trigger, template


def latest(world: World, token: str) -> World:
    return world.edit(rollout={"latest": token})


def made_of(world: World) -> list[tuple[str, str]]:
    """Image and LEVEL of each revision, oldest first."""
    found = sorted(world.revisions.values(), key=lambda r: r["revision"])
    containers = [revision["data"]["template"]["spec"]["containers"][0] for revision in found]
    return [(c["image"].partition("@")[2] or c["image"], c["env"][0]["value"]) for c in containers]


def test_the_first_rollout_waits_for_every_image() -> None:
    world = World().settle()
    assert (world.deployment, world.revisions) == (None, {})
    assert world.ready_reason() == "False/WaitingForImage"
    world.image("a").go()
    assert made_of(world) == [(digest("a"), "1")]
    assert world.rollout == (1, "Complete")
    assert world.ready_reason() == "True/Reconciled"


def test_without_image_triggers_the_image_is_that_of_the_template() -> None:
    world = World(triggers=[CONFIG_CHANGE], template=template(image="nginx:1")).go()
    assert made_of(world) == [("nginx:1", "1")]


def test_absent_triggers_mean_config_change() -> None:
    world = World(template=template(image="nginx:1"))
    del world.dc["spec"]["triggers"]
    world.go().edit(template=template(image="nginx:2")).go()
    assert made_of(world) == [("nginx:1", "1"), ("nginx:2", "1")]


def test_an_edited_template_and_a_new_image_each_make_a_revision() -> None:
    world = complete("a")
    world.edit(template=template(env="2")).go()
    world.image("b").go()
    assert made_of(world) == [(digest("a"), "1"), (digest("a"), "2"), (digest("b"), "2")]
    causes = [c["type"] for c in world.status["details"]["causes"]]
    assert causes == ["ImageChange"]
    assert world.status["rollout"]["build"] == "shop-2"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda world: world.image("a"), id="the same digest again"),
        pytest.param(
            lambda world: world.edit(template=template(image="by-hand:1")), id="a covered image edited"
        ),
        pytest.param(lambda world: world.edit(replicas=5), id="scaled"),
        pytest.param(lambda world: world.edit(minReadySeconds=5), id="another strategy"),
        pytest.param(
            lambda world: world.edit(
                template=template() | {"metadata": {"labels": {"app": "shop"}, "name": None}}
            ),
            id="a null in the metadata",
        ),
        pytest.param(lambda world: world.items.clear() or world, id="the stream is gone"),
    ],
)
def test_what_makes_no_revision(change) -> None:  # type: ignore[no-untyped-def]
    world = complete("a")
    change(world).go()
    assert len(world.revisions) == 1
    assert world.running == (1, digest("a"), "1")
    assert world.rollout == (1, "Complete")


def test_without_triggers_only_a_person_starts_rollouts() -> None:
    world = World(triggers=[], template=template(image="nginx:1")).settle()
    assert world.ready_reason() == "False/WaitingForRollout"
    assert world.deployment is None
    latest(world, "1").go()
    assert made_of(world) == [("nginx:1", "1")]
    world.edit(template=template(image="nginx:2")).go()
    assert len(world.revisions) == 1
    assert "rollout latest" in (world.condition("Ready") or {})["message"]
    latest(world, "2").go()
    assert made_of(world)[-1] == ("nginx:2", "1")


def test_an_edit_rides_along_with_the_next_image_when_config_change_is_off() -> None:
    world = complete("a", triggers=[image_trigger()])
    world.edit(template=template(env="2")).go()
    assert len(world.revisions) == 1
    world.image("b").go()
    assert made_of(world)[-1] == (digest("b"), "2")


def test_a_trigger_that_is_not_automatic_is_resolved_by_hand_alone() -> None:
    world = World(triggers=[CONFIG_CHANGE, image_trigger(automatic=False)]).image("a").settle()
    assert world.ready_reason() == "False/WaitingForRollout"
    latest(world, "1").go()
    assert made_of(world) == [(digest("a"), "1")]
    world.image("b").go()
    assert len(world.revisions) == 1
    world.edit(template=template(env="2")).go()
    assert made_of(world)[-1] == (digest("a"), "2"), "a config change keeps the image"
    latest(world, "2").go()
    assert made_of(world)[-1] == (digest("b"), "2")


def test_by_hand_also_waits_for_an_image() -> None:
    world = latest(World(triggers=[image_trigger(automatic=False)]), "1").settle()
    assert world.ready_reason() == "False/WaitingForImage"
    world.image("a").go()
    assert world.rollout == (1, "Complete")


def test_a_request_is_answered_once() -> None:
    world = complete("a")
    latest(world, "1").go()
    assert [c["type"] for c in world.status["details"]["causes"]] == ["Manual"]
    assert len(world.revisions) == 2
    world.image("b").go()
    world.edit(rollout=None).go()
    assert len(world.revisions) == 3
    latest(world, "1").go()
    assert len(world.revisions) == 3, "it is the request that revision 2 answered"


def test_a_trigger_added_for_the_image_that_runs_rolls_out_nothing() -> None:
    pinned = f"registry/demo/shop@{digest('a')}"
    world = World(triggers=[CONFIG_CHANGE], template=template(image=pinned)).go()
    world.image("a").edit(triggers=[CONFIG_CHANGE, image_trigger()]).go()
    assert len(world.revisions) == 1
    world.image("b").go()
    assert made_of(world)[-1] == (digest("b"), "1")


def test_a_trigger_added_without_an_image_holds_the_next_revision_back() -> None:
    world = World(triggers=[CONFIG_CHANGE], template=template(image="nginx:1")).go()
    world.edit(triggers=[CONFIG_CHANGE, image_trigger()], template=template(env="2")).go()
    assert world.ready_reason() == "False/WaitingForImage"
    assert world.running[0] == 1
    world.image("a").go()
    assert made_of(world)[-1] == (digest("a"), "2")


def test_a_trigger_taken_away_lets_the_written_image_count() -> None:
    world = complete("a").edit(triggers=[CONFIG_CHANGE]).go()
    assert world.running == (1, digest("a"), "1")
    assert "container web has no image" in (world.condition("Stalled") or {})["message"]
    world.edit(template=template(image="nginx:1")).go()
    assert made_of(world)[-1] == ("nginx:1", "1")


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        (
            image_trigger(container="worker"),
            "container worker, which the template does not have (it has: web)",
        ),
        (image_trigger(namespace="other"), "streams of other namespaces are not supported yet"),
    ],
)
def test_a_trigger_that_cannot_work_is_said_and_nothing_is_rolled_out(trigger: dict, says: str) -> None:  # type: ignore[type-arg]
    world = complete("a").edit(triggers=[CONFIG_CHANGE, trigger], template=template(env="2")).go()
    assert world.ready_reason() == "False/InvalidSpec"
    assert says in (world.condition("Stalled") or {})["message"]
    assert world.running == (1, digest("a"), "1")


def test_two_triggers_for_one_container_are_refused() -> None:
    world = World(triggers=[image_trigger(), image_trigger(tag="shop:v2")]).settle()
    assert "two image triggers set the image of container web" in (world.condition("Ready") or {})["message"]


def test_a_trigger_may_name_its_own_namespace_and_init_containers() -> None:
    pods = template()
    pods["spec"]["initContainers"] = [{"name": "migrate"}]
    trigger = image_trigger(namespace="demo")
    trigger["imageChangeParams"]["containerNames"] = ["web", "migrate"]
    world = World(triggers=[trigger], template=pods).image("a").go()
    spec = world.deployment["spec"]["template"]["spec"]  # type: ignore[index]
    images = {container["image"] for field in ("containers", "initContainers") for container in spec[field]}
    assert images == {f"registry/demo/shop@{digest('a')}"}


def test_a_stream_that_cannot_be_read_counts_as_empty() -> None:
    world = World().image("a")
    world.items[0]["image"] = "not a digest"
    assert world.settle().ready_reason() == "False/WaitingForImage"


def test_a_tag_that_the_stream_does_not_have() -> None:
    world = World(triggers=[image_trigger(tag="shop:v2")]).image("a").settle()
    assert world.ready_reason() == "False/WaitingForImage"
