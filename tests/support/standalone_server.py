"""The real server over a `FakeCluster`, as a process of its own that can be killed at a named point.

python -m tests.support.standalone_server CLUSTER REPOSITORIES PORT_FILE [--kill POINT] [--limit BYTES]
    [--quota REPOSITORY PROJECT]
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import functools
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from paas.front import app as front_app
from paas.front.app import Front
from paas.git import durable, process, receive, repositories
from paas.git.hosted import Preparer
from paas.git.http import Limits
from paas.git.quota import Quota
from paas.registry.http import TokenDependencies
from paas.registry.signer import Signer
from paas.server.__main__ import serve_until_end
from paas.server.app import Dependencies, Server
from paas.source import buildpacks
from paas.web.dispatch import ByPath
from paas.web.serving import beside, serving
from tests.git.fake_cluster import CREDENTIAL_KEY, FakeCluster
from tests.support.guarded_registry import SERVICE, new_signing_key

POINTS = (
    "repository-made",  # after the repository was made, before the first advertisement
    "commands-read",  # the command list is there, no child yet
    "child-started",
    "stored",  # receive-pack has ended, nothing said to the pusher, no worker woken
    "prepared",  # before the Build is made
    "build-made",  # the Build exists, the mark does not
    "marked",
    "following",  # while a Build is followed
)
ENDS = "scan-ends"
"""Not a kill: a task of the server ends that nobody awaits."""
DISK_FAILS = "disk-fails"
"""Not a kill: what git has stored cannot be flushed."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, needs: dict[str, Any]) -> None:
    """Make the process kill itself when it comes to `point`."""

    def before(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            die()
            return await function(*args, **kwargs)

        return wrapped

    def after(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = await function(*args, **kwargs)
            die()
            return result

        return wrapped

    match point:
        case "repository-made":
            repositories.Repositories._make = after(repositories.Repositories._make)  # type: ignore[method-assign]
        case "commands-read":
            receive.Receiver._run = before(receive.Receiver._run)  # type: ignore[method-assign]
        case "child-started":
            start = process.start

            async def started(argv: Any, **kwargs: Any) -> Any:
                child = await start(argv, **kwargs)
                if argv[0] == "receive-pack" and "--http-backend-info-refs" not in argv:
                    die()
                return child

            process.start = started
        case "stored":
            receive.Receiver._store = after(receive.Receiver._store)  # type: ignore[method-assign]
        case "prepared":
            needs["instantiate"] = before(needs["instantiate"])
        case "build-made":
            needs["instantiate"] = after(needs["instantiate"])
        case "marked":
            repositories.Repository.mark = after(repositories.Repository.mark)  # type: ignore[method-assign]
        case "following":

            async def follow(build: Any) -> AsyncIterator[str]:
                yield "-----> Build begins"
                await asyncio.sleep(0.1)
                die()

            needs["follow"] = follow
        case "scan-ends":

            async def ends(server: Server) -> None:
                raise LookupError("a fault in the look through the repositories")

            Server._scan = ends  # type: ignore[method-assign]
        case "disk-fails":

            def flush_refs(*_: Any, **__: Any) -> None:
                raise OSError(errno.EIO, "a fault in the disk")

            durable.flush_refs = flush_refs


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cluster", type=Path)
    parser.add_argument("repositories", type=Path)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--kill", choices=(*POINTS, ENDS, DISK_FAILS))
    parser.add_argument("--limit", type=int, default=64 * 2**20)
    parser.add_argument("--quota", type=int, nargs=2, default=(0, 0))
    options = parser.parse_args()
    level = os.environ.get("LOG", "INFO")
    logging.basicConfig(level=level, stream=sys.stderr, format="%(name)s %(message)s")
    cluster = FakeCluster(options.cluster)
    tokens = TokenDependencies(
        signer=Signer(new_signing_key()),
        service=SERVICE,
        credential_key=CREDENTIAL_KEY,
        find_build=cluster.find_build,
        find_namespace=cluster.find_namespace,
        collecting=cluster.collecting,
    )
    needs: dict[str, Any] = {
        "authenticate": cluster.authenticate,
        "authorize": cluster.authorize,
        "find_config": cluster.find_config,
        "find_build": cluster.find_build,
        "list_configs": cluster.list_configs,
        "build_numbers": cluster.build_numbers,
        "find_builds": cluster.find_builds,
        "ask_head": cluster.ask_head,
        "record": cluster.record,
        "trigger_ids": cluster.trigger_ids,
        "instantiate": cluster.instantiate,
        "follow": cluster.follow,
        "ready": cluster.ready,
        "prepare": Preparer(buildpacks.load(), runtime_registry="registry.example/paas"),
    }
    if options.kill:
        arm(options.kill, needs)
    front = Front(
        front_app.Dependencies(
            find_config=cluster.find_config,
            find_secret=cluster.find_secret,
            find_builds=cluster.find_builds,
            ask_head=cluster.ask_head,
            record=cluster.record,
            instantiate=cluster.instantiate,
            tokens=tokens,
            ready=cluster.ready,
        )
    )
    server = Server(
        Dependencies(
            repositories=options.repositories,
            credential_key=CREDENTIAL_KEY,
            limits=Limits(push_bytes=options.limit, idle_seconds=20, keep_alive_seconds=0.2),
            quota=Quota(*options.quota),
            patience_seconds=0.3,
            scan_seconds=0.5,
            **needs,
        )
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    uvicorn = serving(
        # one process here, which the ingress makes of two
        ByPath({"/webhooks/": front.app, "/registry/": front.app}, server.app),
        on_stop=server.receiver.stop_following,
        host="",
        port=0,
        fd=listener.fileno(),
    )
    async with beside(server.health, host="127.0.0.1", port=0) as health_port:
        aside = options.port_file.with_suffix(".new")
        aside.write_text(f"{listener.getsockname()[1]} {health_port}")
        aside.rename(options.port_file)
        await serve_until_end(server, uvicorn)


if __name__ == "__main__":
    asyncio.run(main())
