"""The platform on a cluster that came without it, by `paas install`, beside another instance that goes on.

The two have applications of the same name in projects of the same name, so the same host: each port has
its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.node import paths
from paas.registry.gc_job import GC_KEY
from tests.support.platform import PAAS, Instance, Person, Ran, eventually, new_person, run, unused_name
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
PORTS = (48080, 48443, 46443)
KINDS = (
    "deployments,services,serviceaccounts,roles,rolebindings,ingresses,persistentvolumeclaims,"
    "poddisruptionbudgets"
)


@pytest.fixture
def bare() -> Iterator[Instance]:
    name = unused_name("bare")
    made = Instance(name, *PORTS, paths.state_root() / name)
    try:
        ran = made.up("--bare").ok()
        assert f"paas install --config {made.state}/install.yaml" in ran.said, "it says what to do next"
        yield made
    finally:
        made.down("--purge").ok()


def administered(instance: Instance, *argv: str) -> Ran:
    return run([*PAAS, *argv], env={"KUBECONFIG": str(instance.kubeconfig)})


def platform(instance: Instance) -> dict[str, Any]:
    """What of the platform is there: CRDs and roles as they are, the rest by name. Without the collection of
    unused images, which `paas up` puts beside the registry of its own cluster."""
    kinds = "customresourcedefinitions,clusterroles,clusterrolebindings"
    wide = json.loads(instance.kubectl("get", kinds, "-o", "json").ok().out)["items"]
    named = instance.kubectl("get", KINDS, "-n", "paas-system", "-o", "name").ok().out.split()
    found = dict.fromkeys(named) | {
        f"{obj['kind']}/{obj['metadata']['name']}": obj.get("spec") or obj.get("rules") or obj["roleRef"]
        for obj in wide
        if "paas" in obj["metadata"]["name"] and not obj["metadata"]["name"].startswith("system:")
    }
    return {name: what for name, what in found.items() if not name.endswith(f"/{GC_KEY.name}")}


def test_install_push_and_uninstall_beside_another_instance(
    bare: Instance, person: Person, tmp_path: Path
) -> None:
    instance = person.instance
    assert platform(bare) == {}, "a bare cluster has nothing of the platform"
    serve(person, "one")

    administered(bare, "install", "--config", str(bare.state / "install.yaml")).ok()
    assert platform(bare) == platform(instance)
    neighbour = new_person(bare, person.project, tmp_path / "neighbour")
    serve(neighbour, "two")
    assert neighbour.host("shop") == person.host("shop")
    assert person.answer("shop").text == "one\n", "the other instance goes on as before"

    refused = administered(bare, "uninstall")
    assert refused.code == 1
    assert f"buildconfigs {person.project}/shop" in refused.err
    assert "paas delete app" in refused.err
    assert neighbour.answer("shop").text == "two\n", "a refused uninstall removes nothing"
    assert platform(bare) == platform(instance)

    neighbour.paas("delete", "app", "shop", "-y").ok()
    eventually(
        lambda: not bare.objects("deploymentconfigs,buildconfigs,routes", person.project),
        seconds=60,
        what="the application is gone",
    )
    administered(bare, "uninstall").ok()
    assert platform(bare) == {}
    assert person.answer("shop").text == "one\n"
    assert platform(instance) != {}


def serve(person: Person, text: str) -> None:
    folder = person.repository("shop", python_app(text))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    assert person.answer("shop").text == text + "\n"
