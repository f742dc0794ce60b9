"""The operator: every room's controller under one kopf, one Lease and one health endpoint.

    settings ─▶ Lease ─▶ kopf (watches) ─▶ Manager (queues, workers) ─▶ API server

Run as `python -m paas.operator`. SIGTERM finishes the writes under way, releases the Lease and ends;
any other end, be it of kopf, of the Lease or of a task, ends the process with an error, and the next one goes
on from what is stored. SIGHUP makes it read everything again and look at every object, as it does by itself
from time to time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kopf
from aiohttp import web
from kopf._core.engines.peering import Identity
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from paas.api.names import SYSTEM_NAMESPACE
from paas.api.resources import Key
from paas.builds.controller import BuildsController
from paas.deployments.controller import DeploymentsController
from paas.images.controller import ImagesController
from paas.kube import logs
from paas.kube.cluster import Cluster
from paas.kube.lease import Lease
from paas.kube.view import View
from paas.projects.controller import ProjectsController
from paas.reconcile import metrics
from paas.reconcile.controller import Controller
from paas.reconcile.manager import Manager
from paas.reconcile.tasks import cancelled
from paas.routes.controller import RoutesController
from paas.settings import Settings, parse, settings_file

logger = logging.getLogger("paas.operator")

HEALTH_PORT = 8080
STUCK_SECONDS = 600
"""A key that waits longer than this means that the workers are stuck: the kubelet restarts us."""
ENDING_SECONDS = 25
"""How long the end of the process may take; below the 30 that the kubelet gives it."""


def controllers(cluster: Cluster, view: View, settings: Settings) -> list[Controller[Any]]:
    """One of each."""
    return [
        kind(cluster=cluster, view=view, settings=settings)
        for kind in (
            ProjectsController,
            BuildsController,
            ImagesController,
            DeploymentsController,
            RoutesController,
        )
    ]


def manager_of(cluster: Cluster, settings: Settings) -> Manager:
    """All controllers over one view."""
    view = View()
    return Manager(controllers(cluster, view, settings), view=view, cluster=cluster, settings=settings)


def kopf_settings(manager: Manager) -> kopf.OperatorSettings:
    """kopf's own settings, each with its reason."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we write our own Events, deduplicated
    settings.peering.standalone = True  # the Lease decides who works; peering only warns
    settings.scanning.disabled = True  # no list of CRDs and namespaces: our kinds are known
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.process.ultimate_exiting_timeout = 20
    manager.narrow(settings)
    return settings


@contextlib.asynccontextmanager
async def health_served(manager: Manager, *, port: int) -> AsyncIterator[None]:
    """/healthz (the loop turns, every task runs and no key is stuck) and /metrics on `port`."""

    async def healthz(_: web.Request) -> web.Response:
        oldest, ended = manager.oldest_seconds(), manager.tasks.ended
        if ended:
            return web.Response(status=503, text=f"task {ended[0].name!r} ended\n")
        if oldest > STUCK_SECONDS:
            return web.Response(status=503, text=f"a key has been waiting for {oldest:.0f} s\n")
        return web.Response(text="ok\n")

    async def show_metrics(_: web.Request) -> web.Response:
        for runner in manager.runners:
            metrics.QUEUE_DEPTH.labels(runner.controller.name).set(len(runner.queue))
            metrics.QUEUE_OLDEST.labels(runner.controller.name).set(runner.queue.oldest_seconds())
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", show_metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()


async def run(settings: Settings, *, kubeconfig: Path | None = None, health_port: int = HEALTH_PORT) -> int:
    """Work until SIGTERM (0), or until a task, the Lease or kopf ends by itself (1)."""
    # The lease has a connection of its own: its requests must wait for no others.
    async with await Cluster.connect(kubeconfig) as cluster, await Cluster.connect(kubeconfig) as own:
        manager = manager_of(cluster, settings)
        # The pod's name: a container that is restarted in place takes its own lease up again at once.
        identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
        lease = Lease(own, Key(SYSTEM_NAMESPACE, "operator"), identity=identity)
        cluster.before_write = lease.check
        stop = asyncio.Event()
        _on_signals(stop, manager)
        async with health_served(manager, port=health_port):
            if not await _acquired(lease, stop):
                return 0
            return await _work_while_held(manager, lease, stop, kubeconfig)


def _on_signals(stop: asyncio.Event, manager: Manager) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, manager.resync_soon)


async def _acquired(lease: Lease, stop: asyncio.Event) -> bool:
    """Wait for the lease; False when the process is told to stop first."""
    stopped, acquiring = asyncio.create_task(stop.wait()), asyncio.create_task(lease.acquire())
    try:
        await asyncio.wait({stopped, acquiring}, return_when=asyncio.FIRST_COMPLETED)
        if acquiring.done():
            acquiring.result()  # whatever went wrong: without the lease nothing may work
            return True
        return False
    finally:
        await cancelled(stopped, acquiring)


async def _work_while_held(
    manager: Manager, lease: Lease, stop: asyncio.Event, kubeconfig: Path | None
) -> int:
    """Work until the first end of anything that the work needs; the exit code."""
    holding = asyncio.create_task(lease.hold(), name="lease")
    ended = asyncio.create_task(manager.tasks.first_end(), name="first end of a task")
    working = asyncio.create_task(_work(manager, stop, kubeconfig, identity=lease.identity), name="kopf")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({working, holding, ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    asked = stop.is_set() and not ended.done()
    stop.set()
    try:
        # From here on the end is near, and must not take longer than a pod is given; the lease is held
        # until nothing writes any more.
        async with asyncio.timeout(ENDING_SECONDS):
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        logger.error("kopf does not end within %d s: stopping at once", ENDING_SECONDS)
        os._exit(1)
    if holding.done():
        logger.error("stopping at once: %r", holding.exception())
        os._exit(1)  # another may be working already: no clean-up may write any more
    problem = working.exception()
    if problem is not None:
        logger.error("kopf ended: %r", problem, exc_info=problem)
    elif not asked and not ended.done():
        logger.error("kopf ended by itself")
    await cancelled(holding, ended, stopped)
    await lease.release()
    return 0 if asked and problem is None else 1


async def _work(manager: Manager, stop: asyncio.Event, kubeconfig: Path | None, *, identity: str) -> None:
    registry = kopf.OperatorRegistry()
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        kopf.on.login(registry=registry)(kopf.login_with_service_account)
    else:
        if kubeconfig is not None:
            os.environ["KUBECONFIG"] = str(kubeconfig)
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    manager.register(registry)
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=kopf_settings(manager),
        clusterwide=True,
        stop_flag=stop,
        identity=Identity(identity),  # else kopf asks for the user's name, and an arbitrary uid has none
    )
    # kopf has put handlers of its own in the place of ours, and would end without our knowing why
    _on_signals(stop, manager)
    await kopf.run_tasks(tasks, ignored=others)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m paas.operator")
    parser.add_argument("--health-port", type=int, default=HEALTH_PORT, help="port of /healthz and /metrics")
    options = parser.parse_args()
    logs.to_stderr()
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings = parse(settings_file(os.environ).read_text())
    sys.exit(asyncio.run(run(settings, health_port=options.health_port)))


if __name__ == "__main__":
    main()
