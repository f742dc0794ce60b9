"""A build's log as people read it."""

from __future__ import annotations

from paas.builds.log import SNIPPET_LINES, SNIPPET_WIDTH, readable, snippet


def test_kanikos_dressing_is_taken_off() -> None:
    assert readable('time="2027-01-01T00:00:00Z" level=info msg="RUN echo \\"hi\\""') == 'RUN echo "hi"'
    assert readable('time="2027-01-01T00:00:00Z" level=warning msg=careful') == "warning: careful"
    assert readable("\x1b[36mINFO\x1b[0m[0003] Taking snapshot of files...") == "Taking snapshot of files..."
    assert readable("plain\tline\r\n") == "plain\tline"
    assert readable("ding\x07\x1b[31mred\x1b[0m") == "dingred"
    assert readable('time="x" level=info msg="odd \\x1b escape"') == "odd \\x1b escape"


def test_a_snippet_is_the_end_and_long_lines_lose_their_middle() -> None:
    lines = [f"line {number}" for number in range(30)] + ["x" * 500]
    found = (snippet("\n".join(lines)) or "").splitlines()
    assert len(found) == SNIPPET_LINES
    assert found[-2] == "line 29"
    assert len(found[-1]) <= SNIPPET_WIDTH
    assert "..." in found[-1]
    assert snippet("") is None
    assert snippet(None) is None


def test_half_of_an_escape_pair_is_replaced() -> None:
    assert readable(r'time="x" level=info msg="caf\ud83d"') == "caf\ufffd"
