"""What a shell is offered: it reads the words as its own language."""

from __future__ import annotations

from typing import Any

import pytest

from paas.cli import completion
from paas.terminal import rest

HOSTILE = [
    r"\$(touch pwned)",
    "$(id)",
    "`id`",
    "a;id",
    "a|id",
    "a b",
    "a'b",
    'a"b',
    "a\nb",
    "*",
    "~",
    "a&",
    "a>b",
    "a\\b",
    "a\x1b[2K",
    "--all",
    "-A",
    "é",
    "",
]
PLAIN = ["shop", "shop-7", "build/shop-7", "system:node", "deployments.apps", "10.0.0.1", "pod/"]


class Offline:
    namespace = "demo"

    async def __aenter__(self) -> Offline:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


async def test_only_words_that_are_no_more_to_a_shell_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> Offline:
        return Offline()

    async def words_for(*_: Any) -> list[str]:
        return HOSTILE + PLAIN

    monkeypatch.setattr(rest, "connect", connect)
    monkeypatch.setattr(completion, "words_for", words_for)
    given = {"namespace": None, "context": None, "kubeconfig": None}
    assert await completion._asked(given, "objects", [], "") == sorted(PLAIN)
