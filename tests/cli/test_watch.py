"""`paas get -w` while the API server comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from paas.api.resources import POD, Manifest
from paas.cli.find import PAUSE, Selection, changes
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Expired, Forbidden
from paas.kube.mapper import Served

KIND = Served(POD, "pod", ("po",), ("watch",))
EXPIRED = Expired(410, "Expired", "too old resource version")
GONE = ClusterUnreachable("connection refused")


class Over(Exception):
    """The test has no more answers."""


class Watches:
    """Answers one watch after the other: objects, or objects and then a failure."""

    def __init__(self, *answers: Exception | list[Manifest]) -> None:
        self.answers = list(answers)
        self.versions: list[str | None] = []

    async def watch(
        self, *_: Any, resource_version: str | None, **__: Any
    ) -> AsyncIterator[tuple[str, Manifest]]:
        if not self.answers:
            raise Over
        self.versions.append(resource_version)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        for obj in answer:
            yield "MODIFIED", obj


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []

    async def at_once(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    return slept


def pod(version: str, uid: str = "u") -> Manifest:
    return {"metadata": {"name": "shop-1", "uid": uid, "resourceVersion": version}}


async def told(watches: Watches) -> tuple[list[str], list[Exception]]:
    """Versions of the objects that were told, and how often the API server was said to be lost."""
    seen: list[str] = []
    lost: list[Exception] = []
    found = changes(
        cast(Cluster, watches), KIND, Selection("demo"), accept="application/json", lost=lost.append
    )
    with contextlib.suppress(Over):
        async for obj in found:
            seen.append(obj["metadata"]["resourceVersion"])
    return seen, lost


@pytest.mark.parametrize("answer", [[], EXPIRED, GONE, ApiError(429, "TooManyRequests", "later")])
async def test_no_answer_makes_it_ask_without_a_pause(pauses: list[float], answer: Any) -> None:
    """An API server that is starting ends each watch at once, with or without a word."""
    await told(Watches(*[answer] * 5))
    assert pauses == [PAUSE] * 5


async def test_after_a_version_that_is_too_old_each_change_is_told_once(pauses: list[float]) -> None:
    watches = Watches([pod("5")], EXPIRED, [pod("5"), pod("7")], [pod("8", uid="made again")])
    assert (await told(watches))[0] == ["5", "7", "8"]
    assert watches.versions == [None, "5", None, "7"]


async def test_an_api_server_that_is_away_is_said_once_until_it_is_back(pauses: list[float]) -> None:
    _, lost = await told(Watches([pod("5")], GONE, GONE, GONE, [], GONE))
    assert lost == [GONE, GONE]


async def test_a_refusal_ends_it() -> None:
    watches = Watches(Forbidden(403, "Forbidden", "no"))
    with pytest.raises(Forbidden):
        async for _ in changes(cast(Cluster, watches), KIND, Selection("demo"), accept="application/json"):
            pass
