"""How much memory git children may use, each and all together. Pure.

Each child has a limit of its own (RLIMIT_DATA, which its own children have too), and is let in only when the
limits of all that run add up to no more than the server's share of its pod. What is counted is what a child
may use, not what it does: a few bytes of a pack can claim gigabytes.

    all children ─┬─ commands of moments, one look into a source, one repack: fixed
                  └─ the rest: pushes 1/2, fetches 1/3, archives for builds 1/6
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 2**20
COMMAND: Final = 32 * MIB
"""A command of moments: refs listed, a mark written."""
COMMANDS: Final = 4 * COMMAND
LOOK: Final = 96 * MIB
"""A source that is looked into to find out how it is built."""
LOOKS: Final = 2
REPACK: Final = 112 * MIB
PARENT: Final = 16 * MIB
"""What a process that only starts others needs itself."""
SERVER: Final = 512 * MIB
"""The server's own, without children: measured 90 MiB at rest, the rest for what arrives and is sent."""
UNLIMITED: Final = 2048 * MIB
"""Taken as the pod's memory where it has no limit."""
LEAST: Final = 1024 * MIB
"""Of all children: with less, what is normal could not be done. A pod needs 1.5 GiB for it."""


@dataclass(frozen=True)
class Need:
    """What a child of some kind may use: the limit of each of its processes, and what it counts."""

    limit: int
    counts: int


@dataclass(frozen=True)
class Shares:
    """Bytes by kind. One that needs much leaves room for small ones, whose project is another."""

    pushes: int
    fetches: int
    archives: int

    @property
    def push(self) -> Need:
        """A push of which little is expected: most are like this. git runs one process after the other."""
        return Need(64 * MIB, 64 * MIB + PARENT)

    @property
    def large_push(self) -> Need:
        """A push of many bytes, or one that little did not suffice for."""
        limit = min(512 * MIB, self.pushes - 2 * self.push.counts - PARENT)
        return Need(limit, limit + PARENT)

    def fetch(self, repository: int) -> Need:
        """By the size of the repository; two processes work at the same time."""
        limit = 48 * MIB if repository <= 16 * MIB else min(192 * MIB, self.fetches // 4)
        return Need(limit, 2 * limit)

    def archive(self, repository: int) -> Need:
        limit = 48 * MIB if repository <= 32 * MIB else min(256 * MIB, self.archives - 48 * MIB)
        return Need(limit, limit)


def shares(pod: int | None) -> Shares:
    """`pod` is the memory limit of the server's container in bytes, None when it has none."""
    children = max(LEAST, (pod or UNLIMITED) - SERVER)
    rest = children - COMMANDS - LOOKS * LOOK - REPACK - PARENT
    return Shares(pushes=rest // 2, fetches=rest // 3, archives=rest // 6)
