"""What the platform knows of a git host: how it signs its deliveries, and what they tell.

Another host is a file like `github.py`, with one class of this Protocol, listed in `hosts.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from paas.api.build import Person


class MalformedDelivery(Exception):
    """A genuine delivery that is not what the host documents; the text says what is wrong."""


@dataclass(frozen=True)
class Ping:
    """The host tries whether the hook works."""


@dataclass(frozen=True)
class Ignored:
    """Nothing is to be built, and why."""

    reason: str


@dataclass(frozen=True)
class Pushed:
    """A branch of the external repository moved. Each text is short, as a delivery may wait for its host with
    it."""

    branch: str
    commit: str
    before: str
    pushed_at: int
    """Seconds since 1970 as the host says, 0 when it does not."""
    default_branch: str
    repository: str
    user: str
    author: Person | None
    committer: Person | None
    message: str
    notes: tuple[str, ...] = ()
    """What of the delivery was not taken, for the sender."""


@dataclass(frozen=True)
class Asked:
    """A build is asked for, of the branch's head or of one commit; '' for what is not said."""

    branch: str
    commit: str
    repository: str
    author: Person | None
    committer: Person | None
    message: str
    notes: tuple[str, ...] = ()


Event = Ping | Pushed | Asked | Ignored
"""What a genuine delivery tells."""


class GitHost(Protocol):
    """One kind of git host. Pure: everything is in the headers (names in lower case) and the body."""

    @property
    def name(self) -> str:
        """Last part of the webhook's address, and the field of the trigger in a BuildConfig."""

    @property
    def trigger_type(self) -> str:
        """`type` of the trigger in a BuildConfig."""

    @property
    def secret_in_query(self) -> bool:
        """Whether the secret may be sent as the address's parameter `secret`, which is then taken for a
        bearer token."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes]) -> bool:
        """Whether the sender knows one of the secrets. All are tried, so that time does not tell
        which."""

    def named(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """The host's id of the delivery and its name of the event; '' for what it does not say."""

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """What a genuine delivery tells. Raises MalformedDelivery."""
