"""Image references, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.registry.reference import InvalidReference, Reference, StreamTag, parse, parse_stream_tag
from tests.support.completed_builds import digest

D = digest("d")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", Reference("docker.io", "library/python")),
        ("python:3.13", Reference("docker.io", "library/python", "3.13")),
        ("someone/tool", Reference("docker.io", "someone/tool")),
        ("localhost/tool:1", Reference("localhost", "tool", "1")),
        ("localhost:5000/a/b:1", Reference("localhost:5000", "a/b", "1")),
        ("registry.paas.internal:5000/paas/runtime-python:3.13",
         Reference("registry.paas.internal:5000", "paas/runtime-python", "3.13")),
        (f"ghcr.io/a/b@{D}", Reference("ghcr.io", "a/b", None, D)),
        (f"ghcr.io/a/b:v1@{D}", Reference("ghcr.io", "a/b", "v1", D)),
        ("[::1]:5000/a", Reference("[::1]:5000", "a")),
        ("r.test/a__b/c-d.e:x", Reference("r.test", "a__b/c-d.e", "x")),
    ],
)  # fmt: skip
def test_a_reference_taken_apart(text, expected):
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Python",
        "r.test/A",
        "r.test/",
        "r.test//a",
        "r.test/a:",
        "r.test/a:-x",
        "a@sha256:12",
        "a@md5:00",
        f"a@{D}x",
        "r.test/a b",
        "r.test/a\n",
        "r.test/../a",
        "-r.test/a",
        "r.test/" + "a" * 256,
        "scratch:" + "x" * 129,
    ],
)
def test_what_is_no_reference_is_refused_and_said(text):
    with pytest.raises(InvalidReference) as problem:
        parse(text)
    assert repr(text)[:20] in str(problem.value)


def test_a_reference_pinned_to_a_digest_loses_its_tag():
    assert str(parse("r.test/a:1").by_digest(D)) == f"r.test/a@{D}"


def test_stream_tags():
    assert parse_stream_tag("shop") == StreamTag("shop", "latest")
    assert str(parse_stream_tag("shop:v1")) == "shop:v1"
    for text in ("", ":x", "shop:", "a/b:x", "Shop:x", "shop:a:b"):
        with pytest.raises(InvalidReference):
            parse_stream_tag(text)


@given(st.text(max_size=40))
def test_any_text_is_a_reference_that_survives_or_is_refused(text):
    try:
        reference = parse(text)
    except InvalidReference:
        return
    assert parse(str(reference)) == reference
