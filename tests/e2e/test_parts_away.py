"""Parts of the platform are away for seconds in the middle of a push: the build does not fail for it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.kills import processes, wait_until_ready
from tests.support.platform import Instance, Person, clean_environment, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
FRONT, SERVER = "paas.front", "paas.server"


@contextmanager
def pushing(person: Person, app: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=app,
        env={**clean_environment(), **person.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def killed_all_the_time(instance: Instance, *modules: str) -> Iterator[list[int]]:
    """SIGKILL to whatever runs of `modules`, as soon as it runs, until the block ends; who was killed."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.05):
            for module in modules:
                for pid in processes(instance, module):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def phases(person: Person) -> dict[str, str]:
    return {
        build["metadata"]["name"]: str((build.get("status") or {}).get("phase") or "New")
        for build in person.instance.objects("builds", person.project)
    }


def reason(person: Person, build: str) -> str:
    found = person.instance.object("build", person.project, build)
    return str(((found or {}).get("status") or {}).get("reason") or "")


def has_source(person: Person, build: str) -> bool:
    return any(
        container.get("state", {}).get("terminated", {}).get("exitCode") == 0
        for pod in person.instance.objects("pods", person.project)
        if pod["metadata"]["name"].startswith(f"{build}-build-")
        for container in pod["status"].get("initContainerStatuses", ())
    )


def is_live(person: Person, text: str) -> None:
    eventually(lambda: person.answer("shop").text == f"{text}\n", seconds=180, what=f"{text} is answered")


def test_one_front_is_enough_and_the_pods_stay(person: Person, app: Path) -> None:
    """One of the two dies in the middle of a build; nobody notices, and no container is restarted."""
    containers = restarts(person.instance)
    person.commit(app, python_app("two"), "Say two")
    with pushing(person, app) as push:
        eventually(lambda: phases(person).get("shop-2") == "Running", seconds=60, what="the build runs")
        os.kill(processes(person.instance, FRONT)[0], signal.SIGKILL)
        assert push.wait(300) == 0
    is_live(person, "two")
    assert phases(person) == {"shop-1": "Complete", "shop-2": "Complete"}
    eventually(lambda: len(processes(person.instance, FRONT)) == 2, seconds=20, what="both fronts are back")
    assert restarts(person.instance) == containers, "the process came back in its container"


def test_a_server_that_dies_cuts_the_pusher_off_and_nothing_else(person: Person, app: Path) -> None:
    """From when the build has its source; before that it would wait for the server."""
    person.commit(app, python_app("two"), "Say two")
    with pushing(person, app) as push:
        eventually(lambda: has_source(person, "shop-2"), seconds=60, what="the build has its source")
        with killed_all_the_time(person.instance, SERVER):
            said, _ = push.communicate(timeout=120)
            assert f"paas logs -f build/shop-2 -n {person.project}" in said.split("Builds by")[0]
            is_live(person, "two")
    wait_until_ready(person.instance)
    assert phases(person) == {"shop-1": "Complete", "shop-2": "Complete"}


@pytest.mark.faults
def test_tokens_that_are_away_for_longer_than_kaniko_waits_end_in_one_successor(
    person: Person, app: Path
) -> None:
    person.commit(app, python_app("two"), "Say two")
    with pushing(person, app):
        eventually(lambda: phases(person).get("shop-2") == "Running", seconds=60, what="the build runs")
        with killed_all_the_time(person.instance, FRONT) as killed:
            eventually(
                lambda: reason(person, "shop-2") == "RegistryUnreachable",
                seconds=300,
                what="Kaniko has given up, and the operator waits for the registry before it goes on",
            )
        assert len(killed) > 5
    is_live(person, "two")
    assert reason(person, "shop-2") == "PlatformUnreachable"
    assert phases(person) == {"shop-1": "Complete", "shop-2": "Error", "shop-3": "Complete"}
    successor = person.instance.object("build", person.project, "shop-3")
    assert successor is not None
    assert successor["spec"]["retryOf"] == "shop-2"
    wait_until_ready(person.instance)


def restarts(instance: Instance) -> dict[str, int]:
    """Of the platform's containers, by pod."""
    return {
        pod["metadata"]["name"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in instance.objects("pods", "paas-system")
    }
