"""What a collection does not stand in the way of, and what it says when it breaks off."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import cast

import pytest

from paas.api.resources import POD, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.registry import collect as collector
from paas.registry import program, quiet
from paas.registry.collect import collect, main
from paas.registry.collection import LOCK, CannotCollect
from paas.registry.program import Registry
from paas.registry.storage import Storage


class FakeCluster:
    """Pods of builds, and a Lease that nobody else has."""

    def __init__(self, *pods: Manifest) -> None:
        self.pods = pods

    async def list(self, resource: Resource, namespace: str | None = None, **_: object) -> list[Manifest]:
        return list(self.pods) if resource == POD and namespace is None else []

    async def get(self, *_: object) -> None:
        return None

    async def create(self, body: Manifest, **_: object) -> Manifest:
        return body


def as_cluster(*pods: Manifest) -> Cluster:
    return cast(Cluster, FakeCluster(*pods))


def registry_in(folder: Path) -> Registry:
    return Registry(Path("/no/program"), Storage(folder))


async def test_images_are_loaded_on_the_node_while_a_collection_waits_for_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build may take longer than `paas up` waits."""
    monkeypatch.setattr(quiet, "LOOK_EVERY", 0.01)
    build = {"metadata": {"namespace": "demo", "name": "shop-1-build"}, "status": {"phase": "Running"}}
    waited = []

    def load(line: str) -> None:
        waited.append(line)
        with (tmp_path / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    with pytest.raises(CannotCollect, match=r"builds run \(demo/shop-1-build\)"):
        await collect(as_cluster(build), registry_in(tmp_path), say=load, wait=0.1)
    assert waited[0].startswith("waiting: builds run (demo/shop-1-build)")


async def test_a_registry_that_does_not_answer_is_not_taken_for_a_lease_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_registry: Registry) -> None:
        raise TimeoutError

    monkeypatch.setattr(program, "sweep", silent)
    with pytest.raises(TimeoutError):
        await collect(as_cluster(), registry_in(tmp_path), say=lambda _: None, wait=0)


def test_a_time_out_has_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(collector, "run", silent)
    monkeypatch.setattr("sys.argv", ["collect", "--storage", "/x", "--registry", "/y"])
    assert main() == 1
    assert capsys.readouterr().err == "error: no answer in time\n"
