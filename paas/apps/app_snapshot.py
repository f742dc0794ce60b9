"""The objects of a project, or of one application in it, as they were read together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paas.api import names
from paas.api.resources import Manifest
from paas.apps import builds


@dataclass(frozen=True)
class AppSnapshot:
    """The objects of a project, or of one application in it."""

    project: str
    build_configs: Sequence[Manifest] = ()
    builds: Sequence[Manifest] = ()
    streams: Sequence[Manifest] = ()
    deployment_configs: Sequence[Manifest] = ()
    services: Sequence[Manifest] = ()
    routes: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()

    def of(self, app: str) -> AppSnapshot:
        """The part that belongs to one application."""
        mine = {
            name: [obj for obj in value if app_of(obj) == app]
            for name, value in self.__dict__.items()
            if name not in ("project", "pods")
        }
        configs = {builds.name_of(config) for config in mine["deployment_configs"]}
        pods = [pod for pod in self.pods if labels_of(pod).get(names.LABEL_DEPLOYMENTCONFIG) in configs]
        return AppSnapshot(project=self.project, pods=pods, **mine)

    def apps(self) -> list[str]:
        """Names of the applications, in order."""
        owners = (*self.build_configs, *self.deployment_configs, *self.routes, *self.streams)
        return sorted({app_of(obj) for obj in owners})


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def app_of(obj: Mapping[str, Any]) -> str:
    """The application of an object: its part-of label, else its own name."""
    return labels_of(obj).get(names.LABEL_PART_OF) or str(obj["metadata"]["name"])
