"""A child is applied again exactly when the live object no longer says what is desired."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api import names
from paas.reconcile.meta import apply_if_needed, covers, desired

SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), st.text("abm1", max_size=3), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc", min_size=1, max_size=2), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({"cpu": "1"}, {"cpu": "1000m"}),
        ({"cpu": "1"}, {"cpu": 1}),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}),
        ({"memory": "1e3"}, {"memory": "1k"}),
        ({}, {"value": ""}),
        ({}, {"hostNetwork": False}),
        ({"labels": {"theirs": "x"}}, {"labels": {}}),
        ({"a": 1, "defaulted": True}, {"a": 1}),
        ([{"name": "a", "x": 1}, {"name": "sidecar"}], [{"name": "a"}]),
        (
            [{"name": "dns", "protocol": "TCP"}, {"name": "dns", "protocol": "UDP"}],
            [{"name": "dns", "protocol": "UDP"}],
        ),
    ],
)
def test_what_the_api_server_fills_in_or_rewrites_is_covered(live: Any, wanted: Any) -> None:
    assert covers(live, wanted)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({"replicas": 3}, {"replicas": 0}),
        ({"on": True}, {"on": False}),
        ({"image": "a"}, {"image": "b"}),
        ({}, {"image": "b"}),
        ({"args": ["a", "b"]}, {"args": ["a"]}),
        ({"args": ["b", "a"]}, {"args": ["a", "b"]}),
        ([{"name": "b"}], [{"name": "a"}]),
        ({"value": "set"}, {"value": ""}),
        ("x", {"a": "x"}),
        ({"cpu": "2"}, {"cpu": "1"}),
    ],
)
def test_what_somebody_changed_is_not_covered(live: Any, wanted: Any) -> None:
    assert not covers(live, wanted)


@given(VALUES)
def test_everything_covers_itself(value: Any) -> None:
    assert covers(value, value)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES), VALUES)
def test_an_added_field_stays_covered(wanted: dict[str, Any], extra: Any) -> None:
    assert covers({**wanted, "added-by-somebody": extra}, wanted)


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "n"},
        "spec": spec,
    }


def stored(wanted: dict[str, Any]) -> dict[str, Any]:
    applied = desired(wanted)
    return {**applied, "metadata": {**applied["metadata"], "uid": "u1", "resourceVersion": "1"}}


def test_an_absent_child_is_applied_without_a_uid() -> None:
    action = apply_if_needed(manifest(a=1), None)
    assert action is not None
    assert action.uid is None
    assert names.ANNOTATION_DESIRED in action.manifest["metadata"]["annotations"]


def test_a_child_as_desired_is_left_alone() -> None:
    assert apply_if_needed(manifest(a=1), stored(manifest(a=1))) is None


def test_a_field_that_is_no_longer_desired_is_applied_away() -> None:
    assert apply_if_needed(manifest(a=1), stored(manifest(a=1, b=2))) is not None


def test_a_child_that_somebody_changed_is_applied_under_its_uid() -> None:
    live = stored(manifest(a=1))
    live["spec"]["a"] = 2
    action = apply_if_needed(manifest(a=1), live)
    assert action is not None
    assert action.uid == "u1"
