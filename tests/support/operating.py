"""Runs controllers under a real kopf in a thread of their own.

kopf takes every task of its event loop for its own and cancels it at its end; so tests, which have a loop
too, must not share one with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import kopf

from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile.controller import Controller
from paas.reconcile.manager import Manager
from paas.settings import Settings

T = TypeVar("T")
Make = Callable[[Cluster, View, Settings], Iterable[Controller[Any]]]


class Operating:
    """A running operator: its manager, and a way to call coroutines in its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, manager: Manager) -> None:
        self.loop, self.manager = loop, manager

    def call(self, coroutine: Coroutine[Any, Any, T], *, seconds: float = 30) -> T:
        """Run `coroutine` in the operator's loop and wait for its result."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(seconds)

    def writes(self, namespace: str) -> int:
        """Let things come to rest, then look at every key of a namespace once, in every controller; the
        number of writes that this made. What never comes to rest is a number above 0, too."""
        for _ in range(20):
            if self._look(namespace) == 0:
                break
        return self._look(namespace)

    def _look(self, namespace: str) -> int:
        async def all_keys() -> int:
            count = 0
            for runner in self.manager.runners:
                keys = {
                    key
                    for watch in runner.controller.watches
                    for obj in runner.controller.view.list(watch.resource, namespace)
                    for key in watch.wakes(obj, runner.controller.view)
                }
                for key in sorted(keys):
                    count += await runner.reconcile(key)
            return count

        return self.call(all_keys())


@contextlib.contextmanager
def operating(
    kubeconfig: Path, make: Make, *, settings: Settings | None = None, namespaces: Iterable[str] = ()
) -> Iterator[Operating]:
    """Controllers made by `make(cluster, view, settings)`, working until the block ends.

    `namespaces` limits what they see; without, the whole cluster.
    """
    started: Future[tuple[asyncio.AbstractEventLoop, Manager, asyncio.Event]] = Future()

    async def main() -> None:
        cluster = await Cluster.connect(kubeconfig)
        view, chosen = View(), settings or Settings()
        manager = Manager(make(cluster, view, chosen), view=view, cluster=cluster, settings=chosen)
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
        manager.register(registry)
        own = kopf.OperatorSettings()
        own.posting.enabled = False
        own.peering.standalone = True
        own.scanning.disabled = True
        manager.narrow(own)
        stop, ready = asyncio.Event(), asyncio.Event()
        work = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=own,
                clusterwide=not namespaces,
                namespaces=list(namespaces),
                stop_flag=stop,
                ready_flag=ready,
            )
        )
        await ready.wait()
        started.set_result((asyncio.get_running_loop(), manager, stop))
        await work
        await cluster.close()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as problem:
            if not started.done():
                started.set_exception(problem)
            raise

    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(kubeconfig)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    loop, manager, stop = started.result(30)
    try:
        yield Operating(loop, manager)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        if before is None:
            del os.environ["KUBECONFIG"]
        else:
            os.environ["KUBECONFIG"] = before
        assert not thread.is_alive(), "the operator did not stop within 30 s"
