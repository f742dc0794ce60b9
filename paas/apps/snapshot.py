"""Reads what the application commands show, in one go."""

from __future__ import annotations

import asyncio

from paas.api import names
from paas.api.resources import (
    BUILD,
    BUILDCONFIG,
    DEPLOYMENTCONFIG,
    IMAGESTREAM,
    POD,
    ROUTE,
    SECRET,
    SERVICE,
    Manifest,
    Resource,
)
from paas.apps.app_snapshot import AppSnapshot
from paas.kube.cluster import Cluster

OWN: tuple[Resource, ...] = (ROUTE, SERVICE, DEPLOYMENTCONFIG, BUILDCONFIG, IMAGESTREAM, SECRET)
"""Kinds of an application's own objects, in the order in which they are deleted: first the address, last
what builds need."""


async def snapshots(cluster: Cluster, project: str | None) -> list[AppSnapshot]:
    """The objects of a project, or (None) of all namespaces that have some, by name."""
    configs, builds, streams, rollouts, services, routes, pods = await asyncio.gather(
        cluster.list(BUILDCONFIG, project),
        cluster.list(BUILD, project),
        cluster.list(IMAGESTREAM, project),
        cluster.list(DEPLOYMENTCONFIG, project),
        cluster.list(SERVICE, project),
        cluster.list(ROUTE, project),
        cluster.list(POD, project, labels=names.LABEL_DEPLOYMENTCONFIG),
    )
    if project is not None:
        return [AppSnapshot(project, configs, builds, streams, rollouts, services, routes, pods)]
    found = [configs, builds, streams, rollouts, services, routes, pods]
    namespaces = {
        obj["metadata"]["namespace"] for part in (configs, rollouts, routes, streams) for obj in part
    }
    return [
        AppSnapshot(name, *([obj for obj in part if obj["metadata"]["namespace"] == name] for part in found))
        for name in sorted(namespaces)
    ]


async def snapshot(cluster: Cluster, project: str) -> AppSnapshot:
    """The objects of one project."""
    return (await snapshots(cluster, project))[0]


async def own_objects(cluster: Cluster, project: str, app: str) -> list[Manifest]:
    """The objects that make up an application, without those that a controller made of them."""
    lists = await asyncio.gather(
        *(cluster.list(resource, project, labels=f"{names.LABEL_PART_OF}={app}") for resource in OWN)
    )
    return [
        obj
        for found in lists
        for obj in found
        if not any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or ())
    ]
