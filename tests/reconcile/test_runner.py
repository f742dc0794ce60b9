"""A worker outlives whatever goes wrong with one key, and what was refused is told to the next gather."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pytest

from paas.api.resources import Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, error_of
from paas.kube.view import View
from paas.reconcile import backoff, failure, pace
from paas.reconcile.controller import Controller, Watch, itself
from paas.reconcile.plan import Action, Create, Effect, Plan, PlanOutdated, Requeue
from paas.reconcile.refusal import EffectRefused, Refusal
from paas.reconcile.runner import LONGEST_RETRY_AFTER, Runner
from paas.reconcile.status import Blocker
from paas.settings import Settings

BAD, GOOD = Key("n", "bad"), Key("n", "good")


class Failing(Controller[Key]):
    """Fails at one key, and notes the others."""

    name = "test-failing"
    watches = ()

    def __init__(self) -> None:
        super().__init__(cluster=cast(Cluster, None), view=View(), settings=Settings())
        self.done: asyncio.Queue[Key] = asyncio.Queue()

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Key | None:
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


async def test_two_thousand_failures_of_one_key_hold_up_nobody() -> None:
    """R26: something wakes the broken key at once after every failure."""
    controller = Failing()
    runner = Runner(controller)
    others = [Key("n", f"good-{number}") for number in range(20)]
    async with working(runner), asyncio.timeout(60):
        for number in range(2000):
            runner.queue.add(BAD)
            assert await controller.done.get() == BAD, number
        for key in others:
            runner.queue.add(key)
        assert [await controller.done.get() for _ in others] == others
        pause = runner.queue._due[BAD] - asyncio.get_running_loop().time()
        assert pause <= 1.25 * backoff.LONGEST_PAUSE
    assert runner._failures[BAD] == 2000
    assert len(runner.queue._later) < 100, "no entry is kept for each failure"


async def test_a_retry_after_of_a_day_is_not_waited_for() -> None:
    runner = Runner(Unreadable(Door()))
    runner.controller.broken = error_of(429, b"busy", retry_after="86400")  # type: ignore[attr-defined]
    await runner._reconcile(GOOD)
    pause = runner.queue._due[GOOD] - asyncio.get_running_loop().time()
    assert 0 < pause <= LONGEST_RETRY_AFTER


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
    assert runner.queue._due[BAD] - asyncio.get_running_loop().time() > backoff.LONGEST_PAUSE - 10


CHILD = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "child"}}
FIRST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "first"}}


class Door:
    """A cluster that has no room for `child`, and notes what is asked of it."""

    def __init__(self) -> None:
        self.full = True
        self.asked: list[str] = []
        self.answer = ApiError(403, "Forbidden", "exceeded quota: small")

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        name = manifest["metadata"]["name"]
        self.asked.append(name)
        if self.full and name == "child":
            raise self.answer
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "1"}}


class Wanting(Controller[tuple[Refusal, ...]]):
    """Wants `child` for ever, and notes what it was told."""

    name = "test-wanting"
    watches = ()

    def __init__(self, door: Door) -> None:
        super().__init__(cluster=cast(Cluster, door), view=View(), settings=Settings())
        self.told: list[tuple[str, ...]] = []
        self._heard: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.actions: tuple[Action, ...] = (Create(CHILD, owner_uid="1"), Create(FIRST, owner_uid="1"))

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...] | None:
        return refusals

    def plan(self, observed: tuple[Refusal, ...], *, now: datetime, settings: Settings) -> Plan:
        self.told.append(tuple(refusal.words for refusal in observed))
        self._heard.put_nowait(self.told[-1])
        return Plan(self.actions)

    async def hears(self) -> tuple[str, ...]:
        """The words of the refusals that the next plan knows of."""
        return await self._heard.get()

    async def effect(self, effect: Effect) -> None:
        raise EffectRefused("the line is dead")


async def test_a_refusal_is_told_to_the_next_gather_and_what_follows_is_done_then() -> None:
    door = Door()
    controller = Wanting(door)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    assert door.asked == ["child"], "what follows may rest on what was refused"
    async with asyncio.timeout(5):
        assert await runner.queue.get() == GOOD, "there is something to say"
    runner.queue.done(GOOD)
    await runner.reconcile(GOOD)
    assert controller.told == [(), ("exceeded quota: small",)]
    assert door.asked == ["child", "first"], "the plan knew, and the same is not asked again at once"


async def test_what_is_refused_once_more_when_it_is_due_does_not_stop_what_follows(monkeypatch: Any) -> None:
    door = Door()
    runner = Runner(Wanting(door))
    await runner.reconcile(GOOD)
    monkeypatch.setattr(runner._refusals, "not_yet", lambda key, plan, now: frozenset())
    await runner.reconcile(GOOD)
    assert door.asked == ["child", "child", "first"]


async def test_events_do_not_make_the_same_be_asked_again_before_it_is_due() -> None:
    door = Door()
    runner = Runner(Wanting(door))
    for _ in range(50):
        await runner.reconcile(GOOD)
    assert door.asked.count("child") == 1


async def test_what_is_accepted_at_last_is_told_no_more() -> None:
    door = Door()
    controller = Wanting(door)
    runner = Runner(controller)
    async with working(runner), asyncio.timeout(10):
        runner.queue.add(GOOD)
        assert await controller.hears() == ()
        assert await controller.hears() == ("exceeded quota: small",)
        door.full = False
        while await controller.hears() != ():
            continue
    assert door.asked.count("child") > 1


async def test_an_effect_that_is_refused_is_told_too() -> None:
    controller = Wanting(Door())
    controller.actions = (Call(),)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    await runner.reconcile(GOOD)
    assert controller.told == [(), ("the line is dead",)]


@pytest.mark.parametrize("status", [429, 500, 503, 409])
async def test_what_may_soon_be_accepted_is_no_refusal(status: int) -> None:
    door = Door()
    door.answer = ApiError(status, "Busy", "later")
    controller = Wanting(door)
    runner = Runner(controller)
    for _ in range(2):
        with pytest.raises(ApiError):
            await runner.reconcile(GOOD)
    assert controller.told == [(), ()]


async def test_a_plan_that_takes_turns_does_not_do_so_for_ever_at_full_speed() -> None:
    """It asks when it knows of no refusal and does not when it knows of one: that is a mistake of the
    plan's, and must not become a loop."""
    door = Door()
    runner = Runner(Turning(door))
    for _ in range(40):
        await runner._reconcile(GOOD)
    assert runner._turns[GOOD] == 20
    assert backoff.pause(20, first=backoff.OUTDATED_PAUSE) == backoff.LONGEST_PAUSE


class Turning(Wanting):
    """Asks only when it was not refused before."""

    def plan(self, observed: tuple[Refusal, ...], *, now: datetime, settings: Settings) -> Plan:
        return Plan() if observed else Plan(self.actions)


@dataclass(frozen=True)
class Call(Effect):
    """An effect that never works."""


class Unreadable(Wanting):
    """Cannot read what it needs, and has something to say about that."""

    broken: Exception | None = ApiError(500, "InternalError", "no answer")

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...] | None:
        if self.broken is not None:
            raise self.broken
        return refusals

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        self.told.append((blocker.message,))
        return Plan((Create(FIRST, owner_uid="1"),))


@pytest.mark.parametrize(
    "problem",
    [
        ApiError(403, "Forbidden", "no answer"),
        ApiError(503, "Busy", "no answer"),
        ClusterUnreachable("no answer"),
        PlanOutdated("no answer"),
        OSError(2, "no answer", "/etc/key"),
    ],
)
async def test_a_key_that_fails_for_a_while_has_its_objects_say_so(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door()
    controller = Unreadable(door)
    controller.broken = problem
    runner = Runner(controller)
    await runner._reconcile(GOOD)
    assert door.asked == [], "a short failure is nobody's business"
    monkeypatch.setattr(failure, "SAID_AFTER", 0)
    runner = Runner(controller)
    for _ in range(5):
        await runner._reconcile(GOOD)
    assert door.asked == ["first"]
    assert "no answer" in controller.told[0][0]
    controller.broken = None
    await runner._reconcile(GOOD)
    controller.broken = problem
    await runner._reconcile(GOOD)
    assert len(controller.told) == 3, "it worked meanwhile, so this is another failure"


async def test_what_cannot_be_said_either_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "SAID_AFTER", 0)
    door = Door()
    controller = Unreadable(door)
    controller.failing = lambda key, blocker, *, now: Plan((Create(CHILD, owner_uid="1"),))  # type: ignore[method-assign]
    door.answer = ApiError(503, "Busy", "later")
    runner = Runner(controller)
    await runner._reconcile(GOOD)
    assert door.asked == ["child"]
    assert len(runner.queue._later) == 1


async def test_a_refusal_that_lasts_does_not_stretch_the_pauses_after_failures() -> None:
    door = Door()
    controller = Wanting(door)
    runner = Runner(controller)
    for _ in range(3):
        await runner._reconcile(GOOD)
        runner._failures[GOOD] = runner._failures.get(GOOD, 0) + 1
    await runner._reconcile(GOOD)
    assert GOOD not in runner._failures


async def test_nothing_is_kept_of_a_key_that_is_gone() -> None:
    door = Door()
    controller = Turning(door)
    runner = Runner(controller)
    for _ in range(4):
        await runner._reconcile(GOOD)
    controller.gather = _nothing  # type: ignore[method-assign]
    await runner._reconcile(GOOD)
    assert runner._turns == runner._failures == runner._refusals._kept == runner._failing._due == {}


async def _nothing(key: Key, refusals: tuple[Refusal, ...]) -> None:
    return None


class Talkative(Wanting):
    """Writes what it is told, and that wakes it: what it is told differs each time."""

    numbers = 0

    def plan(self, observed: tuple[Refusal, ...], *, now: datetime, settings: Settings) -> Plan:
        self.numbers += 1
        self._heard.put_nowait(())
        return Plan((Create({**FIRST, "data": {"number": str(self.numbers)}}, owner_uid="1"),))


class Wakeful(Door):
    """Each write comes back as an event."""

    def __init__(self) -> None:
        super().__init__()
        self.runner: Runner | None = None

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        assert self.runner is not None
        self.runner.queue.add(GOOD)
        return await super().create(manifest, manager=manager)


async def test_words_that_differ_each_time_make_no_loop_at_full_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "FIRST_REST", 60)
    monkeypatch.setattr(pace, "LONGEST_REST", 60)
    door = Wakeful()
    controller = Talkative(door)
    door.runner = Runner(controller)
    async with working(door.runner), asyncio.timeout(10):
        door.runner.queue.add(GOOD)
        for _ in range(pace.FREE_RUNS + 1):
            await controller.hears()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await controller.hears()
    assert controller.numbers == pace.FREE_RUNS + 1


async def test_a_refusal_in_other_words_each_time_makes_no_loop_at_full_speed() -> None:
    """The plan says them in what it asks for, so that it asks for something else each time."""
    door = Door()
    runner = Runner(Quoting(door))
    for number in range(pace.FREE_RUNS + 1):
        door.answer = ApiError(403, "Forbidden", f"denied, request {number}")
        await runner._reconcile(GOOD)
    assert len(door.asked) == pace.FREE_RUNS + 1
    assert GOOD in runner.queue._rests


class Quoting(Wanting):
    """Asks for what quotes the refusal."""

    def plan(self, observed: tuple[Refusal, ...], *, now: datetime, settings: Settings) -> Plan:
        said = " ".join(refusal.words for refusal in observed)
        return Plan((Create({**CHILD, "data": {"said": said}}, owner_uid="1"),))


CONFIGMAP = Resource("", "v1", "ConfigMap", "configmaps", True)
OTHER = Resource("", "v1", "Pod", "pods", True)


class Watching(Wanting):
    """Watches its ConfigMaps, creates one of them, and notes what its view has."""

    name = "test-watching"
    watches = (Watch(CONFIGMAP, itself),)

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.actions = (Create(FIRST, owner_uid="1"),)
        self.viewed: list[Manifest | None] = []
        self.gone = False

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...] | None:
        self.viewed.append(self.view.get(CONFIGMAP, Key("n", "first")))
        return None if self.gone else refusals


class Stored(Door):
    """A cluster that answers reads by `live`, and writes as version 2."""

    def __init__(self, live: Manifest | None) -> None:
        super().__init__()
        self.live, self.reads = live, 0

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        return version(2)

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        self.reads += 1
        return self.live


def version(number: int) -> Manifest:
    return {**FIRST, "metadata": {**FIRST["metadata"], "uid": "u", "resourceVersion": str(number)}}


def test_only_events_of_what_it_watches_wake_a_controller() -> None:
    async def woken() -> int:
        runner = Runner(Watching(Door()))
        runner.saw(OTHER, FIRST)
        before = len(runner.queue)
        runner.saw(CONFIGMAP, FIRST)
        return len(runner.queue) - before if before == 0 else -1

    assert asyncio.run(woken()) == 1


async def test_a_gather_sees_the_write_before_it_though_no_event_came(monkeypatch: Any) -> None:
    monkeypatch.setattr("paas.reconcile.runner.SEEN_WITHIN", 0.01)
    door = Stored(version(2))
    controller = Watching(door)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    assert (controller.viewed, door.reads) == ([None], 0), "there was no write before it"
    await runner.reconcile(GOOD)
    assert controller.viewed[1] is not None
    assert controller.viewed[1]["metadata"]["resourceVersion"] == "2"
    assert door.reads == 1


async def test_what_was_written_and_deleted_since_is_not_seen(monkeypatch: Any) -> None:
    monkeypatch.setattr("paas.reconcile.runner.SEEN_WITHIN", 0.01)
    controller = Watching(Stored(None))
    controller.view.put(CONFIGMAP, version(1))
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    await runner.reconcile(GOOD)
    assert controller.viewed == [version(1), None]


async def test_a_write_that_an_event_told_of_is_not_read_again() -> None:
    door = Stored(version(2))
    controller = Watching(door)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    controller.view.put(CONFIGMAP, version(2))
    await runner.reconcile(GOOD)
    assert door.reads == 0


async def test_of_several_writes_only_what_no_event_told_of_is_read(monkeypatch: Any) -> None:
    monkeypatch.setattr("paas.reconcile.runner.SEEN_WITHIN", 0.01)
    door = Stored(version(2))
    controller = Watching(door)
    runner = Runner(controller)
    seen, unseen = Key("n", "first"), Key("n", "second")
    controller.view.put(CONFIGMAP, version(2))
    runner._written[GOOD] = {(CONFIGMAP, seen): 2, (CONFIGMAP, unseen): 2}
    await runner.reconcile(GOOD)
    assert door.reads == 1


async def test_what_is_not_watched_is_not_waited_for() -> None:
    door = Stored(version(2))
    controller = Unwatching(door)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    await runner.reconcile(GOOD)
    assert door.reads == 0


class Unwatching(Watching):
    watches = ()


async def test_refusals_of_an_object_that_is_gone_are_forgotten() -> None:
    controller = Watching(Door())
    controller.actions = (Create(CHILD, owner_uid="1"),)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    controller.gone = True
    assert await runner.reconcile(GOOD) == 0
    controller.gone = False
    await runner.reconcile(GOOD)
    assert controller.told == [(), ()]


async def test_a_key_whose_plan_asks_for_it_is_looked_at_again() -> None:
    controller = Wanting(Door())
    controller.actions = (Requeue(0),)
    runner = Runner(controller)
    await runner.reconcile(GOOD)
    async with asyncio.timeout(5):
        assert await runner.queue.get() == GOOD


async def test_the_api_server_says_when_to_come_back_at_the_earliest(monkeypatch: Any) -> None:
    door = Door()
    door.answer = ApiError(429, "TooManyRequests", "later", retry_after=47)
    runner = Runner(Wanting(door))
    pauses: list[float] = []
    monkeypatch.setattr(runner.queue, "add", lambda key, after=0.0: pauses.append(after))
    await runner._reconcile(GOOD)
    assert pauses == [47]


async def test_failures_in_a_row_are_counted_until_it_goes_well() -> None:
    door = Door()
    door.answer = ApiError(503, "Busy", "later")
    runner = Runner(Wanting(door))
    for count in (1, 2, 3):
        await runner._reconcile(GOOD)
        assert runner._failures[GOOD] == count
    door.full = False
    await runner._reconcile(GOOD)
    assert GOOD not in runner._failures


async def test_a_runner_that_is_drained_ends_what_it_does_and_begins_nothing() -> None:
    controller = Slow()
    runner = Runner(controller)
    async with working(runner), asyncio.timeout(5):
        runner.queue.add(BAD)
        await controller.begun.wait()
        draining = asyncio.create_task(runner.drain(seconds=60))
        await asyncio.sleep(0)
        runner.queue.add(GOOD)
        assert not draining.done()
        controller.may_end.set()
        await draining
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(runner.queue) == 0
    assert controller.gathered == [BAD]


async def test_a_drain_does_not_wait_longer_than_it_may() -> None:
    controller = Slow()
    runner = Runner(controller)
    async with working(runner), asyncio.timeout(5):
        runner.queue.add(BAD)
        await controller.begun.wait()
        await runner.drain(seconds=0.01)


class Slow(Failing):
    """Gathers until it may end."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.gathered: list[Key] = []

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Key | None:
        self.gathered.append(key)
        self.begun.set()
        await self.may_end.wait()
        return None
