"""Where a program of the platform listens: its command line, the same for every program with endpoints."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from paas.web import health


@dataclass(frozen=True)
class Listen:
    """`port` is for requests, `health_port` for probes and metrics."""

    host: str
    port: int
    health_port: int


def listen(program: str, about: str | None, arguments: Sequence[str] | None = None) -> Listen:
    """What the command line says (without `arguments`: the process's own). Ends the process when it is
    wrong."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 (a pod's)
    parser.add_argument("--port", type=int, default=8000, help="port for requests")
    parser.add_argument("--health-port", type=int, default=health.PORT, help="port for probes and metrics")
    given = parser.parse_args(arguments)
    return Listen(given.host, given.port, given.health_port)
