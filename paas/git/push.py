"""A push as plain values: the ref updates it asks for, and what became of each branch. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from paas.api.build_request import BuildRequest, InstantiateError
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


@dataclass(frozen=True)
class Unchanged:
    """The branch is where it was, or was deleted: there is nothing to build."""

    branch: str


@dataclass(frozen=True)
class Stored:
    """The commits are stored; another branch deploys."""

    branch: str
    deploying: str


@dataclass(frozen=True)
class Built:
    """A Build was made, or found after a crash. `found` says how the source is built."""

    branch: str
    request: BuildRequest
    found: tuple[str, ...]
    build: Manifest


@dataclass(frozen=True)
class NotBuilt:
    """The branch deploys, but no Build can be made."""

    branch: str
    problem: InstantiateError


@dataclass(frozen=True)
class Gone:
    """The BuildConfig was deleted meanwhile."""

    branch: str


Outcome = Unchanged | Stored | Built | NotBuilt | Gone
"""What became of one branch update that git accepted."""

FindConfig = Callable[[Key], Awaitable[Manifest | None]]
"""The live BuildConfig or Build of that key."""
Follow = Callable[[Manifest], AsyncGenerator[str, None]]
"""Lines that say how a Build and what follows from it are going, until the end."""
