"""A key is worked on by one worker at a time, once however often it was woken, and never forgotten."""

from __future__ import annotations

import asyncio

from paas.api.resources import Key
from paas.reconcile.queue import KeyedQueue

A, B = Key("n", "a"), Key("n", "b")


async def test_a_key_woken_twice_is_worked_on_once() -> None:
    queue = KeyedQueue()
    queue.add(A)
    queue.add(A)
    assert await queue.get() == A
    queue.done(A)
    assert len(queue) == 0


async def test_a_key_woken_while_worked_on_comes_again_only_after_that() -> None:
    queue = KeyedQueue()
    queue.add(A)
    await queue.get()
    queue.add(A)
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not second.done()
    queue.done(A)
    assert await asyncio.wait_for(second, 1) == A


async def test_keys_come_in_the_order_in_which_they_were_woken() -> None:
    queue = KeyedQueue()
    queue.add(B)
    queue.add(A)
    queue.add(B)
    assert [await queue.get(), await queue.get()] == [B, A]


async def test_a_delayed_key_comes_when_it_is_due() -> None:
    queue = KeyedQueue()
    queue.add(A, after=0.05)
    queue.add(B)
    assert await queue.get() == B
    started = asyncio.get_running_loop().time()
    assert await asyncio.wait_for(queue.get(), 1) == A
    assert asyncio.get_running_loop().time() - started >= 0.04


async def test_an_earlier_date_stands() -> None:
    queue = KeyedQueue()
    queue.add(A, after=0.01)
    queue.add(A, after=60)
    assert await asyncio.wait_for(queue.get(), 1) == A


async def test_a_key_woken_now_is_not_held_back_by_its_delay() -> None:
    queue = KeyedQueue()
    queue.add(A, after=60)
    queue.add(A)
    assert await asyncio.wait_for(queue.get(), 1) == A
    queue.done(A)
    assert len(queue) == 0


async def test_the_age_of_the_oldest_key_is_told() -> None:
    queue = KeyedQueue()
    assert queue.oldest_seconds() == 0
    queue.add(A)
    await asyncio.sleep(0.02)
    assert queue.oldest_seconds() >= 0.02


async def test_a_key_that_rests_is_not_worked_on_however_often_it_is_woken() -> None:
    queue = KeyedQueue()
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.rest(A, seconds=0.05)
    started = asyncio.get_running_loop().time()
    queue.done(A)
    for after in (0, 0.001, 0):
        queue.add(A, after=after)
    queue.add(B)
    assert await queue.get() == B, "others are not held back"
    assert await asyncio.wait_for(queue.get(), 1) == A
    assert asyncio.get_running_loop().time() - started >= 0.04
    queue.done(A)
    queue.add(A)
    assert await asyncio.wait_for(queue.get(), 1) == A, "it has rested"
    assert not queue._rests


async def test_a_key_that_rested_is_looked_at_though_nothing_wakes_it() -> None:
    queue = KeyedQueue()
    queue.add(A)
    await queue.get()
    queue.rest(A, seconds=0.01)
    queue.done(A)
    assert await asyncio.wait_for(queue.get(), 1) == A
