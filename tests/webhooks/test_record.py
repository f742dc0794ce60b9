"""What a BuildConfig's status says of deliveries."""

from __future__ import annotations

from typing import Any

from paas.api.buildconfig_status import DELIVERIES_KEPT, Delivery, SourceHead
from paas.webhooks.record import recorded

HEAD = SourceHead(uri="https://git.example/shop.git", ref="main", commit="a" * 40, build="shop-1")


def delivery(id_: str, *, event: str = "push", time: str = "2026-03-04T12:00:00Z", **more: Any) -> Delivery:
    return Delivery(id=id_, time=time, event=event, decision="ignored", reason="why", **more)


def test_the_newest_come_first_and_the_last_twenty_are_kept() -> None:
    stored: dict[str, Any] = {}
    for number in range(DELIVERIES_KEPT + 5):
        stored = recorded(stored, delivery(f"d-{number}"), None) or {}
    ids = [each["id"] for each in stored["deliveries"]]
    assert ids == [f"d-{number}" for number in range(DELIVERIES_KEPT + 4, 4, -1)]


def test_one_that_is_delivered_again_is_there_once() -> None:
    stored: dict[str, Any] = {}
    for id_ in ("a", "b", "a"):
        stored = recorded(stored, delivery(id_), None) or {}
    assert [each["id"] for each in stored["deliveries"]] == ["a", "b"]


def test_both_fields_are_written_together_since_what_is_not_said_is_removed() -> None:
    first = recorded({}, delivery("a"), HEAD)
    assert first is not None
    assert first["head"]["commit"] == "a" * 40
    then = recorded(first, delivery("b"), None)
    assert then is not None
    assert then["head"] == first["head"]
    alone = recorded(then, None, HEAD)
    assert alone is None, "nothing is new"


def test_a_poll_that_finds_the_same_again_writes_nothing() -> None:
    stored = recorded({}, delivery("poll-x", event="poll"), None)
    assert stored is not None
    again = delivery("poll-x", event="poll", time="2026-03-04T12:05:00Z")
    assert recorded(stored, again, None) is None
    assert recorded(stored, delivery("poll-y", event="poll"), None) is not None


def test_the_head_never_goes_back_when_servers_record_in_another_order() -> None:
    newer = HEAD.model_copy(update={"commit": "b" * 40, "build": "shop-10"})
    stored = recorded({}, delivery("second"), newer)
    assert stored is not None
    late = HEAD.model_copy(update={"build": "shop-9"})
    then = recorded(stored, delivery("first"), late)
    assert then is not None
    assert [each["id"] for each in then["deliveries"]] == ["first", "second"], "the delivery itself is told"
    assert then["head"] == newer.dump()
    assert recorded(then, None, late) is None

    after = recorded(then, None, newer.model_copy(update={"build": "shop-11"}))
    assert after is not None
    assert after["head"]["build"] == "shop-11"


def test_another_branch_or_repository_begins_anew() -> None:
    stored = {"head": HEAD.model_copy(update={"build": "shop-10"}).dump()}
    for change in ({"ref": "next"}, {"uri": "https://git.example/other.git"}):
        moved = HEAD.model_copy(update=change)
        then = recorded(stored, None, moved)
        assert then is not None
        assert then["head"] == moved.dump()
