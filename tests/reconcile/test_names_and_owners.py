"""Names fit their limits and stay apart; only our own children count as ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paas.reconcile.meta import create, fit, labels, owned_by, owner_reference, part_of

LONG = st.text("abcdefghij-", min_size=64, max_size=200)


def owner(uid: str = "o1") -> dict[str, object]:
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "Build",
        "metadata": {"name": "b-1", "namespace": "n", "uid": uid},
    }


@given(LONG)
def test_a_long_name_is_cut_to_its_limit(name: str) -> None:
    assert len(fit(name)) <= 63


@given(LONG, LONG)
def test_two_long_names_stay_apart(a: str, b: str) -> None:
    assert (fit(a) == fit(b)) == (a == b)


@given(st.text("abc", max_size=63))
def test_a_short_name_stays_as_it_is(name: str) -> None:
    assert fit(name) == name


def test_a_child_made_for_an_owner_is_owned_by_it_alone() -> None:
    child = create({"metadata": {"name": "j"}}, owner=owner()).manifest
    assert owned_by(child, "o1")
    assert not owned_by(child, "o2")


def test_a_reference_that_does_not_control_is_not_ownership() -> None:
    reference = {**owner_reference(owner()), "controller": False}
    assert not owned_by({"metadata": {"name": "j", "ownerReferences": [reference]}}, "o1")


def test_part_of_is_the_label_or_the_own_name() -> None:
    assert part_of({"metadata": {"name": "shop"}}) == "shop"
    assert part_of({"metadata": {"name": "web", "labels": labels(part_of="shop")}}) == "shop"
