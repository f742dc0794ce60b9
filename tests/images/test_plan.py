"""The plan of an ImageStream: status, events, and silence when nothing is new."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paas.images.history as history_module
import paas.images.plan as plan_module
from paas.api.image import current
from paas.images.history import TAGS_PER_STREAM
from paas.images.plan import Observed, plan
from paas.reconcile.plan import Event, Plan, Status
from paas.settings import Settings
from tests.images.fake_cluster import NOW, applied, builds_strategy, condition, planned
from tests.support.branches import every_branch
from tests.support.completed_builds import build, digest, stream


def test_an_empty_stream_says_where_images_will_be_and_how_to_make_one():
    after = applied(planned(Observed(stream())), stream())
    assert after["status"]["dockerImageRepository"] == "registry.test:5000/demo/shop"
    assert condition(after) == ("False", "NoImagesYet")
    assert "paas start-build" in after["status"]["conditions"][0]["message"]


def test_a_completed_build_moves_the_tag_and_is_told():
    result = planned(Observed(stream(), (build(1, image="a"),)))
    after = applied(result, stream())
    assert condition(after) == ("True", "Reconciled")
    assert after["status"]["tagNames"] == "latest"
    item = current(after, "latest")
    assert item is not None
    assert item.docker_image_reference == f"registry.test:5000/demo/shop@{digest('a')}"
    assert current(after, "edge") is None
    assert current(None, "latest") is None
    (told,) = [action for action in result.actions if isinstance(action, Event)]
    assert told.reason == "TagUpdated"
    assert "shop-1" in told.message


def test_the_same_image_built_again_is_recorded_but_not_told():
    after = applied(planned(Observed(stream(), (build(1, image="a", at=1),))), stream())
    result = planned(Observed(after, (build(2, image="a", at=2),)))
    assert [type(action) for action in result.actions] == [Status]


def test_a_status_that_cannot_be_read_is_made_anew_from_the_builds():
    broken = stream(tags=[{"tag": "latest", "items": [{"image": "nonsense"}]}])
    after = applied(planned(Observed(broken, (build(1),))), broken)
    assert current(after, "latest") is not None


def test_another_registry_address_is_taken_over_for_what_comes_next():
    after = applied(planned(Observed(stream(), (build(1, image="a", at=1),))), stream())
    moved = plan(
        Observed(after, (build(2, image="b", at=2),)), now=NOW, settings=Settings(registry_pull="new.test")
    )
    items = applied(moved, after)["status"]["tags"][0]["items"]
    assert [item["dockerImageReference"].split("/")[0] for item in items] == [
        "new.test",
        "registry.test:5000",
    ]


BROKEN = {"tags": "nonsense"}
MANY_TAGS = {
    "tags": [{"tag": f"t{n}" + "x" * 30, "items": []} for n in range(TAGS_PER_STREAM)],
    "conditions": [],
}


@settings(max_examples=120, derandomize=True)
@given(
    st.sampled_from([{}, {}, {}, {}, BROKEN, BROKEN, MANY_TAGS]),
    builds_strategy,
    builds_strategy,
    st.integers(0, 100_000),
)
def a_plan_after_its_plan_was_applied_is_empty(status, builds, more, later):
    one = stream(**status)
    for number, seen in enumerate((builds, builds + more)):
        for odd in seen[:1]:
            odd["spec"]["output"]["to"].setdefault("namespace", [None, "other"][number])
        if len(seen) > 3:
            seen[3]["status"]["completionTimestamp"] = "yesterday"
        if len(seen) > 4:
            seen[4]["spec"]["output"]["to"]["name"] = "Not A Stream"
        if len(seen) > 5:
            seen[5]["spec"]["output"]["to"] = {"kind": "DockerImage", "name": "x"}
        if len(seen) > 6:
            seen[6]["status"]["completionTimestamp"] = "2026-01-01T10:00:03"
        one = applied(planned(Observed(one, tuple(seen))), one)
        assert planned(Observed(one, tuple(seen)), NOW + timedelta(seconds=later)) == Plan()


@pytest.mark.parametrize("module", [plan_module, history_module], ids=["plan", "history"])
def test_a_plan_after_its_plan_was_applied_is_empty_and_every_branch_was_reached(module):
    with every_branch(module) as missed:
        a_plan_after_its_plan_was_applied_is_empty()
    assert missed == []


def test_a_stream_takes_no_more_tags_than_it_can_hold():
    full = stream(**MANY_TAGS)
    after = applied(planned(Observed(full, (build(1, to="shop:latest"), build(2, to="shop:t0")))), full)
    tags = [history["tag"] for history in after["status"]["tags"]]
    assert len(tags) == TAGS_PER_STREAM
    assert "latest" not in tags
    assert after["status"]["tagNames"].endswith("...")
