"""The manager's tasks: the end of one is known, and none outlives the manager."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import cast

import pytest

from paas.api.resources import Key
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile.controller import Controller
from paas.reconcile.manager import Manager
from paas.reconcile.plan import Plan
from paas.reconcile.refusal import Refusal
from paas.settings import Settings


class Idle(Controller[Key]):
    name = "test-idle"
    watches = ()

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        super().__init__(cluster=cluster, view=view, settings=settings)
        self.begun = asyncio.Event()

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Key | None:
        self.begun.set()
        await asyncio.Event().wait()
        return key

    def plan(self, observed: Key, *, now: datetime, settings: Settings) -> Plan:
        return Plan()


def manager() -> Manager:
    view, settings, cluster = View(), Settings(), cast(Cluster, None)
    controller = Idle(cluster=cluster, view=view, settings=settings)
    return Manager([controller], view=view, cluster=cluster, settings=settings)


async def test_the_end_of_a_worker_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    started = manager()

    async def broken() -> Key:
        raise LookupError("a fault in the queue")

    monkeypatch.setattr(started.runners[0].queue, "get", broken)
    await started._start()
    async with asyncio.timeout(5):
        end = await started.tasks.first_end()
    assert end.name == "worker 1 of test-idle"
    await started._stop()


async def test_the_end_of_the_resync_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    started = manager()
    monkeypatch.setattr("paas.reconcile.manager.random.uniform", lambda low, high: "no number")
    await started._start()
    async with asyncio.timeout(5):
        assert (await started.tasks.first_end()).name == "resync"
    await started._stop()


async def test_a_resync_that_fails_unexpectedly_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started = manager()
    tried = asyncio.Queue[None]()

    async def resync() -> None:
        tried.put_nowait(None)
        raise KeyError("resourceVersion")

    monkeypatch.setattr(started, "resync", resync)
    await started._start()
    async with asyncio.timeout(5):
        for _ in range(3):
            started.resync_soon()
            await tried.get()
    assert started.tasks.ended == ()
    await started._stop()


async def test_a_drain_that_fails_leaves_no_task_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = asyncio.all_tasks()
    started = manager()

    async def broken(*, seconds: float) -> None:
        raise LookupError("a fault in the drain")

    monkeypatch.setattr(started.runners[0], "drain", broken)
    await started._start()
    with pytest.raises(LookupError):
        await started._stop()
    assert asyncio.all_tasks() == before


async def test_a_key_that_is_worked_on_for_ever_shows_in_the_age() -> None:
    started = manager()
    await started._start()
    runner = started.runners[0]
    runner.queue.add(Key("n", "slow"))
    async with asyncio.timeout(5):
        await runner.controller.begun.wait()  # type: ignore[attr-defined]
    assert runner.queue.oldest_seconds() == 0
    for key in runner.queue._active:
        runner.queue._active[key] -= 1000
    assert started.oldest_seconds() > 999
    await runner.drain(seconds=0)
    await started.tasks.stop()
