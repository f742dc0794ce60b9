"""The plan of an ImageStream: status, events, and silence when nothing is new."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paas.images.history as history_module
import paas.images.plan as plan_module
from paas.api.image import TAG_LIMIT, current
from paas.images.plan import Observed, plan
from paas.reconcile.plan import Event, Plan, Status
from paas.settings import Settings
from tests.images.fake_cluster import NOW, REPOSITORIES, applied, builds_strategy, condition, planned
from tests.support.branches import every_branch
from tests.support.completed_builds import build, digest, stream


def test_an_empty_stream_says_where_images_will_be_and_how_to_make_one():
    after = applied(planned(Observed(stream(), REPOSITORIES)), stream())
    assert after["status"]["dockerImageRepository"] == "registry.test:5000/demo/uid_0123456789ab/shop"
    assert condition(after) == ("False", "NoImagesYet")
    assert "paas start-build" in after["status"]["conditions"][0]["message"]


def test_a_completed_build_moves_the_tag_and_is_told():
    result = planned(Observed(stream(), REPOSITORIES, (build(1, image="a"),)))
    after = applied(result, stream())
    assert condition(after) == ("True", "Reconciled")
    assert after["status"]["tagNames"] == "latest"
    item = current(after, "latest")
    assert item is not None
    assert item.docker_image_reference == f"registry.test:5000/demo/uid_0123456789ab/shop@{digest('a')}"
    assert current(after, "edge") is None
    assert current(None, "latest") is None
    (told,) = [action for action in result.actions if isinstance(action, Event)]
    assert told.reason == "TagUpdated"
    assert "shop-1" in told.message


def test_the_same_image_built_again_is_recorded_but_not_told():
    after = applied(planned(Observed(stream(), REPOSITORIES, (build(1, image="a", at=1),))), stream())
    result = planned(Observed(after, REPOSITORIES, (build(2, image="a", at=2),)))
    assert [type(action) for action in result.actions] == [Status]


def test_a_history_that_cannot_be_read_is_kept_as_it_is_and_says_so():
    """Its Builds are pruned: made again from them, it would forget images that revisions need."""
    item = {
        "image": "sha512:from-later",
        "dockerImageReference": "r" * 600,
        "created": "2026-01-01T10:00:00Z",
    }
    broken = stream(tags=[{"tag": "latest", "items": [item]}], updated="2026-01-01T10:00:00Z")
    after = applied(planned(Observed(broken, REPOSITORIES, (build(1),))), broken)
    assert {**after["status"], "conditions": None} == {**broken["status"], "conditions": None}
    assert condition(after) == ("False", "HistoryUnreadable")
    message = after["status"]["conditions"][0]["message"]
    assert message.startswith("status.tags.0.items.0.dockerImageReference: ")
    assert "kubectl patch is/shop -n demo --subresource=status" in message
    assert planned(Observed(after, REPOSITORIES, (build(1), build(2)))) == Plan()
    healed = applied(planned(Observed(stream(), REPOSITORIES, (build(1),))), stream())
    assert condition(healed) == ("True", "Reconciled")


def test_another_registry_address_is_taken_over_for_what_comes_next():
    after = applied(planned(Observed(stream(), REPOSITORIES, (build(1, image="a", at=1),))), stream())
    moved = plan(
        Observed(after, REPOSITORIES, (build(2, image="b", at=2),)),
        now=NOW,
        settings=Settings(registry_pull="new.test"),
    )
    items = applied(moved, after)["status"]["tags"][0]["items"]
    assert [item["dockerImageReference"].split("/")[0] for item in items] == [
        "new.test",
        "registry.test:5000",
    ]


BROKEN = {"tags": "nonsense"}
MANY_TAGS = {
    "tags": [{"tag": f"t{n}" + "x" * 30, "items": []} for n in range(TAG_LIMIT)],
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
        one = applied(planned(Observed(one, REPOSITORIES, tuple(seen))), one)
        assert planned(Observed(one, REPOSITORIES, tuple(seen)), NOW + timedelta(seconds=later)) == Plan()


@pytest.mark.parametrize("module", [plan_module, history_module], ids=["plan", "history"])
def test_a_plan_after_its_plan_was_applied_is_empty_and_every_branch_was_reached(module):
    with every_branch(module) as missed:
        a_plan_after_its_plan_was_applied_is_empty()
    assert missed == []


def test_a_stream_takes_no_more_tags_than_it_can_hold():
    full = stream(**deepcopy(MANY_TAGS))
    full["status"]["tags"].append({"tag": "t0", "items": []})
    del full["status"]["tags"][0]
    pushed = (build(1, to="shop:latest"), build(2, to="shop:t0"), build(3, to="shop:latest"))
    result = planned(Observed(full, REPOSITORIES, pushed))
    after = applied(result, full)
    tags = [history["tag"] for history in after["status"]["tags"]]
    assert len(tags) == TAG_LIMIT
    by_type = {each["type"]: each for each in after["status"]["conditions"]}
    assert (by_type["Ready"]["status"], by_type["TooManyTags"]["status"]) == ("True", "True")
    assert "start no rollout: latest from shop-3; let" in by_type["TooManyTags"]["message"]
    (told,) = [each for each in result.actions if isinstance(each, Event) and each.reason == "TagLimit"]
    assert told.message == by_type["TooManyTags"]["message"]
    assert planned(Observed(after, REPOSITORIES, pushed)) == Plan()
    del after["status"]["tags"][1]
    roomier = applied(planned(Observed(after, REPOSITORIES, pushed)), after)
    assert [each["type"] for each in roomier["status"]["conditions"]] == ["Ready"]
    assert "latest" not in tags
    assert after["status"]["tagNames"].endswith("...")
