"""The machinery under every controller: a keyed work queue, workers, and kopf's watches that wake it.

    kopf event ──▶ View.put ──▶ Watch.wakes ──▶ KeyedQueue ──▶ worker: gather ─▶ plan ─▶ run

A key is worked on by one worker at a time, and once however often it was woken meanwhile. Failures come
back after a growing, jittered pause. kopf's own handlers only wake the queue: work inside them would not
be retried, and its changing handlers write on the objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

import kopf

from paas.api.resources import Key, Manifest, Resource
from paas.kube.cluster import ApiError, Cluster, ClusterUnreachable
from paas.kube.view import View
from paas.reconcile import metrics
from paas.reconcile.execute import Executor, PlanOutdated
from paas.reconcile.plan import Effect, Plan
from paas.settings import Settings

logger = logging.getLogger(__name__)

Observed = TypeVar("Observed")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 300.0
"""Seconds before a failed key is tried again: doubled each time, up to the longest."""
OUTDATED_PAUSE = 0.05
DRAIN_SECONDS = 5.0
"""Seconds that plans under way are given when the process is told to end."""
SEEN_WITHIN = 2.0
"""Seconds that a gather waits for the view to catch up before it reads live."""


class KeyedQueue:
    """Keys to work on: deduplicated, each with one worker at a time, and delayed when asked."""

    def __init__(self) -> None:
        self._ready: dict[Key, float] = {}  # insertion order; value: since when it waits
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._active: set[Key] = set()
        self._again: dict[Key, float] = {}
        self._count = itertools.count()
        self._wake = asyncio.Event()

    def add(self, key: Key, *, after: float = 0) -> None:
        """Work on `key` in `after` seconds at the latest; an earlier date stands."""
        now = asyncio.get_running_loop().time()
        if after > 0:
            due = now + after
            if self._due.get(key, float("inf")) > due and key not in self._ready:
                self._due[key] = due
                heapq.heappush(self._later, (due, next(self._count), key))
                self._wake.set()
            return
        self._due.pop(key, None)
        if key in self._active:
            self._again.setdefault(key, now)
        else:
            self._ready.setdefault(key, now)
            self._wake.set()

    async def get(self) -> Key:
        """The next key; the caller owns it until `done`."""
        while True:
            now = asyncio.get_running_loop().time()
            while self._later and self._later[0][0] <= now:
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:
                    self.add(key)
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                self._active.add(key)
                return key
            self._wake.clear()
            pause = self._later[0][0] - now if self._later else None
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        self._active.discard(key)
        since = self._again.pop(key, None)
        if since is not None:
            self._ready[key] = since
        if self._ready:
            self._wake.set()

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has been waiting; 0 when none is."""
        if not self._ready:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._ready.values())

    def __len__(self) -> int:
        return len(self._ready) + len(self._active)


def itself(obj: Manifest, view: View) -> Iterable[Key]:
    """For Watch.wakes: the object's own key."""
    yield Key(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def owner(kind: str) -> Callable[[Manifest, View], Iterable[Key]]:
    """For Watch.wakes: the key of the controlling owner of this kind."""

    def wakes(obj: Manifest, view: View) -> Iterable[Key]:
        for ref in obj["metadata"].get("ownerReferences") or ():
            if ref.get("controller") and ref.get("kind") == kind:
                yield Key(obj["metadata"].get("namespace") or "", ref["name"])

    return wakes


def labelled(label: str) -> Callable[[Manifest, View], Iterable[Key]]:
    """For Watch.wakes: the key whose name is the value of this label, in the object's namespace."""

    def wakes(obj: Manifest, view: View) -> Iterable[Key]:
        name = (obj["metadata"].get("labels") or {}).get(label)
        if name:
            yield Key(obj["metadata"].get("namespace") or "", name)

    return wakes


@dataclass(frozen=True)
class Watch:
    """A resource that a controller reads, and which keys an event of it wakes.

    `labels` (name: value) narrow the watch at the API server; all watches of one resource in the
    process must agree on them.
    """

    resource: Resource
    wakes: Callable[[Manifest, View], Iterable[Key]]
    labels: Mapping[str, str] | None = None


class Controller(ABC, Generic[Observed]):
    """One room's controller: what it watches, how it gathers, and its pure plan."""

    name: ClassVar[str]
    """Field manager of all that it writes."""
    watches: ClassVar[tuple[Watch, ...]]
    workers: ClassVar[int] = 8

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        self.cluster, self.view, self.settings = cluster, view, settings

    @abstractmethod
    async def gather(self, key: Key) -> Observed | None:
        """One snapshot of all that the decision needs; None when there is nothing to decide."""

    @abstractmethod
    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        """The room's pure decision."""

    async def effect(self, effect: Effect) -> None:
        """Carry out a named effect on the outside."""
        raise TypeError(f"{self.name} has no effects, but planned {effect!r}")


class Runner:
    """Runs one controller: its queue, its workers, its back-off."""

    def __init__(self, controller: Controller[Any]) -> None:
        self.controller = controller
        self.queue = KeyedQueue()
        self._executor = Executor(controller.cluster, manager=controller.name, effect=controller.effect)
        self._failures: dict[Key, int] = {}
        self._working: set[Key] = set()
        self._stopping = False
        self._rested = asyncio.Event()
        self._written: dict[Key, dict[tuple[Resource, Key], int]] = {}

    def saw(self, resource: Resource, obj: Manifest) -> None:
        """An object changed: wake the keys that depend on it."""
        for watch in self.controller.watches:
            if watch.resource == resource:
                for key in watch.wakes(obj, self.controller.view):
                    self.queue.add(key)

    async def work(self) -> None:
        """Take keys for ever (a worker task)."""
        while True:
            key = await self.queue.get()
            self._working.add(key)
            try:
                if not self._stopping:
                    await self._reconcile(key)
            finally:
                self.queue.done(key)
                self._working.discard(key)
                self._rested.set()
                self._rested = asyncio.Event()

    async def drain(self, *, seconds: float) -> None:
        """Begin nothing new, and give the plans under way `seconds` to be carried out."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._working:
                    await self._rested.wait()

    async def _reconcile(self, key: Key) -> None:
        name = self.controller.name
        started = asyncio.get_running_loop().time()
        try:
            await self.reconcile(key)
        except PlanOutdated as problem:
            logger.info("%s %s: plan again: %s", name, key, problem)
            self._written.pop(key, None)
            self._retry(key, first=OUTDATED_PAUSE)
            result = "outdated"
        except (ApiError, ClusterUnreachable) as problem:
            logger.warning("%s %s: %s", name, key, problem)
            self._retry(key, at_least=getattr(problem, "retry_after", None) or 0)
            result = "refused"
        except Exception:
            # One poisoned object must not take the others' worker with it: it is tried again later.
            logger.exception("%s %s: unexpected", name, key)
            self._retry(key)
            result = "error"
        else:
            self._failures.pop(key, None)
            result = "ok"
        metrics.reconciled(name, result, asyncio.get_running_loop().time() - started)

    async def reconcile(self, key: Key) -> int:
        """One gather, plan and run; the number of writes."""
        await self._catch_up(key)
        observed = await self.controller.gather(key)
        if observed is None:
            return 0
        plan = self.controller.plan(observed, now=datetime.now(UTC), settings=self.controller.settings)
        outcome = await self._executor.run(plan)
        if outcome.writes:
            self._written[key] = outcome.writes
        if outcome.requeue_after is not None:
            self.queue.add(key, after=max(outcome.requeue_after, 0.01))
        return outcome.count

    async def _catch_up(self, key: Key) -> None:
        writes = self._written.pop(key, None)
        if not writes:
            return
        view = self.controller.view
        watched = {watch.resource for watch in self.controller.watches}
        wanted = [
            (resource, child, version) for (resource, child), version in writes.items() if resource in watched
        ]
        if await view.wait_seen(wanted, seconds=SEEN_WITHIN):
            return
        for resource, child, version in wanted:
            if not view.has_seen(resource, child, version):
                live = await self.controller.cluster.get(resource, child)
                if live is not None:
                    view.put(resource, live)
                elif (known := view.get(resource, child)) is not None:
                    view.remove(resource, known)

    def _retry(self, key: Key, *, first: float = FIRST_PAUSE, at_least: float = 0) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(first * 2**failures, LONGEST_PAUSE)
        self.queue.add(key, after=max(pause * random.uniform(0.75, 1.25), at_least))  # noqa: S311


def selector_of(resource: Resource) -> tuple[str, ...]:
    """How kopf names a resource: (group, version, plural), or (version, plural) of the core group."""
    core = (resource.version, resource.plural)
    return (resource.group, *core) if resource.group else core


def label_selector(labels: Mapping[str, str] | None) -> str | None:
    """The API server's form of equality on labels; None selects everything."""
    return ",".join(f"{name}={value}" for name, value in (labels or {}).items()) or None


class Manager:
    """All controllers of the process over one view; registers the watches with kopf."""

    def __init__(
        self, controllers: Iterable[Controller[Any]], *, view: View, cluster: Cluster, settings: Settings
    ):
        self.runners = [Runner(controller) for controller in controllers]
        self._view, self._cluster, self._settings = view, cluster, settings
        self._tasks: list[asyncio.Task[None]] = []
        self._resync_now = asyncio.Event()
        self.selectors: dict[Resource, Mapping[str, str] | None] = {}
        for runner in self.runners:
            for watch in runner.controller.watches:
                known = self.selectors.setdefault(watch.resource, watch.labels)
                if known != watch.labels:
                    raise ValueError(
                        f"{watch.resource} is watched with different labels: {known}, {watch.labels}"
                    )

    def narrow(self, settings: kopf.OperatorSettings) -> None:
        """Let kopf's watches ask for what is watched only: pods and Jobs of others are never read."""
        for resource, labels in self.selectors.items():
            if (selector := label_selector(labels)) is not None:
                settings.watching.label_selectors[cast(Any, selector_of(resource))] = selector

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Handlers for every watched resource, and the workers with kopf's start and end."""
        for resource, labels in self.selectors.items():
            self._register(registry, resource, labels)
        kopf.on.startup(registry=registry, id="workers")(self._start)
        kopf.on.cleanup(registry=registry, id="workers")(self._stop)

    def _register(
        self, registry: kopf.OperatorRegistry, resource: Resource, labels: Mapping[str, str] | None
    ) -> None:
        given = selector_of(resource)

        # All indexers have run over the first LIST before any event handler is called: so the view is
        # complete before the first key is worked on.
        @kopf.index(*given, registry=registry, id=f"view-{resource}", labels=dict(labels or {}))  # type: ignore[call-overload, untyped-decorator, unused-ignore]
        async def fill(body: kopf.Body, **_: Any) -> None:
            self._view.put(resource, dict(body))

        @kopf.on.event(*given, registry=registry, id=f"wake-{resource}", labels=dict(labels or {}))  # type: ignore[call-overload, untyped-decorator, unused-ignore]
        async def wake(type: str | None, body: kopf.Body, **_: Any) -> None:
            self.saw(type, resource, dict(body))

    def saw(self, type_: str | None, resource: Resource, body: Manifest) -> None:
        """Take over one watch event (type None: part of a LIST)."""
        if type_ == "DELETED":
            self._view.remove(resource, body)
        else:
            self._view.put(resource, body)
        for runner in self.runners:
            runner.saw(resource, body)

    async def _start(self, **_: Any) -> None:
        for runner in self.runners:
            for _number in range(runner.controller.workers):
                self._tasks.append(asyncio.create_task(runner.work()))
        self._tasks.append(asyncio.create_task(self._resync_forever()))

    async def _stop(self, **_: Any) -> None:
        await asyncio.gather(*(runner.drain(seconds=DRAIN_SECONDS) for runner in self.runners))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def resync_soon(self) -> None:
        """Do the next resync now."""
        self._resync_now.set()

    async def _resync_forever(self) -> None:
        while True:
            self._resync_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.resync_seconds * random.uniform(1, 1.1)):  # noqa: S311
                    await self._resync_now.wait()
            try:
                await self.resync()
            except (ApiError, ClusterUnreachable) as problem:
                logger.warning("resync: %s", problem)

    async def resync(self) -> None:
        """Read everything live (a broken watch may have missed a deletion), and look at every key.

        Keys are woken only when everything is read: a decision must not see one resource as it is and
        another as it was, or not at all when this runs before kopf's own first LIST has ended.
        """
        seen: list[tuple[Resource, Manifest]] = []
        for resource, labels in self.selectors.items():
            selector = label_selector(labels)
            page = await self._cluster.list_page(resource, None, {"limit": 1, "labelSelector": selector})
            version = int(page["metadata"]["resourceVersion"])
            known = self._view.list(resource)
            listed = await self._cluster.list(resource, labels=selector)
            changed = self._view.replace(resource, listed, version=version)
            seen += [(resource, obj) for obj in ([*listed, *known] if changed else listed)]
        for resource, obj in seen:
            for runner in self.runners:
                runner.saw(resource, obj)

    def oldest_seconds(self) -> float:
        """Age of the key that waits longest over all queues, seconds."""
        return max((runner.queue.oldest_seconds() for runner in self.runners), default=0.0)
