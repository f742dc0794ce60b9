"""`python -m paas.server`: the server of one cluster. Settings come from the mounted ConfigMap
($PAAS_SETTINGS), the cluster from the pod's ServiceAccount, else from the kubeconfig."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from paas.kube import logs
from paas.kube.cluster import Cluster
from paas.kube.errors import ClusterUnreachable
from paas.reconcile.tasks import TaskEnded, cancelled
from paas.server.app import Server
from paas.server.cluster import dependencies_of
from paas.settings import parse, settings_file
from paas.web import health
from paas.web.serving import Uvicorn, beside, serving

log = logging.getLogger("paas.server")


async def serve(*, host: str, port: int, health_port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises TaskEnded, and OSError when it cannot start."""
    settings = parse(settings_file(os.environ).read_text())
    async with await Cluster.connect() as cluster:
        server = Server(dependencies_of(cluster, settings))
        uvicorn = serving(server.app, on_stop=server.receiver.stop_following, host=host, port=port)
        log.info("serving on %s port %d, repositories in %s", host, port, settings.repositories)
        async with beside(server.health, of=uvicorn, host=host, port=health_port):
            await serve_until_end(server, uvicorn)


async def serve_until_end(server: Server, uvicorn: Uvicorn) -> None:
    """Serve until a signal (or whoever calls `uvicorn.stop`) ends it. Raises TaskEnded and OSError."""
    ended = asyncio.create_task(server.tasks.first_end())
    ended.add_done_callback(lambda _: uvicorn.stop())
    await uvicorn.serve()
    await cancelled(ended)
    if not uvicorn.started:
        raise OSError("see the lines above")
    if server.tasks.ended:
        raise server.tasks.ended[0]


def main() -> int:
    """Exit code 0 after a SIGTERM, 1 when it cannot start, or a task ends that others rely on."""
    parser = argparse.ArgumentParser(prog="python -m paas.server", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 (a pod's)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--health-port", type=int, default=health.PORT, help="for probes and metrics")
    options = parser.parse_args()
    logs.to_stderr()
    try:
        asyncio.run(serve(host=options.host, port=options.port, health_port=options.health_port))
    except (ClusterUnreachable, OSError) as problem:
        log.error("the server cannot start: %s", problem)
        return 1
    except TaskEnded as problem:
        log.error("the server ended: %s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
