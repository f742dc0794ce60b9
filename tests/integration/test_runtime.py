"""The runtime on a real API server: children follow, drift is undone, and a steady cluster sees no write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from paas.api.resources import CONFIGMAP, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile import meta
from paas.reconcile.controller import Controller, Watch, itself, owner
from paas.reconcile.plan import Apply, Plan
from paas.reconcile.refusal import Refusal
from paas.settings import Settings
from tests.support.operating import Operating, operating
from tests.support.rooms import eventually

pytestmark = pytest.mark.integration
LABELS = {"test": "runtime"}


@dataclass(frozen=True)
class Observed:
    parent: Manifest
    child: Manifest | None


class Copies(Controller[Observed]):
    """Each labelled ConfigMap has a copy that it owns."""

    name = "test-copies"
    watches = (
        Watch(CONFIGMAP, itself, labels=LABELS),
        Watch(CONFIGMAP, owner("ConfigMap"), labels=LABELS),
    )

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Observed | None:
        parent = self.view.get(CONFIGMAP, key)
        if parent is None or parent["metadata"].get("ownerReferences"):
            return None
        return Observed(parent, self.view.get(CONFIGMAP, Key(key.namespace, f"{key.name}-copy")))

    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        metadata = observed.parent["metadata"]
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{metadata['name']}-copy",
                "namespace": metadata["namespace"],
                "labels": LABELS,
                "ownerReferences": [meta.owner_reference(observed.parent)],
            },
            "data": observed.parent.get("data") or {},
        }
        action: Apply | None = meta.apply_if_needed(manifest, observed.child)
        return Plan.of([action])


@pytest.fixture
async def api(cluster_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(cluster_kubeconfig) as door:
        yield door


@pytest.fixture
async def namespace(api: Cluster) -> str:
    made = await api.request("POST", "/api/v1/namespaces", body={"metadata": {"generateName": "runtime-"}})
    return str(made["metadata"]["name"])


@pytest.fixture
def running(cluster_kubeconfig: Path, namespace: str) -> Iterator[Operating]:
    def make(cluster: Cluster, view: View, settings: Settings) -> list[Copies]:
        return [Copies(cluster=cluster, view=view, settings=settings)]

    with operating(cluster_kubeconfig, make, namespaces=[namespace]) as started:
        yield started


def config_map(name: str, namespace: str, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "data": data,
    }


async def test_a_child_follows_its_parent_and_is_restored(
    api: Cluster, namespace: str, running: Operating
) -> None:
    await api.create(config_map("a", namespace, text="one"), manager="test")
    key = Key(namespace, "a-copy")

    async def says(text: str) -> bool:
        copy = await api.get(CONFIGMAP, key)
        return copy is not None and copy["data"] == {"text": text}

    await eventually(lambda: says("one"))
    await api.patch(CONFIGMAP, Key(namespace, "a"), {"data": {"text": "two"}}, manager="test")
    await eventually(lambda: says("two"))
    await api.patch(CONFIGMAP, key, {"data": {"text": "changed by hand"}}, manager="somebody")
    await eventually(lambda: says("two"))
    await api.delete(CONFIGMAP, key)
    await eventually(lambda: says("two"))


async def test_a_foreign_object_under_the_name_is_not_taken_over(
    api: Cluster, namespace: str, running: Operating
) -> None:
    foreign = config_map("b-copy", namespace, text="foreign")
    del foreign["metadata"]["labels"]  # so that no watch of ours sees it
    await api.create(foreign, manager="somebody")
    await api.create(config_map("b", namespace, text="ours"), manager="test")
    runner = running.manager.runners[0]
    await eventually(lambda: _true(runner._failures.get(Key(namespace, "b"), 0) >= 2))
    stored = await api.get(CONFIGMAP, Key(namespace, "b-copy"))
    assert stored is not None
    assert stored["data"] == {"text": "foreign"}


async def test_a_steady_cluster_sees_no_write_even_through_a_resync(
    api: Cluster, namespace: str, running: Operating
) -> None:
    for number in range(20):
        await api.create(config_map(f"c{number}", namespace, text="x"), manager="test")
    await eventually(lambda: _count(api, namespace, 40))
    runner = running.manager.runners[0]
    await eventually(lambda: _true(len(runner.queue) == 0))
    before = {
        o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in await api.list(CONFIGMAP, namespace)
    }
    running.call(running.manager.resync())
    await eventually(lambda: _true(len(runner.queue) == 0))
    assert running.writes(namespace) == 0
    after = {
        o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in await api.list(CONFIGMAP, namespace)
    }
    assert after == before


async def _true(answer: bool) -> bool:
    return answer


async def _count(api: Cluster, namespace: str, wanted: int) -> bool:
    return len(await api.list(CONFIGMAP, namespace, labels="test=runtime")) == wanted
