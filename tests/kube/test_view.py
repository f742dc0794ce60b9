"""The view never goes back in time, whatever order events and live reads come in."""

from __future__ import annotations

import asyncio
from typing import Any

from paas.api.resources import CONFIGMAP, Key
from paas.kube.view import View

KEY = Key("n", "a")


def obj(version: int, *, uid: str = "u", name: str = "a", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version), **metadata}
    }


def version(view: View) -> str | None:
    found = view.get(CONFIGMAP, KEY)
    return found["metadata"]["resourceVersion"] if found else None


def test_an_older_event_does_not_replace_a_newer_object() -> None:
    view = View()
    view.put(CONFIGMAP, obj(5))
    view.put(CONFIGMAP, obj(4))
    assert version(view) == "5"


def test_an_event_in_flight_does_not_bring_a_deleted_object_back() -> None:
    view = View()
    view.put(CONFIGMAP, obj(5))
    view.remove(CONFIGMAP, obj(7))
    view.put(CONFIGMAP, obj(6))
    assert version(view) is None


def test_a_successor_under_the_same_name_is_seen() -> None:
    view = View()
    view.remove(CONFIGMAP, obj(7))
    view.put(CONFIGMAP, obj(8, uid="u2"))
    assert version(view) == "8"


def test_the_end_of_a_predecessor_does_not_remove_its_successor() -> None:
    view = View()
    view.put(CONFIGMAP, obj(8, uid="u2"))
    view.remove(CONFIGMAP, obj(7, uid="u1"))
    assert version(view) == "8"


def test_children_are_found_by_their_owner_until_they_change_hands() -> None:
    view = View()
    view.put(CONFIGMAP, obj(1, ownerReferences=[{"controller": True, "uid": "o1"}]))
    assert len(view.list(CONFIGMAP, owner_uid="o1")) == 1
    view.put(CONFIGMAP, obj(2, ownerReferences=[{"controller": True, "uid": "o2"}]))
    assert view.list(CONFIGMAP, owner_uid="o1") == []
    assert len(view.list(CONFIGMAP, owner_uid="o2")) == 1


def test_lists_are_narrowed_by_namespace_and_label() -> None:
    view = View()
    view.put(CONFIGMAP, obj(1, labels={"k": "v"}))
    view.put(CONFIGMAP, obj(2, name="b"))
    assert [o["metadata"]["name"] for o in view.list(CONFIGMAP, "n")] == ["a", "b"]
    assert [o["metadata"]["name"] for o in view.list(CONFIGMAP, label=("k", "v"))] == ["a"]
    assert view.list(CONFIGMAP, "other") == []


def test_a_complete_list_removes_what_a_broken_watch_missed_but_nothing_newer() -> None:
    view = View()
    view.put(CONFIGMAP, obj(1))
    view.put(CONFIGMAP, obj(9, name="newer"))
    changed = view.replace(CONFIGMAP, [obj(3, name="b")], version=5)
    assert changed == {Key("n", "a"), Key("n", "b")}
    assert [o["metadata"]["name"] for o in view.list(CONFIGMAP)] == ["b", "newer"]


async def test_waiting_for_a_write_ends_when_its_event_arrives() -> None:
    view = View()
    waiting = asyncio.create_task(view.wait_seen([(CONFIGMAP, KEY, 3)], seconds=5))
    await asyncio.sleep(0)
    view.put(CONFIGMAP, obj(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    view.put(CONFIGMAP, obj(3))
    assert await waiting


async def test_waiting_for_a_write_that_is_never_seen_ends() -> None:
    assert not await View().wait_seen([(CONFIGMAP, KEY, 3)], seconds=0.01)


async def test_a_deletion_counts_as_having_seen_the_write_before_it() -> None:
    view = View()
    view.remove(CONFIGMAP, obj(4))
    assert await view.wait_seen([(CONFIGMAP, KEY, 3)], seconds=0.01)
