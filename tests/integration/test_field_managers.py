"""Files that people keep, kubectl and the command line write to one object and do not clash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from paas.api.resources import DEPLOYMENTCONFIG, Key, Manifest
from tests.support.command_line import Person

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    (made / "Dockerfile").write_text("FROM registry.paas.internal:5000/paas/runtime-debian\nEXPOSE 3000\n")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=made, check=True)
    return made


def apply(binaries: Path, person: Person, text: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(binaries / "kubectl"),
        f"--kubeconfig={person.kubeconfig}",
        "apply",
        "--server-side",
        "-f",
        "-",
    ]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def live(person: Person) -> Manifest:
    found = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, Key(person.project, "shop")))
    assert found is not None
    return found


def env(person: Person) -> dict[str, str]:
    (container,) = live(person)["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_a_file_of_new_app_changes_one_value_without_a_conflict_also_after_set_env(
    person: Person, folder: Path, cluster_binaries: Path
) -> None:
    arguments = ("new-app", str(folder), "--env", "GREETING=hello")
    text = person.paas(*arguments, "--dry-run", "-o", "yaml").ok().out
    person.paas(*arguments).ok()
    assert "replicas: 1\n" in text
    once = apply(cluster_binaries, person, text.replace("replicas: 1\n", "replicas: 2\n"))
    assert once.returncode == 0, once.stderr
    assert live(person)["spec"]["replicas"] == 2

    person.paas("set", "env", "shop", "LEVEL=debug").ok()
    (ours,) = [e for e in live(person)["metadata"]["managedFields"] if e["manager"] == "paas-set-env"]
    containers = ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers == {
        'k:{"name":"shop"}': {"f:env": {'k:{"name":"LEVEL"}': {".": {}, "f:name": {}, "f:value": {}}}}
    }
    again = apply(cluster_binaries, person, text.replace("hello", "good day"))
    assert again.returncode == 0, again.stderr
    assert env(person) == {"PORT": "3000", "GREETING": "good day", "LEVEL": "debug"}

    person.paas("set", "env", "shop", "GREETING=salut").ok()
    contested = apply(cluster_binaries, person, text)
    assert contested.returncode != 0
    assert 'conflict with "paas-set-env"' in contested.stderr
    assert env(person)["GREETING"] == "salut"


def test_port_is_refused_with_a_command_that_works(
    person: Person, folder: Path, cluster_binaries: Path
) -> None:
    person.paas("new-app", str(folder)).ok()
    refused = person.paas("set", "env", "shop", "PORT=9000", "MARK=set")
    assert refused.code == 1
    assert env(person) == {"PORT": "3000"}
    _, _, command = refused.err.partition("change both at once: kubectl ")
    kubectl = f"'{cluster_binaries / 'kubectl'}' '--kubeconfig={person.kubeconfig}' {command.splitlines()[0]}"
    subprocess.run(kubectl, shell=True, check=True, capture_output=True, timeout=60)
    (container,) = live(person)["spec"]["template"]["spec"]["containers"]
    assert (env(person)["PORT"], container["ports"][0]["containerPort"]) == ("9000", 9000)
