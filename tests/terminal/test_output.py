"""Tables that awk can read, short ages, plain text, and objects as they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from paas.terminal.output import Format, Table, age, document, duration, plain, shorten

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def test_a_table_has_aligned_columns_and_no_trailing_blanks() -> None:
    made = Table(
        ["NAME", "STATUS", "IMAGE"], [["shop-1", "Complete", "a"], ["s", None, ""]], frozenset({"IMAGE"})
    )
    assert made.lines() == ["NAME     STATUS", "shop-1   Complete", "s        <none>"]
    assert made.lines(wide=True)[2] == "s        <none>     <none>"
    assert made.lines(headings=False) == ["shop-1   Complete", "s        <none>"]


def test_a_cell_cannot_break_the_table() -> None:
    made = Table(["NAME", "MESSAGE"], [["a", "first\nsecond\x1b[31m red\x07"]])
    assert made.lines()[1] == "a      first second red"


def test_wide_characters_count_twice() -> None:
    made = Table(["NAME", "X"], [["日本", "y"], ["abcd", "z"]])
    assert [line.index(mark) for line, mark in zip(made.lines()[1:], "yz", strict=True)] == [5, 7]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (599, "9m59s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (19800, "5h30m"), (108000, "30h"), (3 * 86400, "3d"),
        (800 * 86400, "2y"),
    ],
)  # fmt: skip
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_an_age_is_the_time_since() -> None:
    then = (NOW - timedelta(minutes=25)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(then, NOW) == "25m"
    assert age(None, NOW) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\tb\nc", "a\tb\nc"),
        ("ab\x08\x08c\r\x00\x7f\x9b", "abc"),
        ("turned \u202eround", "turned round"),
        ("naïve 日本 😀", "naïve 日本 😀"),
    ],
)
def test_what_others_wrote_cannot_steer_a_terminal(text: str, clean: str) -> None:
    assert plain(text) == clean


def test_long_text_is_cut_at_its_first_line() -> None:
    assert shorten("one two three\nfour", 8) == "one two…"
    assert shorten("  short \n more", 8) == "short"


OBJECT = {
    "apiVersion": "paas.dev/v1",
    "kind": "Build",
    "metadata": {"name": "shop-7", "managedFields": [{"manager": "x"}]},
    "spec": {"number": 7},
}


def test_objects_are_printed_as_they_are_but_for_managed_fields() -> None:
    wanted = {**OBJECT, "metadata": {"name": "shop-7"}}
    assert json.loads(document([OBJECT], Format.JSON, single=True)) == wanted
    assert yaml.safe_load(document([OBJECT], Format.YAML, single=True)) == wanted
    listed = yaml.safe_load(document([OBJECT, OBJECT], Format.YAML, single=False))
    assert (listed["kind"], listed["items"]) == ("List", [wanted, wanted])
    assert (
        document([OBJECT, OBJECT], Format.NAME, single=False)
        == "build.paas.dev/shop-7\nbuild.paas.dev/shop-7"
    )
    core = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    assert document([core], Format.NAME, single=True) == "service/a"


def test_a_heading_that_the_server_sent_is_made_plain():
    """A table of the API server brings its headings along: those of a CRD's printer columns are text too."""
    assert Table(["NAME", "A\x1b[2J\x9b\nB"], [["x", "y"]]).lines() == ["NAME   A B", "x      y"]


HOSTILE = "a\x1b[2K\x9b31m\x7f\u202e\u2066\x85 é\U0001f600"


@pytest.mark.parametrize("format_", [Format.JSON, Format.YAML])
def test_documents_write_control_characters_by_their_numbers(format_: Format) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {HOSTILE: HOSTILE}}
    text = document([obj], format_, single=True)
    assert text == plain(text)
    assert yaml.safe_load(text) == obj
    assert json.loads(document([obj], Format.JSON, single=True)) == obj


def test_documents_keep_other_scripts_readable() -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "é\U0001f600"}}
    for format_ in (Format.JSON, Format.YAML):
        assert "é\U0001f600" in document([obj], format_, single=True)
