"""Where words go, and what a terminal never gets."""

from __future__ import annotations

import contextlib
import io

import pytest

from paas.terminal.output import Table
from paas.terminal.session import Session

HOSTILE = "a\x1b]0;title\x07\x9b31m\r\u202eb\tc\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_shows_control_characters_by_their_numbers() -> None:
    with contextlib.redirect_stdout(Terminal()) as terminal:
        Session().write(HOSTILE)
        Session().print("x\x1b[2K")
    assert terminal.getvalue() == ("a\\u001b]0;title\\u0007\\u009b31m\\u000d\\u202eb\tc\nx\\u001b[2K\n")


def test_a_program_gets_data_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Session().write(HOSTILE)
    assert capsys.readouterr().out == HOSTILE


def test_a_table_on_a_terminal_has_its_own_colours_only() -> None:
    with contextlib.redirect_stdout(Terminal()) as terminal:
        Session().show(Table(["STATUS"], [["Ready"], ["\x1b[2KFailed\x9b"]]))
    assert terminal.getvalue() == "STATUS\n\x1b[32mReady\x1b[0m\n\x1b[31mFailed\x1b[0m\n"
