"""Statuses are written when they differ; what blocks is summarised; news is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from paas.api import build, buildconfig, deployment, image, route
from paas.api.base import Kind
from paas.api.names import Condition, Reason
from paas.api.resources import Manifest
from paas.reconcile.conditions import Wanted
from paas.reconcile.plan import Event, Status
from paas.reconcile.status import Blocker, ConditionTable, generation_of

NOW = datetime(2027, 1, 1, tzinfo=UTC)
WELL = Wanted(Condition.READY, "True", Reason.RECONCILED, "all is well")
TAKEN = Blocker(Reason.NAME_TAKEN, "the name is taken; delete it")
WAITING = Blocker(Reason.NO_IMAGES, "no image yet; push", stalled=False)
TABLE = ConditionTable(deployment.KIND, announced={Condition.READY: {Reason.NAME_TAKEN, Reason.RECONCILED}})
KINDS = [build.KIND, buildconfig.KIND, deployment.KIND, image.KIND, route.KIND]


def thing(**status: object) -> Manifest:
    return {"metadata": {"name": "shop", "namespace": "demo", "uid": "1", "generation": 7}, "status": status}


def status_of(obj: Manifest, wanted: list[Wanted], *, now: datetime = NOW) -> Manifest:
    return {"observedGeneration": 7, "conditions": TABLE.conditions(obj, wanted, now=now)}


def test_nothing_in_the_way_is_the_summary_alone() -> None:
    assert TABLE.summarised(None, WELL) == [WELL]


@pytest.mark.parametrize(
    ("blocker", "abnormal"), [(TAKEN, Condition.STALLED), (WAITING, Condition.RECONCILING)]
)
def test_a_blocker_makes_the_summary_false_and_says_who_must_act(
    blocker: Blocker, abnormal: Condition
) -> None:
    assert TABLE.summarised(blocker, WELL) == [
        Wanted(Condition.READY, "False", blocker.reason, blocker.message),
        Wanted(abnormal, "True", blocker.reason, blocker.message),
    ]


def test_a_kind_without_the_abnormal_condition_has_the_summary_alone() -> None:
    (only,) = ConditionTable(image.KIND).summarised(WAITING, WELL)
    assert (only.type, only.status, only.reason) == (Condition.READY, "False", Reason.NO_IMAGES)


def test_a_status_is_written_once_and_its_news_told_once() -> None:
    obj = thing()
    status = status_of(obj, TABLE.summarised(TAKEN, WELL))
    written, told = TABLE.write(obj, status)
    assert isinstance(written, Status)
    assert (written.uid, written.status) == ("1", status)
    assert isinstance(told, Event)
    assert (told.reason, told.type, told.message) == ("NameTaken", "Warning", TAKEN.message)
    obj["status"] = status
    assert TABLE.write(obj, status_of(obj, TABLE.summarised(TAKEN, WELL), now=NOW + timedelta(1))) == []


def test_other_words_for_the_same_reason_are_written_but_not_told_again() -> None:
    obj = thing()
    obj["status"] = status_of(obj, TABLE.summarised(TAKEN, WELL))
    other = Blocker(TAKEN.reason, "two names are taken; delete them")
    (written,) = TABLE.write(obj, status_of(obj, TABLE.summarised(other, WELL)))
    assert isinstance(written, Status)


def test_good_news_is_told_as_normal() -> None:
    obj = thing()
    obj["status"] = status_of(obj, TABLE.summarised(TAKEN, WELL))
    _, told = TABLE.write(obj, status_of(obj, [WELL]))
    assert isinstance(told, Event)
    assert (told.reason, told.type) == ("Reconciled", "Normal")


def test_what_is_not_announced_is_not_told() -> None:
    (written,) = TABLE.write(thing(), status_of(thing(), TABLE.summarised(WAITING, WELL)))
    assert isinstance(written, Status)


def test_fields_of_the_status_that_others_write_make_no_difference() -> None:
    obj = thing()
    status = status_of(obj, [WELL])
    obj["status"] = {**status, "deliveries": [{"id": "1"}]}
    assert TABLE.write(obj, status) == []


def test_a_condition_is_about_the_generation_of_its_object_unless_told_otherwise() -> None:
    assert TABLE.conditions(thing(), [WELL], now=NOW)[0]["observedGeneration"] == 7
    assert TABLE.conditions(thing(), [WELL], now=NOW, generation=6)[0]["observedGeneration"] == 6
    assert generation_of({"metadata": {"name": "new"}}) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(Condition.SUCCEEDED, "True", Reason.BUILD_COMPLETE, "a condition of another kind"),
        Wanted(Condition.STALLED, "False", Reason.NAME_TAKEN, "present, but not so"),
    ],
)
def test_a_condition_that_the_kind_does_not_have_is_a_mistake(wanted: Wanted) -> None:
    with pytest.raises(AssertionError):
        TABLE.conditions(thing(), [wanted], now=NOW)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_every_kind_has_a_condition_that_sums_it_up(kind: Kind) -> None:
    assert {Condition.READY, Condition.SUCCEEDED} & ConditionTable(kind).types


def test_a_text_that_is_not_unicode_is_written_once() -> None:
    """Half a pair of JSON's escapes in an executor's last line: the API server takes only Unicode."""
    table = ConditionTable(build.KIND, summary=Condition.SUCCEEDED)
    (written,) = table.write(thing(), {"message": "caf\ud83d"})
    assert isinstance(written, Status)
    assert written.status == {"message": "caf\ufffd"}
    assert table.write(thing() | {"status": written.status}, {"message": "caf\ud83d"}) == []


@pytest.mark.parametrize(("field", "limit"), [("message", 8192), ("logSnippet", 8192), ("commit", 64)])
def test_texts_are_cut_to_what_the_schema_takes(field: str, limit: int) -> None:
    table, obj = ConditionTable(build.KIND, summary=Condition.SUCCEEDED), thing()
    status: Manifest = {"phase": "Failed", field: "é" * 20_000, "output": {"to": {"imageDigest": "s" * 100}}}
    (written,) = table.write(obj, status)
    assert isinstance(written, Status)
    kept = "é" * (limit - 1) + "…"
    assert written.status == {
        "phase": "Failed",
        field: kept,
        "output": {"to": {"imageDigest": "s" * 79 + "…"}},
    }
    assert len(status[field]) == 20_000
    assert table.write(obj | {"status": written.status}, status) == []
