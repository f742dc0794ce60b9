"""What is followed may be deleted and made again under its name: that is another object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from paas.api.resources import Manifest, Resource
from paas.apps.follow import follow_to_its_end
from paas.apps.follow_rollout import _follow_one
from paas.apps.progress import BuildDeleted, ConfigDeleted, End, Result
from paas.kube.cluster import Cluster


class Again:
    """An API server with these objects, that says no more of them."""

    def __init__(self, *objects: Manifest) -> None:
        self.objects = objects

    async def list_page(self, resource: Resource, *_: Any) -> Manifest:
        items = [obj for obj in self.objects if obj["kind"] == resource.kind]
        return {"metadata": {"resourceVersion": "1"}, "items": items}

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[tuple[str, Manifest]]:
        await asyncio.Event().wait()
        yield "", {}


def made(kind: str, uid: str) -> Manifest:
    metadata = {"namespace": "demo", "name": "shop-1", "uid": uid}
    return {"kind": kind, "metadata": metadata, "spec": {"number": 1, "buildConfig": "shop"}}


async def test_a_build() -> None:
    cluster = cast(Cluster, Again(made("Build", "later")))
    first = made("Build", "first")
    async with asyncio.timeout(10):
        assert [item async for item in follow_to_its_end(cluster, first)] == [BuildDeleted("shop-1"), first]


async def test_a_deploymentconfig() -> None:
    cluster = cast(Cluster, Again(made("DeploymentConfig", "later")))
    until = asyncio.get_running_loop().time() + 10
    config, build = made("DeploymentConfig", "first"), made("Build", "first")
    events = [event async for event in _follow_one(cluster, config, build, until=until)]
    assert events == [ConfigDeleted("shop-1"), End(Result.GONE)]
