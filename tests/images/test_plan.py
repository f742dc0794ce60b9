"""The plan of an ImageStream: status, events, and silence when nothing is new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.images.model import current
from paas.images.plan import Observed, plan
from paas.kube.plan import Event, Plan, Status
from paas.kube.resources import Manifest
from paas.kube.settings import Settings
from tests.images.builds import build, digest, stream
from tests.images.test_history import builds_strategy

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = Settings(registry_pull="registry.test:5000")


def planned(observed: Observed, now: datetime = NOW) -> Plan:
    return plan(observed, now=now, settings=SETTINGS)


def applied(result: Plan, to: Manifest) -> Manifest:
    """The stream after its plan: a Status replaces the status, an Event changes nothing."""
    for action in result.actions:
        match action:
            case Status():
                to = {**to, "status": action.status}
            case Event():
                pass
            case _:
                pytest.fail(f"an ImageStream's plan has no {action}")
    return to


def condition(obj: Manifest) -> tuple[str, str]:
    (ready,) = obj["status"]["conditions"]
    return ready["status"], ready["reason"]


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


@given(builds_strategy, st.integers(0, 100_000))
def test_a_plan_after_its_plan_was_applied_is_empty(builds, later):
    observed = Observed(stream(), tuple(builds))
    after = applied(planned(observed), stream())
    assert planned(Observed(after, tuple(builds)), NOW + timedelta(seconds=later)) == Plan()
