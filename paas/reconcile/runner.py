"""Runs one controller: takes keys from its queue, and brings each from gather over plan to writes.

A key is worked on by one worker at a time, and once however often it was woken meanwhile. What failed is
tried again after a growing, jittered pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from datetime import UTC, datetime
from typing import Any, Final

from paas.api.resources import Key, Manifest, Resource
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile import backoff, metrics
from paas.reconcile.controller import Controller
from paas.reconcile.execute import Executor, Outcome
from paas.reconcile.failure import FailingKeys, unable
from paas.reconcile.pace import FREE_RUNS, Pace
from paas.reconcile.plan import Plan, PlanOutdated
from paas.reconcile.queue import KeyedQueue
from paas.reconcile.refusal_memory import RefusalMemory

logger = logging.getLogger(__name__)

SEEN_WITHIN = 2.0
"""Seconds that a gather waits for the view to catch up before it reads live."""
LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds that the API server may put a key off for: what it asks for may be meant for others, or wrong."""


class Runner:
    """Runs one controller: its queue, its workers, its back-off."""

    def __init__(self, controller: Controller[Any]) -> None:
        self.controller = controller
        self.queue = KeyedQueue()
        self._executor = Executor(controller.cluster, manager=controller.name, effect=controller.effect)
        self._failures: dict[Key, int] = {}
        self._turns: dict[Key, int] = {}
        """How often a plan did not ask again for what was refused, by key."""
        self._failing = FailingKeys()
        self._pace = Pace()
        self._refusals = RefusalMemory()
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
            except Exception:
                # One object must not end the worker of all, and with it the process.
                logger.exception("%s %s: the failure could not be handled", self.controller.name, key)
                self.queue.add(key, after=backoff.LONGEST_PAUSE)
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
        refused_before = self._refusals.of(key)
        try:
            await self.reconcile(key)
        except PlanOutdated as problem:
            logger.info("%s %s: plan again: %s", name, key, problem)
            self._written.pop(key, None)
            self._retry(key, first=backoff.OUTDATED_PAUSE)
            result = "outdated"
            await self._say(key, problem)
        except (ApiError, ClusterUnreachable) as problem:
            logger.warning("%s %s: %s", name, key, problem)
            asked = getattr(problem, "retry_after", None) or 0
            self._retry(key, at_least=min(asked, LONGEST_RETRY_AFTER))
            result = "failed"
            await self._say(key, problem)
        except Exception as problem:
            # One poisoned object must not take the others' worker with it: it is tried again later.
            logger.exception("%s %s: unexpected", name, key)
            self._retry(key)
            result = "error"
            await self._say(key, problem)
        else:
            result = "refused" if self._refusals.of(key) else "ok"
            self._failures.pop(key, None)
            self._failing.forget(key)
            if result == "ok" and not refused_before:
                self._turns.pop(key, None)
        metrics.reconciled(name, result, asyncio.get_running_loop().time() - started)

    async def reconcile(self, key: Key) -> int:
        """One gather, plan and run; the number of writes."""
        await self._catch_up(key)
        refusals = self._refusals.of(key)
        observed = await self.controller.gather(key, refusals)
        if observed is None:
            self._refusals.forget(key)
            self._turns.pop(key, None)
            self._pace.forget(key)
            return 0
        plan = self.controller.plan(observed, now=datetime.now(UTC), settings=self.controller.settings)
        not_yet = self._refusals.not_yet(key, plan, now=asyncio.get_running_loop().time())
        known = {refusal.subject for refusal in refusals}
        outcome = await self._executor.run(plan, known=known, not_yet=not_yet)
        if outcome.writes:
            self._written[key] = outcome.writes
        if outcome.requeue_after is not None:
            self.queue.add(key, after=max(outcome.requeue_after, 0.01))
        self._remember(key, plan, outcome)
        self._slow_down(key, outcome)
        return outcome.count

    def _remember(self, key: Key, plan: Plan, outcome: Outcome) -> None:
        """Keep what was refused for the next gather, and see to it that there is one."""
        now = asyncio.get_running_loop().time()
        news = self._refusals.settle(
            key,
            plan,
            accepted=outcome.accepted,
            refused=outcome.refused,
            now=now,
            jitter=random.uniform(0.75, 1.25),  # noqa: S311
        )
        if news.withdrawn:
            # Not asked for again: the spec changed. A plan that takes turns must not do so for ever.
            turns = self._turns.get(key, 0)
            self._turns[key] = turns + 1
            self.queue.add(key, after=backoff.pause(turns, first=backoff.OUTDATED_PAUSE))
        elif news.changed:
            for refusal in outcome.refused:
                subject = " ".join(filter(None, refusal.subject))
                logger.warning("%s %s: %s refused: %s", self.controller.name, key, subject, refusal.words)
            self.queue.add(key, after=backoff.OUTDATED_PAUSE)
        if news.due is not None:
            self.queue.add(key, after=max(news.due - now, 0.01))

    def _slow_down(self, key: Key, outcome: Outcome) -> None:
        """Let a key rest that writes every time that it is looked at."""
        asked = bool(outcome.count or outcome.refused)
        rest = self._pace.rest_after(key, wrote=asked, now=asyncio.get_running_loop().time())
        if rest > 0:
            logger.info("%s %s: wrote more than %d times in a row", self.controller.name, key, FREE_RUNS)
            self.queue.rest(key, seconds=rest)

    async def _say(self, key: Key, problem: Exception) -> None:
        """Let the objects of a key that has failed for a while say so."""
        if not self._failing.is_due(key, now=asyncio.get_running_loop().time()):
            return
        try:
            plan = self.controller.failing(key, unable(problem), now=datetime.now(UTC))
            self._written[key] = (await self._executor.run(plan)).writes
        except Exception as unsaid:
            logger.warning("%s %s: the failure cannot be said: %r", self.controller.name, key, unsaid)

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
                    self.saw(resource, live)
                elif (known := view.get(resource, child)) is not None:
                    view.remove(resource, known)
                    self.saw(resource, known)

    def _retry(self, key: Key, *, first: float = backoff.FIRST_PAUSE, at_least: float = 0) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = backoff.pause(failures, first=first)
        self.queue.add(key, after=max(pause * random.uniform(0.75, 1.25), at_least))  # noqa: S311
