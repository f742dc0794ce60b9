"""Values pass the kubelet's expansion unchanged, and are shown as they were given."""

from __future__ import annotations

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from paas.kube.expansion import given, literal, refers
from tests.support.expansion import expanded

VARIABLES = {"PORT": "8080", "A": "a", "": "nobody"}
NASTY = st.text(alphabet="$()A \n=🎈", max_size=14) | st.text()


@generated(NASTY)
def test_a_literal_arrives_as_it_was_given(text: str) -> None:
    assert expanded(literal(text), VARIABLES) == text
    assert given(literal(text)) == text
    assert not refers(literal(text))


@pytest.mark.parametrize(
    ("text", "manifest"),
    [
        ("plain", "plain"),
        ("$PORT ${PORT} 5$", "$PORT ${PORT} 5$"),
        ("pa$(PORT)ss", "pa$$(PORT)ss"),
        ("a$$b$$", "a$$$$b$$$$"),
        ("$$(PORT) $$$$", "$$$$(PORT) $$$$$$$$"),
        ("$(never closed", "$$(never closed"),
    ],
)
def test_only_what_kubernetes_would_change_is_escaped(text: str, manifest: str) -> None:
    assert literal(text) == manifest
    assert expanded(manifest, VARIABLES) == text


@generated(NASTY)
def test_a_value_without_a_reference_does_not_depend_on_the_other_variables(value: str) -> None:
    """Values written by hand, escaped or not."""
    if not refers(value):
        assert expanded(value, VARIABLES) == expanded(value, {}) == given(value)


def test_a_reference_of_a_manifest_is_known() -> None:
    assert refers("http://$(HOST):$(PORT)")
    assert not refers("$$(HOST) $(never closed $HOST")
