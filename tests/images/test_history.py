"""How completed Builds become a tag's history: OpenShift's add-event rules and the number guard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.image import TagHistory
from paas.images import history as history_module
from paas.images.history import merge, output
from paas.registry.reference import target
from tests.images.fake_cluster import builds_strategy
from tests.support.completed_builds import build, digest, moment

REPOSITORY = "registry.test:5000/demo/shop"


def merged(*builds, onto=()):
    return merge(onto, builds, repository=REPOSITORY, generation=1)


def seen(histories: tuple[TagHistory, ...], tag: str = "latest") -> list[tuple[str, str]]:
    items = next((history.items for history in histories if history.tag == tag), ())
    return [(item.build, item.image[7]) for item in items]


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (f"pull.test/demo/uid_1/shop@{digest('a')}", f"pull.test/demo/uid_1/shop@{digest('a')}"),
        (f"pull.test/demo/uid_1/shop@{digest('b')}", f"{REPOSITORY}@{digest('a')}"),
        ("", f"{REPOSITORY}@{digest('a')}"),
    ],
)
def test_an_image_is_where_its_build_says_if_it_says_it_of_that_image(said: str, stored: str) -> None:
    done = build(1, image="a")
    done = {**done, "status": {**done["status"], "outputDockerImageReference": said}}
    (history,) = merged(done)
    assert history.items[0].docker_image_reference == stored


CASES = {
    "nothing completed, nothing to say": ([build(1, phase="Running"), build(2, phase="Failed")], []),
    "the first image becomes the current one": ([build(1, image="a")], [("shop-1", "a")]),
    "another image goes on top": (
        [build(1, image="a", at=1), build(2, image="b", at=2)],
        [("shop-2", "b"), ("shop-1", "a")],
    ),
    "the same image updates the current item in place": (
        [build(1, image="a", at=1), build(2, image="a", at=2)],
        [("shop-2", "a")],
    ),
    "an image that was current before comes back on top": (
        [build(1, image="a", at=1), build(2, image="b", at=2), build(3, image="a", at=3)],
        [("shop-3", "a"), ("shop-2", "b"), ("shop-1", "a")],
    ),
    "an overtaken build of the same BuildConfig never moves the tag back": (
        [build(2, image="b", at=1), build(1, image="a", at=2)],
        [("shop-2", "b")],
    ),
    "of two BuildConfigs the later completion wins, whatever the numbers": (
        [build(7, image="a", at=1), build(1, image="b", at=2, config="api")],
        [("api-1", "b"), ("shop-7", "a")],
    ),
    "a Build without a digest brings nothing": (
        [{**build(1), "status": {"phase": "Complete", "completionTimestamp": moment(1)}}],
        [],
    ),
    "a Build of which no time is known brings nothing": (
        [{**build(1), "status": {**build(1)["status"], "completionTimestamp": "yesterday"}}],
        [],
    ),
}


@pytest.mark.parametrize(("builds", "expected"), CASES.values(), ids=CASES.keys())
def test_merging_builds(builds, expected):
    assert seen(merged(*builds)) == expected
    assert seen(merged(*reversed(builds))) == expected


def test_an_overtaken_build_seen_later_is_left_out():
    first = merged(build(2, image="b", at=1))
    assert merged(build(2, image="b", at=1), build(1, image="a", at=2), onto=first) == first
    assert merged(build(1, image="a", at=2), onto=first) == first  # though its overtaker was pruned


def test_a_number_guard_does_not_hold_against_a_buildconfig_made_anew():
    old = merged(build(40, image="a", at=1))
    again = build(1, image="b", at=2)
    again["spec"]["buildConfigUid"] = "uid-shop-made-again"
    assert seen(merged(again, onto=old)) == [("shop-1", "b"), ("shop-40", "a")]


def test_the_earlier_completion_of_another_buildconfig_seen_late_is_left_out():
    first = merged(build(1, image="b", at=5, config="api"))
    assert merged(build(9, image="a", at=4), onto=first) == first


def test_an_item_is_never_dated_before_the_one_below_it():
    first = merged(build(5, image="a", at=10))
    (history,) = merged(build(6, image="b", at=5), onto=first)
    assert [(item.build, item.created) for item in history.items] == [
        ("shop-6", moment(10)),
        ("shop-5", moment(10)),
    ]


def test_pruned_builds_stay_in_the_history():
    first = merged(build(1, image="a", at=1))
    assert seen(merged(build(2, image="b", at=2), onto=first)) == [("shop-2", "b"), ("shop-1", "a")]
    assert merged(onto=first) == first


def test_tags_are_apart_and_sorted():
    histories = merged(build(1, image="a", at=1), build(2, image="b", at=2, to="shop:edge"))
    assert [history.tag for history in histories] == ["edge", "latest"]
    assert seen(histories, "edge") == [("shop-2", "b")]


def test_an_item_says_where_it_comes_from():
    (history,) = merged(build(3, image="c", at=61))
    item = history.items[0]
    assert item.dump() == {
        "created": "2026-01-01T10:01:01Z",
        "dockerImageReference": f"{REPOSITORY}@{digest('c')}",
        "image": digest("c"),
        "generation": 1,
        "build": "shop-3",
        "buildConfigUid": "uid-shop",
        "buildNumber": 3,
        "commit": f"{3:040x}",
        "cause": "Push",
    }


def test_the_commit_that_was_fetched_counts():
    of_a_head = build(1, image="a")
    of_a_head["spec"]["revision"] = {"git": {}}
    of_a_head["status"]["commit"] = "f" * 40
    (history,) = merged(of_a_head)
    assert history.items[0].commit == "f" * 40


def test_a_hundred_items_are_kept_and_the_oldest_go():
    builds = [build(n, image="0123456789abcdef"[n % 16], at=n) for n in range(1, 131)]
    (history,) = merged(*builds)
    assert [item.build_number for item in history.items] == list(range(130, 30, -1))
    assert merged(*builds, onto=(history,)) == (history,)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ({"kind": "ImageStreamTag", "name": "shop:edge"}, "shop:edge"),
        ({"kind": "ImageStreamTag", "name": "shop"}, "shop:latest"),
        ({"name": "shop:latest", "namespace": "demo"}, "shop:latest"),
        ({"kind": "ImageStreamTag", "name": "shop:latest", "namespace": "other"}, None),
        ({"kind": "DockerImage", "name": "registry.test/x:1"}, None),
        ({"kind": "ImageStreamTag", "name": "Shop:latest"}, None),
        ({"kind": "ImageStreamTag"}, None),
        ({}, None),
    ],
)
def test_the_stream_that_a_build_feeds(to, expected):
    one = build(1)
    one["spec"]["output"]["to"] = to
    assert (None if (found := target(one)) is None else str(found)) == expected
    assert (output(one) is None) == (expected is None)


@given(builds_strategy, st.randoms(), st.integers(1, 5))
def test_merging_again_changes_nothing_and_order_does_not_matter(builds, random, limit):
    whole, history_module.HISTORY_LIMIT = history_module.HISTORY_LIMIT, limit
    try:
        first = merged(*builds)
        assert merged(*builds, onto=first) == first
        random.shuffle(builds)
        assert merged(*builds) == first
        for history in first:
            created = [item.created for item in history.items]
            assert created == sorted(created, reverse=True)
    finally:
        history_module.HISTORY_LIMIT = whole


@given(builds_strategy)
def test_a_tag_never_goes_back_however_builds_are_seen(builds):
    """Merged one by one, in any order: the numbers of one BuildConfig only grow from bottom to top."""
    histories: tuple[TagHistory, ...] = ()
    for count in range(1, len(builds) + 1):
        histories = merged(*builds[:count], onto=histories)
    for history in histories:
        for uid in {item.build_config_uid for item in history.items}:
            numbers = [item.build_number for item in history.items if item.build_config_uid == uid]
            assert numbers == sorted(numbers, reverse=True)
