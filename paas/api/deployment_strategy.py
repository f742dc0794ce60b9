"""How the pods of one revision of a DeploymentConfig are replaced by those of the next."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from paas.api.base import Model, Opaque
from paas.api.common import IntOrString, NotNegative, Positive


def _only(name: str, value: str) -> tuple[str, str]:
    """A rule that accepts what OpenShift writes into every exported manifest, and nothing else."""
    return (
        f"!has(self.{name}) || self.{name} == {value}",
        f"{name} other than {value} is not supported yet; leave it out",
    )


class StrategyType(StrEnum):
    """How pods are replaced."""

    ROLLING = "Rolling"
    """A few at a time, so that the application answers throughout."""
    RECREATE = "Recreate"
    """All old ones first, then the new ones."""
    CUSTOM = "Custom"
    """By an image of your own."""


def _pods(name: str) -> tuple[str, str]:
    return (
        f"!has(self.{name}) || (type(self.{name}) == string"
        f" ? self.{name}.matches('^(100|[1-9]?[0-9])%$') : self.{name} >= 0)",
        f"{name} must be a number of pods, or a percentage such as 25%",
    )


class RollingParams(Model):
    """How pods are replaced a few at a time."""

    update_period_seconds: NotNegative | None = None
    """1, as OpenShift writes it; without effect."""
    interval_seconds: NotNegative | None = None
    """1, as OpenShift writes it; without effect."""
    timeout_seconds: Positive = 600
    """Without progress for so long, a rollout fails and the last complete revision returns."""
    max_unavailable: IntOrString = "25%"
    """How many pods may be missing during a rollout: a number, or a percentage of `replicas`."""
    max_surge: IntOrString = "25%"
    """How many pods more than `replicas` there may be during a rollout: a number, or a percentage."""
    pre: Opaque | None = None
    """A hook that runs before the rollout."""
    post: Opaque | None = None
    """A hook that runs after the rollout."""

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        _only("updatePeriodSeconds", "1"),
        _only("intervalSeconds", "1"),
        ("!has(self.pre)", "lifecycle hooks (pre) are not supported yet; leave it out"),
        ("!has(self.post)", "lifecycle hooks (post) are not supported yet; leave it out"),
        _pods("maxSurge"),
        _pods("maxUnavailable"),
        (
            "!has(self.maxSurge) || !has(self.maxUnavailable)"
            " || !(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
            "maxSurge and maxUnavailable cannot both be 0: no pod could be replaced",
        ),
    )


class Strategy(Model):
    """How the pods of one revision are replaced by those of the next."""

    type: StrategyType = StrategyType.ROLLING
    """Rolling, the one there is."""
    rolling_params: Annotated[RollingParams, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=RollingParams
    )
    """How many pods are replaced at a time, and how long a rollout may stand still."""
    recreate_params: Opaque | None = None
    """Parameters of the strategy Recreate."""
    custom_params: Opaque | None = None
    """Parameters of the strategy Custom."""
    resources: Opaque | None = None
    """Resources of OpenShift's deployer pod. There is none here, so it has no effect."""
    labels: dict[str, str] | None = None
    """Labels of OpenShift's deployer pod."""
    annotations: dict[str, str] | None = None
    """Annotations of OpenShift's deployer pod."""
    active_deadline_seconds: NotNegative | None = None
    """21600, as OpenShift writes it; without effect."""

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "!has(self.type) || self.type == 'Rolling'",
            "strategy types other than Rolling are not supported yet; use Rolling",
        ),
        ("!has(self.recreateParams)", "recreateParams is not supported yet; leave it out"),
        ("!has(self.customParams)", "customParams is not supported yet; leave it out"),
        ("!has(self.labels) || size(self.labels) == 0", "strategy.labels is not supported yet; leave it out"),
        (
            "!has(self.annotations) || size(self.annotations) == 0",
            "strategy.annotations is not supported yet; leave it out",
        ),
        _only("activeDeadlineSeconds", "21600"),
    )
