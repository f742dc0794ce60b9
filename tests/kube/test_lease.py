"""The lease: whoever cannot be sure to hold it stops in time, and nobody else's fault makes a holder."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from paas.api.resources import Key, Manifest, Resource
from paas.kube import lease as module
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, ApiError, ClusterUnreachable, Conflict
from paas.kube.lease import Lease, LeaseLost

KEY = Key("paas-system", "operator")
DURATION, HELD, RENEW, RETRY, ATTEMPT = 1.5, 1.0, 0.4, 0.1, 0.3
"""A tenth of the real ones."""


@pytest.fixture(autouse=True)
def _ten_times_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("DURATION", "HELD", "RENEW_EVERY", "RETRY_EVERY", "ATTEMPT")
    for name, seconds in zip(names, (DURATION, HELD, RENEW, RETRY, ATTEMPT), strict=True):
        monkeypatch.setattr(module, name, seconds)


class Store:
    """An API server that has one Lease."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.versions = 0
        self.writes: list[str] = []

    def put(self, lease: Manifest) -> Manifest:
        self.versions += 1
        version = str(self.versions)
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": version}}
        self.writes.append(str((lease.get("spec") or {}).get("holderIdentity")))
        return self.lease


class Door:
    """One candidate's way to it; `meet` is awaited before each answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.meet: Callable[[str], Awaitable[None]] = _nothing

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        await self.meet("GET")
        return copy.deepcopy(self.store.lease)

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        await self.meet("POST")
        if self.store.lease is not None:
            raise AlreadyExists(409, "AlreadyExists", "it is there")
        return self.store.put(manifest)

    async def request(self, method: str, path: str, *, body: Any) -> Manifest:
        await self.meet(method)
        stored = self.store.lease
        if stored is None or stored["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        return self.store.put(body)


async def _nothing(method: str) -> None:
    return None


async def _silent(method: str) -> None:
    await asyncio.Event().wait()


def raising(problem: Exception) -> Callable[[str], Awaitable[None]]:
    async def meet(method: str) -> None:
        raise problem

    return meet


def candidate(store: Store, identity: str) -> tuple[Lease, Door]:
    door = Door(store)
    return Lease(cast(Cluster, door), KEY, identity=identity), door


def clock() -> float:
    return asyncio.get_running_loop().time()


PASSING = [
    ApiError(500, "InternalError", "etcd is away"),
    ClusterUnreachable("no answer"),
    Conflict(409, "Conflict", "another was faster"),
]


@pytest.mark.parametrize("problem", [KeyError("spec"), ValueError("no JSON"), RuntimeError("closed")])
async def test_no_fault_makes_a_holder(problem: Exception) -> None:
    lease, door = candidate(Store(), "one")
    door.meet = raising(problem)
    with pytest.raises(type(problem)):
        await lease.acquire()
    with pytest.raises(LeaseLost):
        lease.check()


@pytest.mark.parametrize("problem", PASSING)
async def test_what_passes_is_waited_for(problem: Exception) -> None:
    lease, door = candidate(Store(), "one")
    failed = asyncio.Event()

    async def meet(method: str) -> None:
        failed.set()
        raise problem

    door.meet = meet
    acquiring = asyncio.create_task(lease.acquire())
    await failed.wait()
    door.meet = _nothing
    async with asyncio.timeout(5):
        await acquiring
    lease.check()


async def test_a_candidate_is_not_held_up_by_a_connection_that_is_silent() -> None:
    lease, door = candidate(Store(), "one")
    asked = asyncio.Event()

    async def meet(method: str) -> None:
        if not asked.is_set():
            asked.set()
            await _silent(method)

    door.meet = meet
    async with asyncio.timeout(5):
        await lease.acquire()
    lease.check()


async def test_a_lease_without_a_spec_is_free() -> None:
    store = Store()
    store.put({"metadata": {"name": "operator"}})
    lease, _ = candidate(store, "one")
    async with asyncio.timeout(5):
        await lease.acquire()
    assert store.writes[-1] == "one"


async def test_a_holder_that_gets_no_answer_stops_before_another_may_begin() -> None:
    store = Store()
    one, door = candidate(store, "one")
    two, _ = candidate(store, "two")
    await one.acquire()
    acquiring = asyncio.create_task(two.acquire())
    holding = asyncio.create_task(one.hold())
    began = clock()
    door.meet = _silent
    async with asyncio.timeout(5):
        with pytest.raises(LeaseLost):
            await holding
        assert clock() - began < DURATION
        assert not acquiring.done()
        with pytest.raises(LeaseLost):
            one.check()
        await acquiring
    assert clock() - began >= DURATION


async def test_an_answer_that_comes_late_does_not_stretch_what_is_left() -> None:
    """The API server takes the renewal at once, and the answer takes almost as long as a renewal may."""
    lease, door = candidate(Store(), "one")

    async def late(method: str) -> None:
        if method == "PUT":
            await asyncio.sleep(0.8 * ATTEMPT)

    await lease.acquire()
    door.meet = late
    asked = clock()
    await lease._renew()
    assert lease._held_until - asked == pytest.approx(HELD, abs=0.15)


async def test_one_silent_connection_is_no_lost_lease() -> None:
    lease, door = candidate(Store(), "one")
    await lease.acquire()
    answers = asyncio.Queue[str]()
    silenced = asyncio.Event()

    async def meet(method: str) -> None:
        if not silenced.is_set():
            silenced.set()
            await _silent(method)
        answers.put_nowait(method)

    door.meet = meet
    holding = asyncio.create_task(lease.hold())
    async with asyncio.timeout(5):
        while await answers.get() != "PUT":
            continue
    assert not holding.done()
    lease.check()
    holding.cancel()


async def test_a_lease_that_another_has_is_lost_at_once() -> None:
    store = Store()
    lease, _ = candidate(store, "one")
    await lease.acquire()
    assert store.lease is not None
    store.put({**store.lease, "spec": {**store.lease["spec"], "holderIdentity": "two"}})
    with pytest.raises(LeaseLost, match="two has the lease"):
        await lease.hold()
    with pytest.raises(LeaseLost):
        lease.check()


async def test_a_fault_while_it_is_held_is_not_held_on() -> None:
    lease, door = candidate(Store(), "one")
    await lease.acquire()
    door.meet = raising(KeyError("spec"))
    with pytest.raises(KeyError):
        await lease.hold()


async def test_the_next_one_begins_at_once_after_a_release() -> None:
    store = Store()
    one, _ = candidate(store, "one")
    two, _ = candidate(store, "two")
    await one.acquire()
    await one.release()
    with pytest.raises(LeaseLost):
        one.check()
    began = clock()
    await two.acquire()
    assert clock() - began < DURATION / 2
    assert store.writes == ["one", "", "two"]


@pytest.mark.parametrize("meet", [_silent, raising(ClusterUnreachable("no answer"))])
async def test_a_release_that_nobody_hears_ends_all_the_same(
    meet: Callable[[str], Awaitable[None]],
) -> None:
    lease, door = candidate(Store(), "one")
    await lease.acquire()
    door.meet = meet
    async with asyncio.timeout(2 * ATTEMPT):
        await lease.release()


async def test_of_many_candidates_one_holds() -> None:
    store = Store()
    candidates = [candidate(store, f"c{number}")[0] for number in range(10)]
    acquiring = [asyncio.create_task(each.acquire()) for each in candidates]
    done, waiting = await asyncio.wait(acquiring, timeout=DURATION / 2)
    assert len(done) == 1
    for task in waiting:
        task.cancel()


async def test_a_renewal_that_is_not_answered_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lease, door = candidate(Store(), "one")
    await lease.acquire()
    door.meet = _silent
    with pytest.raises(LeaseLost):
        await lease.hold()
    assert "was not renewed: no answer in time" in caplog.text
