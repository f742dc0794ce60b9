"""Conditions change their transition time only when their status changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from paas.api.names import Condition, Reason
from paas.reconcile.conditions import Wanted, find, merge, parse_time, timestamp

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ready(status: str = "True", message: str = "m") -> Wanted:
    return Wanted(Condition.READY, status, Reason.RECONCILED, message)  # type: ignore[arg-type]


def test_a_new_message_keeps_the_time() -> None:
    first = merge([], [ready()], generation=1, now=T0)
    second = merge(first, [ready(message="other")], generation=2, now=T0 + timedelta(hours=1))
    assert second[0]["lastTransitionTime"] == timestamp(T0)
    assert second[0]["message"] == "other"
    assert second[0]["observedGeneration"] == 2


def test_a_new_status_takes_the_new_time() -> None:
    first = merge([], [ready()], generation=1, now=T0)
    second = merge(first, [ready("False")], generation=1, now=T0 + timedelta(hours=1))
    assert parse_time(second[0]["lastTransitionTime"]) == T0 + timedelta(hours=1)


def test_merging_twice_changes_nothing() -> None:
    first = merge([], [ready()], generation=1, now=T0)
    assert merge(first, [ready()], generation=1, now=T0 + timedelta(days=1)) == first


def test_a_condition_that_is_no_longer_wanted_goes() -> None:
    stalled = Wanted(Condition.STALLED, "True", Reason.NAME_TAKEN, "m")
    first = merge([], [ready(), stalled], generation=1, now=T0)
    assert [c["type"] for c in merge(first, [ready()], generation=1, now=T0)] == ["Ready"]


def test_reading_conditions_of_an_object_without_status() -> None:
    assert find({"metadata": {}}, Condition.READY) is None
    assert find(None, Condition.READY) is None
    found = find({"status": {"conditions": merge([], [ready()], generation=1, now=T0)}}, Condition.READY)
    assert found is not None
    assert found["status"] == "True"
