"""`python -m paas.front`: registry tokens and webhooks of one cluster. Settings come from the mounted
ConfigMap ($PAAS_SETTINGS), the cluster from the pod's ServiceAccount, else from the kubeconfig."""

from __future__ import annotations

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
from paas.web.listen import Listen, listen
from paas.web.serving import beside, serving

log = logging.getLogger("paas.front")


async def serve(where: Listen) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when it cannot start."""
    settings = parse(settings_file(os.environ).read_text())
    async with await Cluster.connect() as cluster:
        front = Front(dependencies_of(cluster, settings))
        uvicorn = serving(front.app, on_stop=lambda: None, host=where.host, port=where.port, lifespan="off")
        log.info("serving on %s port %d", where.host, where.port)
        async with beside(front.health, of=uvicorn, host=where.host, port=where.health_port):
            await uvicorn.serve()
        if not uvicorn.started:
            raise OSError("see the lines above")


def main() -> int:
    """Exit code 0 after a SIGTERM, 1 when it cannot start."""
    where = listen("paas.front", __doc__)
    logs.to_stderr()
    try:
        asyncio.run(serve(where))
    except (ClusterUnreachable, OSError) as problem:
        log.error("the front cannot start: %s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
