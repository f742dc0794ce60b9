"""What makes a revision, and of what it is made."""

from __future__ import annotations

import pytest

from paas.deployments import triggers
from tests.deployments.fake_cluster import (
    CONFIG_CHANGE,
    FakeCluster,
    complete,
    digest,
    image_trigger,
    template,
)


def latest(cluster: FakeCluster, token: str) -> FakeCluster:
    return cluster.edit(rollout={"latest": token})


def made_of(cluster: FakeCluster) -> list[tuple[str, str]]:
    """Image and LEVEL of each revision, oldest first."""
    found = sorted(cluster.revisions.values(), key=lambda r: r["revision"])
    containers = [revision["data"]["template"]["spec"]["containers"][0] for revision in found]
    return [(c["image"].partition("@")[2] or c["image"], c["env"][0]["value"]) for c in containers]


def test_the_first_rollout_waits_for_every_image() -> None:
    cluster = FakeCluster().settle()
    assert (cluster.deployment, cluster.revisions) == (None, {})
    assert cluster.ready_reason() == "False/WaitingForImage"
    cluster.image("a").go()
    assert made_of(cluster) == [(digest("a"), "1")]
    assert cluster.rollout == (1, "Complete")
    assert cluster.ready_reason() == "True/Reconciled"


def test_without_image_triggers_the_image_is_that_of_the_template() -> None:
    cluster = FakeCluster(triggers=[CONFIG_CHANGE], template=template(image="nginx:1")).go()
    assert made_of(cluster) == [("nginx:1", "1")]


def test_absent_triggers_mean_config_change() -> None:
    cluster = FakeCluster(template=template(image="nginx:1"))
    del cluster.dc["spec"]["triggers"]
    cluster.go().edit(template=template(image="nginx:2")).go()
    assert made_of(cluster) == [("nginx:1", "1"), ("nginx:2", "1")]


def test_an_edited_template_and_a_new_image_each_make_a_revision() -> None:
    cluster = complete("a")
    cluster.edit(template=template(env="2")).go()
    cluster.image("b").go()
    assert made_of(cluster) == [(digest("a"), "1"), (digest("a"), "2"), (digest("b"), "2")]
    causes = [c["type"] for c in cluster.status["details"]["causes"]]
    assert causes == ["ImageChange"]
    assert cluster.status["rollout"]["build"] == "shop-2"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda cluster: cluster.image("a"), id="the same digest again"),
        pytest.param(
            lambda cluster: cluster.edit(template=template(image="by-hand:1")), id="a covered image edited"
        ),
        pytest.param(lambda cluster: cluster.edit(replicas=5), id="scaled"),
        pytest.param(lambda cluster: cluster.edit(minReadySeconds=5), id="another strategy"),
        pytest.param(
            lambda cluster: cluster.edit(
                template=template() | {"metadata": {"labels": {"app": "shop"}, "name": None}}
            ),
            id="a null in the metadata",
        ),
        pytest.param(lambda cluster: cluster.items.clear() or cluster, id="the stream is gone"),
    ],
)
def test_what_makes_no_revision(change) -> None:  # type: ignore[no-untyped-def]
    cluster = complete("a")
    change(cluster).go()
    assert len(cluster.revisions) == 1
    assert cluster.running == (1, digest("a"), "1")
    assert cluster.rollout == (1, "Complete")


def test_without_triggers_only_a_person_starts_rollouts() -> None:
    cluster = FakeCluster(triggers=[], template=template(image="nginx:1")).settle()
    assert cluster.ready_reason() == "False/WaitingForRollout"
    assert cluster.deployment is None
    latest(cluster, "1").go()
    assert made_of(cluster) == [("nginx:1", "1")]
    cluster.edit(template=template(image="nginx:2")).go()
    assert len(cluster.revisions) == 1
    assert "rollout latest" in (cluster.condition("Ready") or {})["message"]
    latest(cluster, "2").go()
    assert made_of(cluster)[-1] == ("nginx:2", "1")


def test_an_edit_rides_along_with_the_next_image_when_config_change_is_off() -> None:
    cluster = complete("a", triggers=[image_trigger()])
    cluster.edit(template=template(env="2")).go()
    assert len(cluster.revisions) == 1
    cluster.image("b").go()
    assert made_of(cluster)[-1] == (digest("b"), "2")


@pytest.mark.guard(
    triggers,
    "taken = current if current is not None and (trigger.automatic or manual) else None",
    "taken = current",
)
def test_a_trigger_that_is_not_automatic_is_resolved_by_hand_alone() -> None:
    cluster = FakeCluster(triggers=[CONFIG_CHANGE, image_trigger(automatic=False)]).image("a").settle()
    assert cluster.ready_reason() == "False/WaitingForRollout"
    latest(cluster, "1").go()
    assert made_of(cluster) == [(digest("a"), "1")]
    cluster.image("b").go()
    assert len(cluster.revisions) == 1
    cluster.edit(template=template(env="2")).go()
    assert made_of(cluster)[-1] == (digest("a"), "2"), "a config change keeps the image"
    latest(cluster, "2").go()
    assert made_of(cluster)[-1] == (digest("b"), "2")


def test_by_hand_also_waits_for_an_image() -> None:
    cluster = latest(FakeCluster(triggers=[image_trigger(automatic=False)]), "1").settle()
    assert cluster.ready_reason() == "False/WaitingForImage"
    cluster.image("a").go()
    assert cluster.rollout == (1, "Complete")


def test_a_request_is_answered_once() -> None:
    cluster = complete("a")
    latest(cluster, "1").go()
    assert [c["type"] for c in cluster.status["details"]["causes"]] == ["Manual"]
    assert len(cluster.revisions) == 2
    cluster.image("b").go()
    cluster.edit(rollout=None).go()
    assert len(cluster.revisions) == 3
    latest(cluster, "1").go()
    assert len(cluster.revisions) == 3, "it is the request that revision 2 answered"


@pytest.mark.guard(triggers, "before = known or _running(newest, trigger)", "before = known")
def test_a_trigger_added_for_the_image_that_runs_rolls_out_nothing() -> None:
    pinned = f"registry/demo/shop@{digest('a')}"
    cluster = FakeCluster(triggers=[CONFIG_CHANGE], template=template(image=pinned)).go()
    cluster.image("a").edit(triggers=[CONFIG_CHANGE, image_trigger()]).go()
    assert len(cluster.revisions) == 1
    cluster.image("b").go()
    assert made_of(cluster)[-1] == (digest("b"), "1")


@pytest.mark.guard(triggers, "if missing:", "if False:")
def test_a_trigger_added_without_an_image_holds_the_next_revision_back() -> None:
    cluster = FakeCluster(triggers=[CONFIG_CHANGE], template=template(image="nginx:1")).go()
    cluster.edit(triggers=[CONFIG_CHANGE, image_trigger()], template=template(env="2")).go()
    assert cluster.ready_reason() == "False/WaitingForImage"
    assert cluster.running[0] == 1
    cluster.image("a").go()
    assert made_of(cluster)[-1] == (digest("a"), "2")


@pytest.mark.guard(
    triggers,
    'if container["name"] not in seen and not str(container.get("image") or "").strip():',
    "if False:",
)
def test_a_trigger_taken_away_lets_the_written_image_count() -> None:
    cluster = complete("a").edit(triggers=[CONFIG_CHANGE]).go()
    assert cluster.running == (1, digest("a"), "1")
    assert "container web has no image" in (cluster.condition("Stalled") or {})["message"]
    cluster.edit(template=template(image="nginx:1")).go()
    assert made_of(cluster)[-1] == ("nginx:1", "1")


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
    cluster = complete("a").edit(triggers=[CONFIG_CHANGE, trigger], template=template(env="2")).go()
    assert cluster.ready_reason() == "False/InvalidSpec"
    assert says in (cluster.condition("Stalled") or {})["message"]
    assert cluster.running == (1, digest("a"), "1")


def test_two_triggers_for_one_container_are_refused() -> None:
    cluster = FakeCluster(triggers=[image_trigger(), image_trigger(tag="shop:v2")]).settle()
    assert (
        "two image triggers set the image of container web" in (cluster.condition("Ready") or {})["message"]
    )


def test_a_trigger_may_name_its_own_namespace_and_init_containers() -> None:
    pods = template()
    pods["spec"]["initContainers"] = [{"name": "migrate"}]
    trigger = image_trigger(namespace="demo")
    trigger["imageChangeParams"]["containerNames"] = ["web", "migrate"]
    cluster = FakeCluster(triggers=[trigger], template=pods).image("a").go()
    spec = cluster.deployment["spec"]["template"]["spec"]  # type: ignore[index]
    images = {container["image"] for field in ("containers", "initContainers") for container in spec[field]}
    assert images == {f"registry/demo/shop@{digest('a')}"}


def test_a_stream_that_cannot_be_read_counts_as_empty() -> None:
    cluster = FakeCluster().image("a")
    cluster.items[0]["image"] = "not a digest"
    assert cluster.settle().ready_reason() == "False/WaitingForImage"


def test_a_tag_that_the_stream_does_not_have() -> None:
    cluster = FakeCluster(triggers=[image_trigger(tag="shop:v2")]).image("a").settle()
    assert cluster.ready_reason() == "False/WaitingForImage"
