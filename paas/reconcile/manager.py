"""All controllers of the process over one view, and kopf's watches that wake them.

    kopf event ──▶ View.put ──▶ Watch.wakes ──▶ KeyedQueue ──▶ Runner: gather ─▶ plan ─▶ run

kopf's own handlers only wake the queues: work inside them would not be retried, and its changing handlers
write on the objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Mapping
from typing import Any, cast

import kopf

from paas.api.resources import Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.view import View
from paas.reconcile.controller import Controller
from paas.reconcile.runner import Runner
from paas.reconcile.selectors import label_selector, selector_of
from paas.reconcile.tasks import Tasks
from paas.settings import Settings

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""Seconds that plans under way are given when the process is told to end."""


class Manager:
    """All controllers of the process over one view; registers the watches with kopf."""

    def __init__(
        self, controllers: Iterable[Controller[Any]], *, view: View, cluster: Cluster, settings: Settings
    ):
        self.runners = [Runner(controller) for controller in controllers]
        self._view, self._cluster, self._settings = view, cluster, settings
        self.tasks = Tasks()
        """The workers, and the resync: the process must end when one of them does."""
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
            for number in range(runner.controller.workers):
                self.tasks.start(runner.work(), name=f"worker {number + 1} of {runner.controller.name}")
        self.tasks.start(self._resync_forever(), name="resync")

    async def _stop(self, **_: Any) -> None:
        try:
            await asyncio.gather(*(runner.drain(seconds=DRAIN_SECONDS) for runner in self.runners))
        finally:
            await self.tasks.stop()

    def resync_soon(self) -> None:
        """Do the next resync now."""
        self._resync_now.set()

    async def _resync_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.resync_seconds * random.uniform(1, 1.1)):  # noqa: S311
                    await self._resync_now.wait()
            self._resync_now.clear()  # who asks during this resync gets another one
            try:
                await self.resync()
            except (ApiError, ClusterUnreachable) as problem:
                logger.warning("resync: %s", problem)
            except Exception:
                # one object that cannot be read must not end the process; the next resync may do better
                logger.exception("resync: unexpected")

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
        """For how many seconds the oldest key of all queues has been waiting, or been worked on."""
        ages = [age for r in self.runners for age in (r.queue.oldest_seconds(), r.queue.busy_seconds())]
        return max(ages, default=0.0)
