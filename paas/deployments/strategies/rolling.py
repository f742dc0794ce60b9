"""Rolling: new pods come before old ones go, and no request is lost. One step, Kubernetes's RollingUpdate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from paas.api.deployment import DeploymentConfigSpec
from paas.api.resources import Manifest
from paas.deployments import workload
from paas.deployments.revision import Revision
from paas.deployments.strategies.base import Step

REPLACE: Final = "Replace"
"""Pods are replaced by those of the new revision."""


class Rolling:
    """The strategy of `spec.strategy.rollingParams`."""

    def steps(self, dc: Manifest, spec: DeploymentConfigSpec, revision: Revision) -> Sequence[Step]:
        rolling = spec.strategy.rolling_params
        deployment = workload.deployment(dc, spec, revision)
        deployment["spec"]["strategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": rolling.max_surge, "maxUnavailable": rolling.max_unavailable},
        }
        deployment["spec"]["progressDeadlineSeconds"] = rolling.timeout_seconds
        return (Step(REPLACE, deployment, rolling.timeout_seconds),)
