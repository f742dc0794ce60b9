"""A worker outlives whatever goes wrong with one key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, cast

from paas.api.resources import Key
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile import backoff
from paas.reconcile.controller import Controller
from paas.reconcile.plan import Plan
from paas.reconcile.runner import Runner
from paas.settings import Settings

BAD, GOOD = Key("n", "bad"), Key("n", "good")


class Failing(Controller[Key]):
    """Fails at one key, and notes the others."""

    name = "test-failing"
    watches = ()

    def __init__(self) -> None:
        super().__init__(cluster=cast(Cluster, None), view=View(), settings=Settings())
        self.done: asyncio.Queue[Key] = asyncio.Queue()

    async def gather(self, key: Key) -> Key | None:
        return key

    def plan(self, observed: Key, *, now: datetime, settings: Settings) -> Plan:
        self.done.put_nowait(observed)
        if observed == BAD:
            raise ValueError("poisoned")
        return Plan()


@contextlib.asynccontextmanager
async def working(runner: Runner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_key_that_failed_very_often_does_not_end_the_worker() -> None:
    controller = Failing()
    runner = Runner(controller)
    runner._failures[BAD] = 5000
    async with working(runner), asyncio.timeout(5):
        runner.queue.add(BAD)
        runner.queue.add(GOOD)
        assert [await controller.done.get(), await controller.done.get()] == [BAD, GOOD]
    assert runner._failures[BAD] == 5001


async def test_a_fault_in_the_handling_of_a_failure_does_not_end_the_worker(monkeypatch: Any) -> None:
    def broken(failures: int, *, first: float) -> float:
        raise OverflowError("int too large to convert to float")

    monkeypatch.setattr(backoff, "pause", broken)
    controller = Failing()
    runner = Runner(controller)
    async with working(runner), asyncio.timeout(5):
        runner.queue.add(BAD)
        runner.queue.add(GOOD)
        assert [await controller.done.get(), await controller.done.get()] == [BAD, GOOD]
