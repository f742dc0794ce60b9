"""ImageStreams on a real API server: Builds become history, once each, whatever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.api.image import current
from paas.api.resources import BUILD, EVENT, IMAGESTREAM, Key, Manifest
from paas.images.controller import ImagesController
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.view import View
from paas.settings import Settings
from tests.support.completed_builds import digest
from tests.support.images import make_build, stream
from tests.support.operating import Operating, operating
from tests.support.rooms import condition, eventually, make_project, prepare, repositories

pytestmark = pytest.mark.integration


@pytest.fixture
async def project(api: Cluster) -> str:
    return await make_project(api, "images")


@pytest.fixture(scope="module")
def running(cluster_kubeconfig: Path) -> Iterator[Operating]:
    asyncio.run(prepare(cluster_kubeconfig))

    def make(cluster: Cluster, view: View, settings: Settings) -> list[ImagesController]:
        return [ImagesController(cluster=cluster, view=view, settings=settings)]

    settings = Settings(registry_pull="registry.test:5000")
    with operating(cluster_kubeconfig, make, settings=settings) as started:
        yield started


async def tag(api: Cluster, project: str) -> tuple[str, str] | None:
    item = current(await api.get(IMAGESTREAM, Key(project, "shop")), "latest")
    return None if item is None else (item.build, item.image)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"tags": [{"name": "latest"}]}, "tags is not supported yet"),
        ({"dockerImageRepository": "r.test/x"}, "dockerImageRepository is not supported yet"),
        ({"lookupPolicy": {"local": True}}, "lookupPolicy.local"),
    ],
)
async def test_the_schema_refuses_by_name(api: Cluster, project: str, spec: Manifest, message: str) -> None:
    with pytest.raises(ApiError) as problem:
        await api.create(stream(project, **spec), manager="test", dry_run=True)
    assert problem.value.status == 422
    assert message in problem.value.message


@pytest.mark.parametrize("spec", [{}, {"lookupPolicy": {"local": False}}])
async def test_the_schema_accepts(api: Cluster, project: str, spec: Manifest) -> None:
    await api.create(stream(project, **spec), manager="test", dry_run=True)


async def test_a_stream_needs_no_spec(api: Cluster, project: str, running: Operating) -> None:
    manifest = stream(project)
    del manifest["spec"]
    await api.create(manifest, manager="test")
    await make_build(api, project, 1, image="a", at=1)

    async def merged() -> bool:
        return await tag(api, project) == ("shop-1", digest("a"))

    await eventually(merged)


async def test_builds_become_history_and_an_overtaken_one_does_not(
    api: Cluster, project: str, running: Operating
) -> None:
    key = Key(project, "shop")
    await api.create(stream(project), manager="test")

    async def ready(wanted: tuple[str, str]) -> bool:
        return await condition(api, IMAGESTREAM, key, "Ready") == wanted

    await eventually(lambda: ready(("False", "NoImagesYet")))
    await make_build(api, project, 1, image="a", at=1)
    await eventually(lambda: ready(("True", "Reconciled")))
    assert await tag(api, project) == ("shop-1", digest("a"))
    await make_build(api, project, 3, image="c", at=3)

    async def moved() -> bool:
        return await tag(api, project) == ("shop-3", digest("c"))

    await eventually(moved)
    await make_build(api, project, 2, image="b", at=4)  # R9: the older one ends last

    async def seen() -> bool:
        return running.manager.runners[0].controller.view.get(BUILD, Key(project, "shop-2")) is not None

    await eventually(seen)
    assert running.writes(project) == 0
    stored = await api.get(IMAGESTREAM, key)
    assert stored is not None
    items = stored["status"]["tags"][0]["items"]
    assert [item["build"] for item in items] == ["shop-3", "shop-1"]
    own = await repositories(api, project)
    assert items[0]["dockerImageReference"] == f"registry.test:5000/{own.images('shop')}@{digest('c')}"
    events = await api.list(EVENT, project)
    told = sorted(event["message"].split("(")[1] for event in events if event["reason"] == "TagUpdated")
    assert told == ["shop-1)", "shop-3)"]


async def test_a_build_is_merged_though_its_stream_comes_later(
    api: Cluster, project: str, running: Operating
) -> None:
    await make_build(api, project, 1, image="a", at=1)
    await api.create(stream(project), manager="test")

    async def merged() -> bool:
        return await tag(api, project) == ("shop-1", digest("a"))

    await eventually(merged)
    # and again, when the stream is made again
    await api.delete(IMAGESTREAM, Key(project, "shop"))
    await api.create(stream(project), manager="test")
    await eventually(merged)


async def test_history_outlives_its_builds(api: Cluster, project: str, running: Operating) -> None:
    await api.create(stream(project), manager="test")
    await make_build(api, project, 1, image="a", at=1)

    async def holds(wanted: list[str]) -> bool:
        stored = await api.get(IMAGESTREAM, Key(project, "shop"))
        tags = ((stored or {}).get("status") or {}).get("tags") or []
        return [item["build"] for history in tags for item in history["items"]] == wanted

    await eventually(lambda: holds(["shop-1"]))
    await api.delete(BUILD, Key(project, "shop-1"))
    await make_build(api, project, 2, image="b", at=2)
    await eventually(lambda: holds(["shop-2", "shop-1"]))
    assert running.writes(project) == 0
