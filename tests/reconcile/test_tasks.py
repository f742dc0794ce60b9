"""A task that nobody awaits does not end unseen, and none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

import pytest

from paas.reconcile.tasks import Tasks, cancelled, to_its_end


async def _returns() -> None:
    return None


async def _fails() -> None:
    raise LookupError("lost")


async def _waits() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("ending", "words"),
    [(_returns, "task 'one' ended"), (_fails, "task 'one' ended: LookupError('lost')")],
)
async def test_any_end_is_an_error(ending: object, words: str, caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()
    tasks.start(_waits(), name="other")
    tasks.start(ending(), name="one")  # type: ignore[operator]
    async with asyncio.timeout(5):
        end = await tasks.first_end()
    assert str(end) == words
    assert tasks.ended == (end,)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [words]
    await tasks.stop()


async def test_also_that_somebody_else_cancels_it() -> None:
    tasks = Tasks()
    tasks.start(_waits(), name="one").cancel()
    async with asyncio.timeout(5):
        assert (await tasks.first_end()).name == "one"


async def test_stop_leaves_no_task_behind_and_is_no_error() -> None:
    before = asyncio.all_tasks()
    tasks, stubborn = Tasks(), asyncio.Event()

    async def ends_late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            stubborn.set()

    tasks.start(ends_late(), name="one")
    tasks.start(_waits(), name="two")
    await asyncio.sleep(0)
    await tasks.stop()
    assert stubborn.is_set()
    assert asyncio.all_tasks() == before
    assert tasks.ended == ()


async def test_a_cancelled_task_has_ended_whatever_its_end() -> None:
    async def fails_at_its_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("lost")

    one, two = asyncio.create_task(fails_at_its_end()), asyncio.create_task(_waits())
    await asyncio.sleep(0)
    await cancelled(one, two)
    assert one.done()
    assert two.done()


async def test_who_is_cancelled_waits_for_the_thread() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def remove(what: str) -> None:
        begun.set()
        assert go_on.wait(20)
        assert what == "it"
        ended.set()

    working = asyncio.create_task(to_its_end(remove, "it"))
    assert await asyncio.to_thread(begun.wait, 20)
    working.cancel()
    done, _ = await asyncio.wait([working], timeout=0.1)
    assert not done
    go_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    assert working.cancelled()
    assert ended.is_set()


async def test_what_comes_of_it_is_handed_on() -> None:
    assert await to_its_end(sorted, [2, 1]) == [1, 2]
