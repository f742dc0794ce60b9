"""Strangers make few reads, and keep nobody waiting who is known."""

from __future__ import annotations

import asyncio

import pytest

from paas.web.lookups import Lookups
from tests.support.asgi import settled


class Store:
    """What is read, as slowly as the test wants."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.at_once = self.most_at_once = 0

    async def read(self, key: str) -> int:
        self.reads.append(key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        self.at_once -= 1
        return len(self.reads)


async def test_a_name_is_read_a_few_times_in_a_moment_and_then_remembered() -> None:
    store, now = Store(), [0.0]
    lookups = Lookups(store.read, most=3, seconds=0.5, clock=lambda: now[0])
    assert [await lookups.of("a") for _ in range(6)] == [1, 2, 3, 3, 3, 3]
    now[0] = 0.6
    assert await lookups.of("a") == 4
    assert await lookups.of("b") == 5


async def test_those_who_ask_at_the_same_time_share_one_read() -> None:
    store = Store()
    lookups = Lookups(store.read, most=1, seconds=1)
    store.open.clear()
    asking = [asyncio.create_task(lookups.of("a")) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()  # one who leaves does not take the others' read away
    store.open.set()
    assert await asyncio.gather(*asking[1:]) == [1] * 49


async def test_strangers_have_few_reads_at_once_and_keep_nobody_waiting_who_is_known() -> None:
    store = Store()
    lookups = Lookups(store.read, most=1, seconds=0, at_once=4)
    await lookups.of("known")
    lookups.prove("known")
    store.open.clear()
    strangers = [asyncio.create_task(lookups.of(f"guess-{number}")) for number in range(200)]
    await settled()
    assert store.at_once == 4
    known = asyncio.create_task(lookups.of("known"))
    await settled()
    assert store.reads[-1] == "known"
    assert (store.most_at_once, len(store.reads)) == (5, 6)
    store.open.set()
    await asyncio.gather(known, *strangers)
    assert store.most_at_once == 5


async def test_a_read_that_fails_is_not_remembered() -> None:
    failures = [OSError("no answer"), None]

    async def read(key: str) -> str:
        if (failure := failures.pop(0)) is not None:
            raise failure
        return "found"

    lookups = Lookups(read, most=1, seconds=60)
    with pytest.raises(OSError, match="no answer"):
        await lookups.of("a")
    assert await lookups.of("a") == "found"
