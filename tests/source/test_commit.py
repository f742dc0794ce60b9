"""Commits are read as leniently as git reads them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.source.commit import LONGEST_MESSAGE, read

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
BEGIN = f"tree {TREE}\n".encode()


@pytest.mark.parametrize(
    ("content", "author", "message"),
    [
        (b"author A B <a@b> 1 +0000\ncommitter C <c@d> 1 UTC\n\nx\n", ("A B", "a@b"), "x\n"),
        (b"author A <a@b> 1 +518000\n\nx", ("A", "a@b"), "x"),
        (b"author A\n\n", ("A", ""), ""),
        (b"\n", ("", ""), ""),
        (b"", ("", ""), ""),
        (b"author <> 0\n\n\n\nx", ("", ""), "\n\nx"),
        (b"gpgsig -----\n author X <x@y>\n tree z\nauthor A <a@b> 1 +0000\n\nx", ("A", "a@b"), "x"),
        (b"author A <a@b> 1 +0000\nauthor B <b@b> 1 +0000\n\nx", ("A", "a@b"), "x"),
        ("author Zoë <a@b> 1 +0000\nencoding latin-1\n\n".encode() + b"caf\xe9", ("Zoë", "a@b"), "café"),
        (b"encoding no-such\n\nx\xff", ("", ""), "x�"),
        (b"encoding hex\n\nxy", ("", ""), "xy"),
        (b"encoding punycode\n\ntda" + b"a" * 2**20, ("", ""), ("tda" + "a" * 2**20)[:LONGEST_MESSAGE]),
    ],
)
def test_what_git_takes(content: bytes, author: tuple[str, str], message: str) -> None:
    seen = read(BEGIN + content)
    assert (seen.tree, seen.author.name, seen.author.email, seen.message) == (TREE, *author, message)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"tree \n\n", b"tree ../x\n\n", b"author A\n\ntree " + TREE.encode()]
)
def test_without_a_tree_there_is_nothing_to_build(content: bytes) -> None:
    with pytest.raises(ValueError, match="names no tree"):
        read(content)


@given(st.binary(max_size=200))
def test_any_bytes_become_text_that_can_be_sent(content: bytes) -> None:
    seen = read(BEGIN + content)
    for text in (seen.message, seen.author.name, seen.committer.email):
        text.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "punycode", "unicode_escape", "idna", "utf-7"])
def test_a_long_message_is_cut_before_it_is_read(encoding: str) -> None:
    """Whoever pushes names the encoding, and reading a megabyte of punycode would take minutes."""
    before = time.process_time()
    seen = read(BEGIN + f"encoding {encoding}\n\n".encode() + b"x-" + b"aaab" * 2**18)
    assert time.process_time() - before < 1
    assert 0 < len(seen.message) <= LONGEST_MESSAGE
