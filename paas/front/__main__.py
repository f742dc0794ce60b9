"""`python -m paas.front`: registry tokens and webhooks of one cluster. Settings come from the mounted
ConfigMap ($PAAS_SETTINGS), the cluster from the pod's ServiceAccount, else from the kubeconfig."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from paas.front.app import Front
from paas.front.cluster import dependencies_of
from paas.kube import logs
from paas.kube.cluster import Cluster
from paas.kube.errors import ClusterUnreachable
from paas.settings import parse, settings_file
from paas.web import health
from paas.web.serving import beside, serving

log = logging.getLogger("paas.front")


async def serve(*, host: str, port: int, health_port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when it cannot start."""
    settings = parse(settings_file(os.environ).read_text())
    async with await Cluster.connect() as cluster:
        front = Front(dependencies_of(cluster, settings))
        uvicorn = serving(front.app, on_stop=lambda: None, host=host, port=port, lifespan="off")
        log.info("serving on %s port %d", host, port)
        async with beside(front.health, of=uvicorn, host=host, port=health_port):
            await uvicorn.serve()
        if not uvicorn.started:
            raise OSError("see the lines above")


def main() -> int:
    """Exit code 0 after a SIGTERM, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m paas.front", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 (a pod's)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--health-port", type=int, default=health.PORT, help="for probes and metrics")
    options = parser.parse_args()
    logs.to_stderr()
    try:
        asyncio.run(serve(host=options.host, port=options.port, health_port=options.health_port))
    except (ClusterUnreachable, OSError) as problem:
        log.error("the front cannot start: %s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
