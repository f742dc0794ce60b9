"""A push as plain values: the ref updates it asks for, and what became of each branch. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paas.api.resources import Key, Manifest

ZERO: Final = "0" * 40
"""The object id that stands for 'no object' in updates of refs."""
BRANCHES: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
OWN_REFS: Final = "refs/paas"
"""Hidden from clients: what was handled, and which commits Builds need."""


@dataclass(frozen=True)
class Command:
    """One ref update of a push: object ids in hex, ZERO for none."""

    old: str
    new: str
    ref: str

    @property
    def deletes(self) -> bool:
        return self.new == ZERO

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix(BRANCHES) if self.ref.startswith(BRANCHES) else None


class OutcomeKind(StrEnum):
    """What became of one branch update that was stored."""

    BUILD = "build"  # a Build was made (or found, after a crash)
    STORED = "stored"  # another branch deploys
    REFUSED = "refused"  # the deploying branch, but no Build can be made
    GONE = "gone"  # the BuildConfig was deleted meanwhile


@dataclass(frozen=True)
class Outcome:
    """What became of one branch update; `lines` tell the pusher."""

    branch: str
    kind: OutcomeKind
    lines: tuple[str, ...]
    build: Manifest | None = None


FindConfig = Callable[[Key], Awaitable[Manifest | None]]
"""The live BuildConfig or Build of that key."""
Follow = Callable[[Manifest], AsyncGenerator[str, None]]
"""Lines that say how a Build and what follows from it are going, until the end."""
