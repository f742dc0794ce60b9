"""T18: a project is deleted and made again under its name: no image, layer or credential of the first is
reached, whether the first was there before repositories were bound to UIDs or not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from paas.api import names
from paas.api.resources import CONFIGMAP, DEPLOYMENT, NAMESPACE, Key, Manifest
from paas.auth.credentials import (
    build_credential,
    build_user,
    key_of,
    platform_credential,
    project_credential,
    project_user,
)
from paas.install.apply import repositories_by_name_until
from paas.install.manifests import BOUND, BY_NAME, REPOSITORIES_MARK
from paas.kube.cluster import Cluster
from paas.node import build as components
from paas.registry.repositories import Repositories
from tests.support.guarded_registry import Registry, serving
from tests.support.images import make_build
from tests.support.rooms import KEY, after_second, eventually, make_project, prepare, repositories

pytestmark = pytest.mark.integration
CREDENTIALS_KEY = key_of(KEY)


@pytest.fixture(scope="module")
def binaries() -> Path:
    return components.ensure(["registry", "crane"], progress=lambda line: print(line, file=sys.stderr))


async def again(api: Cluster, project: str) -> Manifest:
    """Delete the project and make it again, once it is gone."""
    await api.delete(NAMESPACE, Key("", project))

    async def gone() -> bool:
        return await api.get(NAMESPACE, Key("", project)) is None

    await eventually(gone)
    labels = {names.LABEL_PROJECT: "true"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project, "labels": labels}}
    return await api.create(manifest, manager="test")


def of_pods(namespace: Manifest) -> dict[str, str]:
    metadata = namespace["metadata"]
    password = project_credential(CREDENTIALS_KEY, metadata["uid"])
    return {"user": project_user(metadata["name"]), "password": password}


def of_build(build: Manifest) -> dict[str, str]:
    metadata = build["metadata"]
    password = build_credential(CREDENTIALS_KEY, metadata["uid"], "registry")
    return {"user": build_user(metadata["namespace"], metadata["name"]), "password": password}


@pytest.fixture(params=["bound", "by name"])
async def first(
    request: pytest.FixtureRequest, api: Cluster, cluster_kubeconfig: Path, binaries: Path, tmp_path: Path
) -> AsyncIterator[tuple[Registry, Manifest, Repositories]]:
    """A registry, a project with an image and a layer in the cache, and its repositories."""
    await prepare_in_thread(cluster_kubeconfig)
    project = await make_project(api, "again")
    namespace = await api.get(NAMESPACE, Key("", project))
    assert namespace is not None
    until = namespace["metadata"]["creationTimestamp"] if request.param == "by name" else ""
    with serving(
        tmp_path,
        binaries=binaries,
        kubeconfig=cluster_kubeconfig,
        credential_key=CREDENTIALS_KEY,
        by_name_until=until,
    ) as registry:
        own = await repositories(api, project, by_name_until=until)
        assert own.by_name is (request.param == "by name")
        build = await make_build(api, project, 1, phase="Running")
        for repository in own.of_build("shop"):
            done = registry.push(repository, "x", **of_build(build))
            assert done.returncode == 0, done.stderr
        digest = registry.crane("digest", f"{registry.address}/{own.images('shop')}:x", **of_pods(namespace))
        assert digest.returncode == 0, digest.stderr
        if until:
            # a Namespace of the same second counts as older
            await after_second(until)
        yield registry, namespace, own


async def prepare_in_thread(kubeconfig: Path) -> None:
    await asyncio.to_thread(lambda: asyncio.run(prepare(kubeconfig)))


async def test_t18_nothing_of_the_predecessor_is_reached(
    api: Cluster, first: tuple[Registry, Manifest, Repositories]
) -> None:
    registry, before, theirs = first
    project = before["metadata"]["name"]
    now = await again(api, project)
    build = await make_build(api, project, 1, phase="Running")
    platform = {"user": "platform", "password": platform_credential(CREDENTIALS_KEY)}
    for repository in theirs.of_build("shop"):
        address = f"{registry.address}/{repository}:x"
        assert registry.crane("digest", address, **platform).returncode == 0, "it is still there"
        for somebody in (of_pods(now), of_build(build), of_pods(before)):
            refused = registry.crane("digest", address, **somebody)
            assert refused.returncode != 0, (repository, somebody["user"])
            assert any(word in refused.stderr for word in ("UNAUTHORIZED", "DENIED", "401", "403"))
        assert registry.push(repository, "poisoned", **of_build(build)).returncode != 0
    own = await repositories(api, project)
    assert own.of_build("shop").isdisjoint(theirs.of_build("shop"))
    done = registry.push(own.images("shop"), "y", **of_build(build))
    assert done.returncode == 0, done.stderr
    assert (
        registry.crane("digest", f"{registry.address}/{own.images('shop')}:y", **of_pods(now)).returncode == 0
    )


async def test_projects_of_before_are_told_by_a_mark_that_is_made_once(api: Cluster) -> None:
    """On an upgrade; a cluster that had no version of the platform has no such projects."""
    if await api.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
        metadata = {"name": names.SYSTEM_NAMESPACE}
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="test")
    mark, operator = Key(names.SYSTEM_NAMESPACE, REPOSITORIES_MARK), Key(names.SYSTEM_NAMESPACE, "operator")
    assert await repositories_by_name_until(api) == ""
    assert await api.get(CONFIGMAP, mark) is None, "it comes with the manifests"
    labels = {"app": "operator"}
    await api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": operator.name, "namespace": operator.namespace},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "operator", "image": "earlier"}]},
                },
            },
        },
        manager="test",
    )
    try:
        until = await repositories_by_name_until(api)
        made = await api.get(CONFIGMAP, mark)
        assert made is not None
        assert (made["data"], made["metadata"]["creationTimestamp"]) == ({BY_NAME: "true"}, until)
        # this version is installed, and the mark stays
        await api.patch(DEPLOYMENT, operator, {"metadata": {"annotations": {BOUND: "true"}}}, manager="test")
        assert await repositories_by_name_until(api) == until
        # an older one is installed over it, whose projects have repositories by name
        await api.patch(DEPLOYMENT, operator, {"metadata": {"annotations": {BOUND: None}}}, manager="test")
        await after_second(until)
        later = await repositories_by_name_until(api)
        assert later > until
    finally:
        await api.delete(DEPLOYMENT, operator)
        await api.delete(CONFIGMAP, mark)
