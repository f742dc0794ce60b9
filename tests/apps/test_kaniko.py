"""Kaniko's lines: the words are the same in a push and in `paas logs`, which has all of them."""

from __future__ import annotations

import pytest

from paas.apps.kaniko import message, readable

QUOTED = r'time="2026-03-04T12:00:00Z" level=warning msg="no \"tag\" given"'


@pytest.mark.parametrize(
    ("line", "said", "pushed"),
    [
        ("INFO[0003] RUN pip install -r requirements.txt", "RUN pip install -r requirements.txt", True),
        ("INFO[0001] Retrieving image manifest x", "Retrieving image manifest x", False),
        ("ERRO[0009] it broke", "error: it broke", True),
        (QUOTED, 'warning: no "tag" given', True),
        ("Taking snapshot, says a program", "Taking snapshot, says a program", True),
        ("  indented by a program", "  indented by a program", True),
    ],
)
def test_one_story(line: str, said: str, *, pushed: bool) -> None:
    assert message(line) == said
    assert readable(line) == (said if pushed else None)
