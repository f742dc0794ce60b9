"""Names of states are coloured on a terminal, and nowhere else."""

from __future__ import annotations

import io

import pytest

from paas.terminal.colour import GREEN, RED, YELLOW, of_state, painted, state, wanted
from paas.terminal.output import Table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("Complete", GREEN),
        ("Complete (serving)", GREEN),
        ("Ready,SchedulingDisabled", GREEN),
        ("Pending", YELLOW),
        ("Failed", RED),
        ("CrashLoopBackOff", RED),
        ("Failed-over", None),
        ("complete", None),
        ("3", None),
        ("", None),
    ],
)
def test_states_have_colours(text: str, colour: str | None) -> None:
    assert of_state(text) == colour
    assert state(text, colours=False) == text
    assert state(text, colours=True) == (painted(text, colour) if colour else text)


def test_only_a_terminal_gets_colours() -> None:
    environment = {"NO_COLOR": "", "TERM": "xterm"}
    assert wanted(Terminal(), environment)
    assert not wanted(io.StringIO(), environment)
    assert not wanted(Terminal(), {**environment, "NO_COLOR": "1"})
    assert not wanted(Terminal(), {"TERM": "dumb"})


def test_colours_do_not_move_columns_and_names_have_none() -> None:
    table = Table(["NAME", "STATUS", "AGE"], [["Failed", "Failed", "1m"], ["web", "Complete", "2m"]])
    assert table.lines(colours=True) == [
        "NAME     STATUS     AGE",
        f"Failed   {painted('Failed', RED)}     1m",
        f"web      {painted('Complete', GREEN)}   2m",
    ]
