"""A verdict about a rollout or a hold: a new state, what is announced, and what is created before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paas.api.deployment_status import DeploymentConfigStatus
from paas.api.names import Reason
from paas.deployments.revision import Revision


@dataclass(frozen=True)
class Announcement:
    """What an Event says."""

    reason: Reason
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Change:
    """A new state, what is announced about it, and the revision that is created before it is recorded."""

    state: DeploymentConfigStatus
    announcements: tuple[Announcement, ...] = ()
    revision: Revision | None = None
    final: bool = True
    """False: the next plan goes on from here, so that the spec does not count as observed yet."""
