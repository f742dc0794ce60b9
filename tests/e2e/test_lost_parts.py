"""Parts of the way are lost in the middle of a build: it goes on, or the status names the cause."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.platform import Person, clean_environment, eventually
from tests.support.samples import python_app

pytestmark = [pytest.mark.e2e, pytest.mark.shared_app]


def builds(person: Person) -> int:
    return len(person.instance.objects("builds", person.project))


def start_push(person: Person, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=folder,
        env={**clean_environment(), **person.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def phase(person: Person, number: int) -> str:
    build = person.instance.object("build", person.project, f"shop-{number}")
    return str(((build or {}).get("status") or {}).get("phase") or "")


def wait_running(person: Person, number: int) -> None:
    eventually(lambda: phase(person, number) == "Running", seconds=60, what=f"build {number} runs")


def test_a_build_goes_on_when_the_pusher_goes_away(person: Person, app: Path) -> None:
    made = builds(person)
    person.commit(app, python_app("two"), "Say two")
    push = start_push(person, app)
    wait_running(person, made + 1)
    os.killpg(push.pid, signal.SIGKILL)
    push.wait(10)
    eventually(lambda: person.answer("shop").text == "two\n", seconds=120, what="the new text")
    assert builds(person) == made + 1


@pytest.mark.parametrize("lost", ["job", "pod"])
def test_a_build_whose_job_or_pod_is_deleted_is_made_once_more(person: Person, app: Path, lost: str) -> None:
    made = builds(person)
    text = f"the {lost} was lost"
    person.commit(app, python_app(text), "Say it again")
    push = start_push(person, app)
    wait_running(person, made + 1)
    person.instance.kubectl(
        "delete", lost, "-n", person.project, "-l", f"paas.dev/build-number={made + 1}", "--wait=false"
    ).ok()
    eventually(lambda: phase(person, made + 2) == "Complete", seconds=120, what="the successor is complete")
    push.communicate(timeout=120)
    lost_build = person.instance.object("build", person.project, f"shop-{made + 1}")
    assert lost_build is not None
    assert (lost_build["status"]["phase"], lost_build["status"]["reason"]) == ("Error", "BuildPodDeleted")
    successor = person.instance.object("build", person.project, f"shop-{made + 2}")
    assert successor is not None
    assert successor["spec"]["retryOf"] == f"shop-{made + 1}"
    eventually(lambda: person.answer("shop").text == f"{text}\n", seconds=60, what="the new text")
    assert builds(person) == made + 2


def test_a_cancelled_build_stays_cancelled(person: Person, app: Path) -> None:
    made, served = builds(person), person.answer("shop").text
    person.commit(app, python_app("cancelled"), "Say it in vain")
    push = start_push(person, app)
    wait_running(person, made + 1)
    person.paas("cancel-build", f"shop-{made + 1}").ok()
    said, _ = push.communicate(timeout=60)
    assert "cancel" in said.lower()
    assert phase(person, made + 1) == "Cancelled"
    assert person.answer("shop").text == served
    assert builds(person) == made + 1
    eventually(
        lambda: (
            not [
                pod
                for pod in person.instance.objects("pods", person.project)
                # not by its name: an application's pod may be called shop-7c5f...
                if pod["metadata"].get("labels", {}).get("paas.dev/build-number") == str(made + 1)
            ]
        ),
        seconds=60,
        what="the pod of the cancelled build is gone",
    )
