"""What every strategy answers: the steps by which a rollout brings a revision into service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paas.api.deployment import DeploymentConfigSpec
from paas.api.resources import Manifest
from paas.deployments.revision import Revision


@dataclass(frozen=True)
class Step:
    """One step of a rollout. It is over when the Deployment is as it must be and all its pods are available,
    and it fails when the Deployment made no progress for so many seconds."""

    name: str
    """In status.rollout.step; unique among the steps of its strategy."""
    deployment: Manifest
    """What the Deployment must be, without the note that `meta.desired` adds."""
    timeout_seconds: int


class Strategy(Protocol):
    """How one revision takes the place of another. Pure."""

    def steps(self, dc: Manifest, spec: DeploymentConfigSpec, revision: Revision) -> Sequence[Step]:
        """The steps in order, at least one. The last one's Deployment is what a revision runs as after its
        rollout."""
