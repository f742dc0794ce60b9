"""How git hosts are asked where a branch is: a few at a time, and a project's silent host is its own loss."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paas.api.resources import Manifest
from paas.fetch.head import HeadReport, HeadRequest
from paas.webhooks import heads
from paas.webhooks.heads import BUSY, SILENT, Heads
from tests.support.asgi import settled


def config(project: str) -> Manifest:
    source = {"git": {"uri": f"https://{project}.example/shop.git"}}
    return {"metadata": {"namespace": project, "name": "shop"}, "spec": {"source": source}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URIs that were asked; hosts whose name begins with `silent` do not answer."""
    found: list[str] = []

    async def ask(wanted: HeadRequest) -> HeadReport:
        found.append(wanted.uri)
        if "//silent" in wanted.uri:
            await asyncio.Event().wait()
        return HeadReport(commit="a" * 40)

    monkeypatch.setattr(heads, "_ask", ask)
    monkeypatch.setattr(heads, "ANSWER_SECONDS", 0.2)
    return found


def made(**options: Any) -> Heads:
    async def no_secret(_key: object) -> None:
        return None

    return Heads(find_secret=no_secret, authority="", allowed_addresses=(), **options)


async def test_a_host_that_was_not_asked_is_not_called_silent(asked: list[str]) -> None:
    ask = made()
    reports = await asyncio.gather(*(ask(config(f"silent-{n}"), None) for n in range(heads.MOST_AT_ONCE + 1)))
    assert [report.problem for report in reports] == [SILENT] * heads.MOST_AT_ONCE + [BUSY]


async def test_who_has_patience_is_answered_after_silent_hosts(asked: list[str]) -> None:
    ask = made(patience=60.0)
    silent = [asyncio.create_task(ask(config(f"silent-{n}"), None)) for n in range(heads.MOST_AT_ONCE)]
    more = [asyncio.create_task(ask(config("silent-0"), None)) for _ in range(20)]
    await settled()
    assert (await ask(config("shop"), None)).commit == "a" * 40
    assert asked.count("https://silent-0.example/shop.git") <= 2, "a project is asked for one at a time"
    for task in (*silent, *more):
        task.cancel()
