"""What the receive path and the webhooks hand to the rest: plain values, no I/O.

push or delivery ──▶ NewBuild ──instantiate──▶ Made        (the server gives `instantiate`)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paas.api.build import TriggerType
from paas.api.resources import Key, Manifest

ZERO: Final = "0" * 40
"""The object id that stands for 'no object' in updates of refs."""
BRANCHES: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
OWN_REFS: Final = "refs/paas"
"""Hidden from clients: what was handled, and which commits Builds need."""


class CannotBuild(Exception):
    """The push or delivery is good but no Build will be made of it; the text says why and what to do.
    Any other exception of `instantiate` means: try again later."""


@dataclass(frozen=True)
class Person:
    """Author or committer of a commit."""

    name: str
    email: str


@dataclass(frozen=True)
class Invalid:
    """Why this source cannot be built: the Build is made nevertheless, fails at once and says so."""

    reason: str
    message: str


@dataclass(frozen=True)
class NewBuild:
    """A Build that a push or a webhook asks for.

    Hosted source is prepared when the Build is made, so `dockerfile` and `content_key` are set, or
    `invalid` is; for external source all of them are absent.
    """

    trigger_id: str
    trigger_type: TriggerType
    trigger_message: str
    user: str | None
    commit: str
    ref: str
    author: Person | None = None
    committer: Person | None = None
    commit_message: str = ""
    dockerfile: str | None = None
    buildpack: str | None = None
    content_key: str | None = None
    invalid: Invalid | None = None

    @property
    def author_name(self) -> str:
        return self.author.name if self.author else "unknown"


@dataclass(frozen=True)
class Made:
    """The Build of a trigger; `created` is False when the trigger had made it before."""

    build: Manifest
    created: bool

    @property
    def name(self) -> str:
        return str(self.build["metadata"]["name"])

    @property
    def number(self) -> int:
        return int(self.build["spec"]["number"])


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
Instantiate = Callable[[Key, NewBuild], Awaitable[Made]]
"""Makes the Build of a trigger of this BuildConfig, once. Raises CannotBuild."""
Story = Callable[[Manifest], AsyncGenerator[str, None]]
"""Lines that tell a pusher how a Build and what follows from it are going, until the end."""
