"""What runs inside an instance: the components as data, rendered for `supervise`.

A process is started when everything it is `after` is ready; a probe says when it is ready itself. A process
without a probe is ready when it runs; a `once` process when it has ended well. When one dies it is started
again, alone. On the way down processes end in the order of their `stop` phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Exactly one of: `url` answers 200 (https checked against `authority`), `unix`/`tcp` accepts,
    `interface` has a default route."""

    url: str = ""
    authority: str = ""
    unix: str = ""
    tcp: str = ""  # host:port
    interface: str = ""


@dataclass(frozen=True, kw_only=True)
class Process:
    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Probe | None = None
    once: bool = False
    stop: int = 1
    outside: bool = False  # in the host's network namespace: only the way in and out
    grace: float = 5.0  # seconds between SIGTERM and SIGKILL on the way down


def to_document(
    processes: Sequence[Process],
    *,
    setup: Sequence[Sequence[str]],
    mounts: Mapping[str, Any],
    drain: Mapping[str, Any],
) -> dict[str, Any]:
    """What `supervise` reads, as JSON-able data; refuses orders that could never be started."""
    known: set[str] = set()
    for process in processes:
        if late := set(process.after) - known:
            raise ValueError(
                f"{process.name} waits for {', '.join(sorted(late))}, which does not come before it"
            )
        known.add(process.name)
    return {
        "processes": [asdict(process) for process in processes],
        "setup": [list(command) for command in setup],
        "mounts": dict(mounts),
        "drain": dict(drain),
    }
