"""BuildRequest: what a push, a webhook, a person or the operator asks to be built, and the answer to it.

    push, delivery, command, retry ──▶ BuildRequest ──instantiate──▶ Instantiated, or InstantiateError

OpenShift has it as a kind of its own. Its callers are given `instantiate` (`builds.instantiate` with a
cluster), so that nobody who asks needs to know how a Build is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paas.api.build import InvalidSource, Person, TriggerType
from paas.api.resources import Key, Manifest


class InstantiateError(Exception):
    """No Build was made, and the same request will make none later either. `message` says why, `hint` what
    to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message, self.hint = message, hint


class BuildConfigNotFound(InstantiateError):
    """There is no such BuildConfig."""


class BuildRefused(InstantiateError):
    """The BuildConfig, the request or the API server does not allow a Build."""


class CommitNotFound(InstantiateError):
    """The commit that is asked for is not stored here."""


class BuildSuperseded(InstantiateError):
    """It is not made because a later Build exists already."""


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built and who asked. `trigger_id` identifies the cause: a push's reflog entry, a
    webhook's delivery, a person's click. For a hosted source `commit`, and `dockerfile` or `invalid`, are
    required; for an external one `fetch` finds all of them out."""

    trigger_id: str
    trigger_type: TriggerType
    trigger_message: str = ""
    user: str | None = None
    commit: str | None = None
    ref: str | None = None
    author: Person | None = None
    committer: Person | None = None
    commit_message: str | None = None
    dockerfile: str | None = None
    buildpack: str | None = None
    content_key: str | None = None
    invalid: InvalidSource | None = None
    """Why this source cannot be built: the Build is made nevertheless, fails at once and says so."""
    no_cache: bool | None = None
    """Overrides the strategy's noCache for this Build alone."""
    retry_of: Mapping[str, Any] | None = None
    """A lost Build: its spec is repeated, unless a later Build of the same BuildConfig exists."""
    newest_source: int | None = None
    """Number of the newest Build of changed source that was known when this was asked for (0: none): when
    there is a later one, this is not made (BuildSuperseded), since it may be about an older commit."""


@dataclass(frozen=True)
class Instantiated:
    """The Build of a request; `created` is False when the trigger had made it before."""

    build: Manifest
    created: bool

    @property
    def name(self) -> str:
        return str(self.build["metadata"]["name"])

    @property
    def number(self) -> int:
        return int(self.build["spec"]["number"])


Instantiate = Callable[[Key, BuildRequest], Awaitable[Instantiated]]
"""Makes the Build of a trigger of this BuildConfig, once. Raises InstantiateError when no Build can be made;
any other exception means: try again later."""
