"""Ignore files by Docker's rules."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.source.ignore_file import BadPattern, IgnoreFile, parse

FILES = frozenset(
    {
        ".env", "#hash", "README.md", "a.txt", "b.md", "d/a.txt", "d/e/c.txt", "d/e/k.md",
        "guide/x/README.md",
        "logs/1.log", "logs/keep.txt", "node_modules/x/y.js", "one/two/three/node_modules/z.js",
        "sub/node_modules/z.js",
    }
)  # fmt: skip


def left(rules: IgnoreFile) -> set[str]:
    """Which of FILES stay."""
    stay = set()
    for file in FILES:
        parts, seen, out = file.split("/"), (), False
        for n in range(len(parts)):
            out, seen = rules.look("/".join(parts[: n + 1]), seen)
        if not out:
            stay.add(file)
    return stay


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("node_modules", {"node_modules/x/y.js"}),
        ("/node_modules", {"node_modules/x/y.js"}),
        ("node_modules/", {"node_modules/x/y.js"}),
        ("**/node_modules", {f for f in FILES if "node_modules" in f}),
        ("**/node_modules/", {f for f in FILES if "node_modules" in f}),
        ("**/node_modules/**", {f for f in FILES if "node_modules" in f}),
        ("*/node_modules", {"sub/node_modules/z.js"}),
        ("**/**/**/k.md", {"d/e/k.md"}),
        ("*.md", {"b.md", "README.md"}),
        ("**/*.md", {f for f in FILES if f.endswith(".md")}),
        ("*.md\n!README.md", {"b.md"}),
        ("*.md\n!README.md\nREAD*", {"b.md", "README.md"}),
        ("**/*.md\n!guide/x/README.md", {"b.md", "README.md", "d/e/k.md"}),
        ("*\n!a.txt", FILES - {"a.txt"}),
        ("*\n!d/e/c.txt", FILES - {"d/e/c.txt"}),
        ("*\n!d\nd/a.txt", FILES - {"d/e/c.txt", "d/e/k.md"}),
        ("**\n!d/e", FILES - {"d/e/c.txt", "d/e/k.md"}),
        ("d\n!d/e/c.txt", {"d/a.txt", "d/e/k.md"}),
        ("logs/*\n!logs/keep.txt", {"logs/1.log"}),
        ("d/e/*\n!d/e/k.md", {"d/e/c.txt"}),
        ("!b.md\nb.md", {"b.md"}),
        ("b.md\n! b.md", set()),
        ("# a comment\nb.md", {"b.md"}),
        ("a.txt #no comment", set()),
        ("\\#hash", {"#hash"}),
        (" #hash", {"#hash"}),
        ("  b.md  ", {"b.md"}),
        ("\ufeffb.md", {"b.md"}),
        ("b.md\r\na.txt\r\n", {"b.md", "a.txt"}),
        ("./b.md", {"b.md"}),
        ("d//a.txt", {"d/a.txt"}),
        ("d/../b.md", {"b.md"}),
        ("?.md", {"b.md"}),
        ("[ab].*", {"a.txt", "b.md"}),
        ("[^a].*", {"b.md"}),
        ("[a-c].*", {"a.txt", "b.md"}),
        ("[\\a].txt", {"a.txt"}),
        ("d/**/c.txt", {"d/e/c.txt"}),
        ("d/**", {"d/a.txt", "d/e/c.txt", "d/e/k.md"}),
        ("**/d/e", {"d/e/c.txt", "d/e/k.md"}),
        ("**/three", {"one/two/three/node_modules/z.js"}),
        (".env*", {".env"}),
        (".ENV", set()),
        ("(a|b).txt\na+.txt\n$\n^", set()),
        (".", set()),
        ("", set()),
        ("**", FILES),
    ],
)  # fmt: skip
def test_what_is_left_out(text: str, gone: set[str]) -> None:
    assert left(parse(text)) == FILES - gone


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\n!", "line 2: '!'"),
        ("[", "line 1: '\\['"),
        ("[a", "line 1"),
        ("[]", "line 1"),
        ("[z-a]", "line 1"),
        ("[a-]", "line 1"),
        ("x\\", "backslash"),
    ],
)
def test_what_is_no_pattern_is_named_by_line(text: str, says: str) -> None:
    with pytest.raises(BadPattern, match=says):
        parse(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab/*?[]^-\\!#. \n\0ä"), max_size=12), max_size=5).map("\n".join))
def test_any_text_is_read_or_named(text: str) -> None:
    with contextlib.suppress(BadPattern):
        left(parse(text))


def test_patterns_that_could_be_read_in_many_ways_cost_little() -> None:
    began = time.process_time()
    rules = parse("**/" * 300 + "x\n" + "a/**/" * 6 + "x")
    rules.look("a/" * 60 + "y")
    assert time.process_time() - began < 2
