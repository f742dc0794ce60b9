"""The form of the lines that a pusher reads, Heroku's:

    -----> a step begins              (seven columns)
           a detail of it             (seven blanks)
     !     a problem, and what to type next
    =====> the result

`fetch` writes its log in this form too, so that its lines need not be laid out a second time. Pure.
"""

from __future__ import annotations

from typing import Final

from paas.terminal.output import plain

LINE_LIMIT: Final = 2000
"""Longest line in characters; git's side-band carries 65,515 bytes a packet."""
STEP: Final = "-----> "
DETAIL: Final = "       "
PROBLEM: Final = " !     "
RESULT: Final = "=====> "


def step(text: str) -> str:
    """A step begins."""
    return f"{STEP}{one_line(text)}"


def detail(text: str) -> str:
    """A detail of the step."""
    return f"{DETAIL}{one_line(text)}".rstrip()


def problem(text: str) -> str:
    """A problem, or what to type next."""
    return f"{PROBLEM}{one_line(text)}"


def result(text: str) -> str:
    """What came of it all."""
    return f"{RESULT}{one_line(text)}"


def is_laid_out(line: str) -> bool:
    """Whether a line has this form already. A result is never taken over: only its own renderer says one."""
    return line.startswith((STEP, DETAIL, PROBLEM))


def one_line(text: str) -> str:
    """`text` without anything that a terminal would obey, cut to the limit."""
    return plain(text).replace("\n", " ").replace("\t", "    ")[:LINE_LIMIT]
