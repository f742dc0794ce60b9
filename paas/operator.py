"""The operator: every room's controller under one kopf, one Lease and one health endpoint.

    settings ─▶ Lease ─▶ kopf (watches) ─▶ Manager (queues, workers) ─▶ API server

Run as `python -m paas.operator`. SIGTERM finishes the writes under way, releases the Lease and ends;
any other end of kopf or of the Lease ends the process, and the next one goes on from what is stored. SIGHUP
makes it read everything again and look at every object, as it does by itself from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
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
from paas.kube.lease import Lease, LeaseLost
from paas.kube.view import View
from paas.projects.controller import ProjectsController
from paas.reconcile import metrics
from paas.reconcile.controller import Controller
from paas.reconcile.manager import Manager
from paas.routes.controller import RoutesController
from paas.settings import Settings, parse, settings_file

logger = logging.getLogger("paas.operator")

HEALTH_PORT = 8080
STUCK_SECONDS = 600
"""A key that waits longer than this means that the workers are stuck: the kubelet restarts us."""


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


async def serve_health(manager: Manager, *, port: int) -> web.AppRunner:
    """/healthz (the loop turns and no key is stuck) and /metrics on `port`."""

    async def healthz(_: web.Request) -> web.Response:
        oldest = manager.oldest_seconds()
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
    await web.TCPSite(runner, port=port).start()
    return runner


async def run(settings: Settings, *, kubeconfig: Path | None = None, health_port: int = HEALTH_PORT) -> int:
    """Work until SIGTERM (0) or until the Lease or kopf is lost (1)."""
    cluster = await Cluster.connect(kubeconfig)
    manager = manager_of(cluster, settings)
    health = await serve_health(manager, port=health_port)
    # The pod's name: a container that is restarted in place takes its own lease up again at once.
    identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
    lease = Lease(cluster, Key(SYSTEM_NAMESPACE, "operator"), identity=identity)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    acquiring = asyncio.create_task(lease.acquire())
    await asyncio.wait({stopped, acquiring}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        acquiring.cancel()
        return 0
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, manager.resync_soon)
    working = asyncio.create_task(_work(manager, stop, kubeconfig, identity=identity))
    holding = asyncio.create_task(lease.hold())
    await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
    if holding.done():
        problem = holding.exception()
        logger.error("stopping at once: %s", problem)
        if isinstance(problem, LeaseLost):
            os._exit(1)  # another may be working already: no clean-up may write any more
    holding.cancel()
    failed = working.done() and working.exception()
    if failed:
        logger.error("kopf ended: %r", failed)
    await lease.release()
    await health.cleanup()
    await cluster.close()
    return 0 if stop.is_set() and not failed else 1


async def _work(manager: Manager, stop: asyncio.Event, kubeconfig: Path | None, *, identity: str) -> None:
    registry = kopf.OperatorRegistry()
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        kopf.on.login(registry=registry)(kopf.login_with_service_account)
    else:
        if kubeconfig is not None:
            os.environ["KUBECONFIG"] = str(kubeconfig)
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    manager.register(registry)
    await kopf.operator(
        registry=registry,
        settings=kopf_settings(manager),
        clusterwide=True,
        stop_flag=stop,
        identity=Identity(identity),  # else kopf asks for the user's name, and an arbitrary uid has none
    )


def main() -> None:
    logs.to_stderr()
    logging.getLogger("kopf").setLevel(logging.WARNING)
    sys.exit(asyncio.run(run(parse(settings_file(os.environ).read_text()))))


if __name__ == "__main__":
    main()
