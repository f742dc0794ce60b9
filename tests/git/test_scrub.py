"""C11: a path of the server is not shown, however it arrives."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from paas.git.scrub import Scrubber

PATH = "/var/lib/paas/repositories/3f2c"
TEXT = f"fatal: cannot create '{PATH}/objects/tmp_objdir-incoming-x/pack'\n/var/lib\n{PATH}".encode()
SHOWN = b"fatal: cannot create './objects/tmp_objdir-incoming-x/pack'\n/var/lib\n."


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_a_path_in_pieces(cuts: list[int]) -> None:
    scrubber, ends = Scrubber({PATH}), [0, *sorted(cuts), len(TEXT)]
    shown = b"".join(scrubber.feed(TEXT[a:b]) for a, b in itertools.pairwise(ends))
    assert shown + scrubber.end() == SHOWN


def test_what_is_no_path_is_shown_at_once() -> None:
    scrubber = Scrubber({PATH, "/real" + PATH})
    assert scrubber.feed(b"Unpacking objects: 12%\r") == b"Unpacking objects: 12%\r"
    assert scrubber.feed(b"in /real" + PATH.encode() + b"/x") == b"in ./x"
