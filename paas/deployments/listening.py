"""Where an application that does not answer listens, as far as its log says, and what to do about it. Pure.

A pod's sockets can be read only from within it, which would take the right to run commands in every pod. Web
servers say their address when they start, and the operator may read logs.
"""

from __future__ import annotations

import re
from typing import Final

_STARTED: Final = re.compile(r"listen|running|serving|server|started|bound|ready|https?://", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"(?<![\w.])(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1\]|\[::\]|\*):([1-9]\d{1,4})(?!\d)", re.IGNORECASE
)
_EVERYWHERE: Final = frozenset({"0.0.0.0", "[::]", "*"})  # noqa: S104
LIMIT: Final = 3
"""Addresses that are named at most."""


def addresses(log: str) -> list[tuple[str, int]]:
    """Hosts and ports that lines about a server's start name, in their order, each once."""
    found = (
        (match[1].lower(), int(match[2]))
        for line in log.splitlines()
        if _STARTED.search(line)
        for match in _ADDRESS.finditer(line)
    )
    return list(dict.fromkeys(found))[:LIMIT]


def advice(port: int, log: str) -> str:
    """What is known of an application that does not answer on `port`, and what to change."""
    said = addresses(log)
    listed = ", ".join(f"{host}:{number}" for host, number in said)
    if any(host in _EVERYWHERE and number == port for host, number in said):
        return f"its log says that it listens on {listed}, so look at what it answers there"
    seen = f"its log says {listed}" if said else "nothing listens there for other pods"
    return f"{seen}; listen on 0.0.0.0:{port}, the address 0.0.0.0 and the port in $PORT"
