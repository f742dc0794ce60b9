"""One module a strategy. A new one implements `base.Strategy` and is added to `STRATEGIES`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from paas.api.deployment import DeploymentConfigSpec
from paas.api.deployment_strategy import StrategyType
from paas.api.resources import Manifest
from paas.deployments.revision import Revision
from paas.deployments.strategies.base import Step, Strategy
from paas.deployments.strategies.rolling import Rolling

__all__ = ["STRATEGIES", "Step", "Strategy", "after", "find", "steps"]

STRATEGIES: Final[dict[str, Strategy]] = {StrategyType.ROLLING: Rolling()}
"""By `spec.strategy.type`; the schema refuses all other types."""


def steps(dc: Manifest, spec: DeploymentConfigSpec, revision: Revision) -> Sequence[Step]:
    """The steps by which this revision is rolled out."""
    strategy = STRATEGIES.get(spec.strategy.type, STRATEGIES[StrategyType.ROLLING])
    return strategy.steps(dc, spec, revision)


def find(found: Sequence[Step], name: str | None) -> Step:
    """The step of this name. The first one for a rollout that says no step, or one that its strategy, which
    has been edited meanwhile, does not have."""
    return next((step for step in found if step.name == name), found[0])


def after(found: Sequence[Step], step: Step) -> Step | None:
    """The step that follows, or None after the last."""
    following = found.index(step) + 1
    return found[following] if following < len(found) else None
