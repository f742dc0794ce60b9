"""`python -m paas.server`: the server of one cluster. Settings come from the mounted ConfigMap
($PAAS_SETTINGS), the cluster from the pod's ServiceAccount, else from the kubeconfig."""

from __future__ import annotations

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
from paas.web.listen import Listen, listen
from paas.web.serving import Uvicorn, beside, serving

log = logging.getLogger("paas.server")


async def serve(where: Listen) -> None:
    """Serve until SIGTERM or SIGINT. Raises TaskEnded, and OSError when it cannot start."""
    settings = parse(settings_file(os.environ).read_text())
    async with await Cluster.connect() as cluster:
        server = Server(dependencies_of(cluster, settings))
        uvicorn = serving(
            server.app, on_stop=server.receiver.stop_following, host=where.host, port=where.port
        )
        log.info("serving on %s port %d, repositories in %s", where.host, where.port, settings.repositories)
        async with beside(server.health, of=uvicorn, host=where.host, port=where.health_port):
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
    where = listen("paas.server", __doc__)
    logs.to_stderr()
    try:
        asyncio.run(serve(where))
    except (ClusterUnreachable, OSError) as problem:
        log.error("the server cannot start: %s", problem)
        return 1
    except TaskEnded as problem:
        log.error("the server ended: %s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
