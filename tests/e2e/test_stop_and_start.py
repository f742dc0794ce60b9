"""The cluster, or a part under it, stops in the middle of a build and comes back: the same end is reached."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Instance, Person, clean_environment, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e


@pytest.fixture
def push(person: Person, app: Path) -> Iterator[subprocess.Popen[str]]:
    """A push of `two` whose build 2 is running."""
    person.commit(app, python_app("two"), "Say two")
    process = subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=app,
        env={**clean_environment(), **person.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    eventually(lambda: phase(person, 2) == "Running", seconds=90, what="build 2 runs")
    yield process
    process.kill()
    process.wait(10)


def phase(person: Person, number: int) -> str:
    build = person.instance.object("build", person.project, f"shop-{number}")
    return str(((build or {}).get("status") or {}).get("phase") or "")


def registry_pid(instance: Instance) -> int:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (folder / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if argv[1:2] == ["serve"] and str(instance.state) in argv[2]:
                return int(folder.name)
    raise AssertionError("the registry does not run")


def test_the_registry_is_away_for_a_while(person: Person, push: subprocess.Popen[str]) -> None:
    pid = registry_pid(person.instance)
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(
            lambda: "registry" in _message(person).lower() or phase(person, 2) in ("Complete", "Failed"),
            seconds=120,
            what="the status names the registry, or the build had all it needed",
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(
        lambda: phase(person, 2) in ("Complete", "Failed", "Error"), seconds=180, what="the build ends"
    )
    if phase(person, 2) != "Complete":
        assert "registry" in _message(person).lower()
        person.paas("start-build", "shop", "--wait").ok()
    eventually(lambda: person.answer("shop").text == "two\n", seconds=120, what="the new text")


def test_the_cluster_stops_and_starts_mid_build(person: Person, push: subprocess.Popen[str]) -> None:
    uids = {p["metadata"]["uid"] for p in person.instance.objects("builds", person.project)}
    person.instance.down().ok()
    person.instance.up().ok()
    eventually(lambda: person.answer("shop").text == "two\n", seconds=240, what="the pushed text")
    builds = person.instance.objects("builds", person.project)
    assert uids <= {b["metadata"]["uid"] for b in builds}
    ended = {b["metadata"]["name"]: (b["status"]["phase"], b["status"]["reason"]) for b in builds}
    if ended["shop-2"][0] != "Complete":
        assert ended["shop-2"] in (("Error", "BuildPodDeleted"), ("Error", "BuildPodEvicted")), ended
        assert ended["shop-3"][0] == "Complete"
    assert len(builds) <= 3


def _message(person: Person) -> str:
    build = person.instance.object("build", person.project, "shop-2")
    assert build is not None
    status = build.get("status") or {}
    return f"{status.get('message')} {status.get('logSnippet')}"
