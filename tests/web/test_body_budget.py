"""Bodies that arrive together have a measure; the one that takes longest gives way."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from paas.web.body import Body, BodyRefused
from paas.web.body_budget import OVERHEAD, BodyBudget, Busy
from tests.support.asgi import Arriving, settled


class Reading:
    """One request whose body arrives under a budget."""

    def __init__(self, budget: BodyBudget) -> None:
        self.arriving = Arriving()
        self.task = asyncio.create_task(self._read(budget))

    async def _read(self, budget: BodyBudget) -> bytes:
        with budget.share() as share:
            return await Body(self.arriving.receive, limit=2**20, idle=60, share=share).read()

    async def send(self, size: int, *, last: bool = False) -> None:
        self.arriving.send(b"x" * size, last=last)
        await settled()


async def test_the_oldest_body_gives_way_and_the_newest_is_taken() -> None:
    budget = BodyBudget(4 * OVERHEAD + 3000)
    slow = [Reading(budget) for _ in range(3)]
    for reading in slow:
        await reading.send(1000)
    delivery = Reading(budget)
    await delivery.send(1000, last=True)
    assert await delivery.task == b"x" * 1000
    with pytest.raises(Busy):
        await slow[0].task
    for reading in slow[1:]:
        await reading.send(1, last=True)
        assert len(await reading.task) == 1001
    assert budget.held == 0


async def test_requests_count_before_their_bodies_do() -> None:
    budget = BodyBudget(10 * OVERHEAD)
    idle = [Reading(budget) for _ in range(50)]
    for reading in idle:
        await reading.send(0)
    assert sum(not reading.task.done() for reading in idle) == 10
    assert [reading.task.done() for reading in idle] == [True] * 40 + [False] * 10
    for reading in idle:
        reading.task.cancel()
        with pytest.raises((Busy, asyncio.CancelledError)):
            await reading.task
    assert budget.held == 0


async def test_a_body_alone_that_is_too_large_for_the_budget_is_refused() -> None:
    budget = BodyBudget(OVERHEAD + 100)
    reading = Reading(budget)
    reading.arriving.send(b"x" * 200)
    with pytest.raises(Busy):
        await reading.task
    assert budget.held == 0


async def test_who_is_merely_slow_hears_another_answer() -> None:
    budget = BodyBudget(2**20)
    with budget.share() as share, pytest.raises(BodyRefused) as refused:
        await Body(Arriving().receive, limit=100, idle=0, share=share).read()
    assert refused.value.status == 408


async def test_one_whose_time_is_up_in_this_moment_gives_way_as_well() -> None:
    """It has not been told yet; the one that wants the room must not fail for that."""
    budget, taken = BodyBudget(2 * OVERHEAD), []

    def newcomer() -> None:
        with budget.share() as another:
            another.take(OVERHEAD)
            taken.append(another.held)

    with budget.share() as share, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0) as waiting:
            share.waiting = waiting
            asyncio.get_running_loop().call_soon(newcomer)  # right behind the end of the time
            await asyncio.sleep(60)
    assert taken == [2 * OVERHEAD]
    assert budget.held == 0
