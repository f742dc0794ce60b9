"""A cluster that an earlier revision of this repository brought up is brought to this one by `paas up`.

$PAAS_UPGRADE_FROM names the revision (`make test-upgrade FROM=...`). Everything before the upgrade is done
by the earlier revision's own command, everything after it by this one's.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from paas.node import paths
from tests.support.load import load
from tests.support.platform import ROOT, Instance, Person, eventually, new_person, run, unused_name
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e

NAME, PORTS = "upgrade", (29080, 29443, 27443)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the earlier revision, and a `paas` command that runs it."""
    revision = os.environ["PAAS_UPGRADE_FROM"]
    folder = tmp_path_factory.mktemp("earlier")
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", revision], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    (folder / "bin").mkdir()
    command = folder / "bin" / "paas"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} -m paas.cli "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def instance(earlier: Path) -> Iterator[Instance]:
    """A new embedded cluster of the earlier revision."""
    made = Instance(NAME, *PORTS, paths.state_root() / NAME)
    made.down("--purge")
    options = ("--http-port", "--https-port", "--api-port")
    ports = [text for option, port in zip(options, PORTS, strict=True) for text in (option, str(port))]
    run([earlier / "bin" / "paas", "up", "--name", NAME, *ports], seconds=3600).ok()
    yield made
    made.down("--purge").ok()


@pytest.fixture
def person(instance: Instance, tmp_path: Path) -> Person:
    return new_person(instance, unused_name("p"), tmp_path / "home")


def test_no_application_pod_restarts_and_builds_and_pushes_go_on(
    instance: Instance, person: Person, earlier: Path
) -> None:
    before = {"PATH": f"{earlier / 'bin'}:{os.environ['PATH']}"}
    folder = person.repository("shop", python_app("one"))
    run(["paas", "new-app", ".", "--name", "shop"], cwd=folder, env=person.env | before).ok()
    run(["git", "push", "paas", "main"], cwd=folder, env=person.env | before).ok()
    slow = person.repository("slow", {"Dockerfile": SLOW})
    run(["paas", "new-app", ".", "--name", "slow"], cwd=slow, env=person.env | before).ok()
    pods = application_pods(person)
    assert pods

    with (
        ThreadPoolExecutor(max_workers=1) as threads,
        load(person.host("shop"), instance.https_port, instance.authority) as totals,
    ):
        pushing = threads.submit(
            run, ["git", "push", "paas", "main"], cwd=slow, env=person.env | before, seconds=600
        )
        eventually(lambda: build_phase(person, "slow-1") == "Running", seconds=120, what="slow-1 runs")
        instance.up(seconds=900).ok()
        pushing.result()  # the server that told its progress was replaced; the build was not

    assert totals.failed == 0, totals
    assert set(totals.texts) == {"one"}
    assert application_pods(person, app="shop") == pods, "no pod was replaced or restarted"
    eventually(lambda: build_phase(person, "slow-1") == "Complete", seconds=300, what="slow-1 is complete")
    revisions = instance.objects("controllerrevisions", person.project)
    assert [r["metadata"]["name"] for r in revisions if r["metadata"]["name"].startswith("shop-")] == [
        "shop-1"
    ]

    person.commit(folder, python_app("two"), "Say two")
    person.push(folder).ok()
    eventually(
        lambda: person.answer("shop").text.strip() == "two", seconds=60, what="the new version answers"
    )
    assert "shop-2" in person.paas("get", "builds", "-n", person.project).ok().out


SLOW = """\
FROM registry.paas.internal:5000/paas/runtime-python:latest
RUN python3 -c "import time; time.sleep(45)"
CMD ["python3", "-m", "http.server", "8080"]
"""


def build_phase(person: Person, name: str) -> str | None:
    build = person.instance.object("build", person.project, name)
    return ((build or {}).get("status") or {}).get("phase")


def application_pods(person: Person, *, app: str | None = None) -> dict[str, int]:
    """Restarts of each application pod, by UID."""
    return {
        pod["metadata"]["uid"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in person.instance.objects("pods", person.project)
        if (owner := pod["metadata"].get("labels", {}).get("paas.dev/deploymentconfig"))
        and app in (None, owner)
    }
