"""Another version of the platform comes by `paas up` to a running cluster; applications notice nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from paas.node import instance as node
from tests.support.load import load
from tests.support.platform import ROOT, SETTINGS, Instance, Person, Ran, eventually, run
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
NEEDED = ("Dockerfile", "requirements.txt", "buildpacks", "crds", "deploy", "paas")


@pytest.fixture
def other_version(tmp_path: Path) -> Path:
    """A checkout that differs in a comment."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, checkout / name)
    with (checkout / "paas" / "__init__.py").open("a") as file:
        file.write(f"# the version of {tmp_path.name}\n")
    return checkout


@pytest.fixture
def upgraded(instance: Instance) -> Iterator[Instance]:
    """The instance, which is of this checkout again afterwards."""
    yield instance
    instance.up().ok()


def up(instance: Instance, checkout: Path) -> Ran:
    """`paas up` of another checkout; ports and settings are as before."""
    return run(
        [sys.executable, "-m", "paas.cli", "up", "--name", instance.name],
        cwd=checkout,
        env={"PYTHONPATH": str(checkout)},
        seconds=600,
    )


def test_an_upgrade_rolls_the_platform_and_no_application(
    upgraded: Instance, person: Person, other_version: Path
) -> None:
    folder = person.repository("shop", python_app("one"))
    person.paas("new-app", ".", "--name", "shop", cwd=folder).ok()
    person.push(folder).ok()
    images, pods, alive = platform_images(upgraded), application_pods(person), init(upgraded)
    assert pods

    with load(person.host("shop"), upgraded.https_port, upgraded.authority) as totals:
        up(upgraded, other_version).ok()
        after = platform_images(upgraded)
        assert after.keys() == {"operator", "server", "front"}
        assert len(set(after.values())) == 1, "all are of the new version"
        assert set(after.values()).isdisjoint(images.values())
        eventually(
            lambda: running_images(upgraded) == set(after.values()), seconds=60, what="the old pods went"
        )
        assert settings(upgraded)["sources"]["allowedAddresses"] == SETTINGS["sources"]["allowedAddresses"]
        # the new version takes pushes; this one is to a branch that does not deploy
        person.commit(folder, {"README": "two"}, "Say the same")
        person.git("push", "paas", "main:refs/heads/side", cwd=folder).ok()

    assert totals.failed == 0, totals
    assert set(totals.texts) == {"one"}
    assert application_pods(person) == pods, "no pod of the application was replaced or restarted"
    assert init(upgraded) == alive, "the cluster itself was not restarted"


def application_pods(person: Person) -> dict[str, int]:
    """Restarts of each of its pods, by UID."""
    return {
        pod["metadata"]["uid"]: sum(
            container["restartCount"] for container in pod["status"]["containerStatuses"]
        )
        for pod in person.instance.objects("pods", person.project)
        if "paas.dev/deploymentconfig" in pod["metadata"].get("labels", {})
    }


def platform_images(instance: Instance) -> dict[str, str]:
    return {
        found["metadata"]["name"]: found["spec"]["template"]["spec"]["containers"][0]["image"]
        for found in instance.objects("deployments", "paas-system")
    }


def running_images(instance: Instance) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in instance.objects("pods", "paas-system")}


def settings(instance: Instance) -> dict[str, Any]:
    """What the operator mounts. Those of the version before stay for a way back to it."""
    operator = instance.object("deployment", "paas-system", "operator")
    assert operator is not None
    (name,) = [
        volume["configMap"]["name"]
        for volume in operator["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    ]
    found = instance.object("configmap", "paas-system", name)
    assert found is not None
    return dict(yaml.safe_load(found["data"]["settings.yaml"]))


def init(instance: Instance) -> int:
    """The cluster's first process."""
    described = node.load(instance.name)
    assert described is not None
    running = node.alive(described)
    assert running is not None
    return running.init
