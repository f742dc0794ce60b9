"""Equal keys mean equal input; everything that goes into an image changes the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.source.content_key import base_images, content_key

TEXT = st.text(max_size=10)
INPUT = st.fixed_dictionaries(
    {
        "tree": TEXT,
        "dockerfile": TEXT,
        "build_args": st.dictionaries(TEXT, TEXT, max_size=2),
        "bases": st.dictionaries(TEXT, TEXT, max_size=2),
    }
)


@given(INPUT, INPUT)
def test_keys_are_equal_exactly_when_the_input_is(one: dict[str, object], other: dict[str, object]) -> None:
    assert (content_key(**one) == content_key(**other)) == (one == other)  # type: ignore[arg-type]


def test_the_key_is_stable_over_versions_of_this_software() -> None:
    assert (
        content_key(tree="a" * 40, dockerfile="FROM x\n")
        == "be247e0276f586d3c56d33d03778420b4cff2ca27a32758748b2f6c65df19e4e"
    )


def test_the_order_of_arguments_does_not_matter() -> None:
    one = content_key(tree="t", dockerfile="d", build_args={"a": "1", "b": "2"})
    assert one == content_key(tree="t", dockerfile="d", build_args={"b": "2", "a": "1"})


@pytest.mark.parametrize(
    ("dockerfile", "images"),
    [
        ("FROM python:3", ("python:3",)),
        ("from --platform=linux/amd64 a AS b\nFROM b\nFROM c as d", ("a", "c")),
        ("FROM scratch\n", ()),
        ("FROM B AS a\nFROM A\n", ("B",)),
        ("ARG V=1\nFROM x:$V\r\n", ("x:$V",)),
        ("FROM --platform=x\nRUN FROM y\n# FROM z", ()),
    ],
)
def test_base_images(dockerfile: str, images: tuple[str, ...]) -> None:
    assert base_images(dockerfile) == images
