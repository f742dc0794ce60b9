"""What the platform knows about a BuildConfig."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Model, Status
from paas.api.common import (
    ObjectName,
    ShortName,
    Text,
)

DELIVERIES_KEPT: Final = 20
"""How many deliveries of webhooks a BuildConfig shows."""
TRIGGERS_KEPT: Final = 50
"""How many trigger ids a BuildConfig remembers, so that a repeated trigger finds its Build even after
the Build was pruned."""


class TriggerRecord(Model):
    """A trigger and the Build it made."""

    id: Text
    """Identity of the trigger, such as that of a push or of a webhook delivery."""
    build: ObjectName
    """Name of the Build it made."""


class LastBuild(Model):
    """The Build with the highest number."""

    name: ObjectName
    """Its name."""
    phase: ShortName
    """Its phase."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that it builds or has built."""


class Delivery(Model):
    """What a git host delivered, or a poll found, and what came of it."""

    id: Text
    """The host's id of the delivery."""
    time: ShortName
    """When it arrived."""
    event: ShortName
    """What it was about in the host's words, such as push; poll when the platform looked itself."""
    ref: Text | None = None
    """The branch that it was about."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that it was about."""
    decision: ShortName
    """build, ignored, refused or retry."""
    reason: Text
    """The same in words."""
    cause: ShortName | None = None
    """Why the cluster refuses the Build: Quota, Policy, Rights or Invalid; absent when it does not."""
    build: ObjectName | None = None
    """The Build that it made, or that had been made before."""


class SourceHead(Model):
    """The newest commit of the branch that a webhook or a poll made a Build of."""

    uri: Annotated[str, Field(max_length=2048)]
    """Address of the repository."""
    ref: Text
    """The branch."""
    commit: Annotated[str, Field(max_length=64)]
    """The commit."""
    before: Annotated[str, Field(max_length=64)] | None = None
    """Where the branch was before, as the host said."""
    pushed_at: int = 0
    """When it was pushed, in seconds since 1970 as the host said; 0 when it did not."""
    build: ObjectName
    """Its Build."""


class WaitingPush(Model):
    """A push to the hosted repository of which the cluster lets no Build be made; it is tried again."""

    ref: Text
    """The branch."""
    commit: Annotated[str, Field(max_length=64)]
    """The commit."""
    since: ShortName
    """When it was first refused."""
    cause: ShortName
    """Quota, Policy, Rights or Invalid."""
    message: Text
    """What the API server says."""


class BuildConfigStatus(Status):
    """What the platform knows about a BuildConfig."""

    last_version: int = 0
    """Highest number that any Build of this BuildConfig ever had."""
    repository: Annotated[str, Field(max_length=2048)] | None = None
    """Where to push, when the source is hosted here."""
    last_build: LastBuild | None = None
    """The Build with the highest number."""
    triggers: list[TriggerRecord] | None = Field(default=None, max_length=TRIGGERS_KEPT)
    """The last triggers and the Builds they made, so that a repeated trigger makes none."""
    deliveries: list[Delivery] | None = Field(default=None, max_length=DELIVERIES_KEPT)
    """The last deliveries of webhooks, newest first."""
    head: SourceHead | None = None
    """The newest commit that a webhook or a poll made a Build of: what is older is not built again."""
    waiting_push: WaitingPush | None = None
    """The push that waits because the cluster refuses its Build; later pushes wait behind it."""
