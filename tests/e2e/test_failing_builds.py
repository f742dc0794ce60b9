"""Builds and rollouts that fail: the pusher is told why and what to do, and the old version serves on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Person, Ran
from tests.support.samples import python_app

pytestmark = [pytest.mark.e2e, pytest.mark.shared_app]
BASE = "registry.paas.internal:5000/paas/runtime-python:latest"


def failed(person: Person, ran: Ran) -> dict[str, Any]:
    """The newest build, which must have failed, while the push itself was taken."""
    assert ran.code == 0, "the commit is stored: only the build failed"
    build = max(person.instance.objects("builds", person.project), key=lambda b: int(b["spec"]["number"]))
    assert build["status"]["phase"] == "Failed", build["status"]
    assert f"paas logs build/{build['metadata']['name']}" in ran.said or "hint" in ran.said, ran.said
    assert person.answer("shop").text == "one\n"
    return build


def test_neither_dockerfile_nor_buildpack(person: Person, app: Path) -> None:
    person.git("rm", "-q", "app.py", "requirements.txt", cwd=app).ok()
    person.commit(app, {"README": "nothing to run"}, "Remove everything")
    ran = person.push(app)
    build = failed(person, ran)
    assert build["status"]["reason"] == "NoBuildpack"
    assert "Dockerfile" in ran.said


def test_a_dockerfile_that_fails(person: Person, app: Path) -> None:
    # the layer of the first step goes to the cache, which leaves its digest in the termination message
    steps = "RUN echo first > /first\nRUN echo about-to-fail && exit 7\n"
    person.commit(app, {"Dockerfile": f"FROM {BASE}\n{steps}"}, "Fail")
    ran = person.push(app)
    build = failed(person, ran)
    assert build["status"]["reason"] == "DockerBuildFailed"
    assert "about-to-fail" in ran.said
    assert "'RUN echo about-to-fail && exit 7' failed (exit code 7)" in build["status"]["message"]


def test_a_dockerfile_that_is_none(person: Person, app: Path) -> None:
    person.commit(app, {"Dockerfile": "FORM scratch\n"}, "Misspell")
    build = failed(person, person.push(app))
    assert build["status"]["reason"] == "DockerfileParseError"


def test_a_base_image_that_does_not_exist(person: Person, app: Path) -> None:
    person.commit(app, {"Dockerfile": "FROM registry.paas.internal:5000/paas/runtime-cobol:latest\n"}, "Base")
    ran = person.push(app)
    build = failed(person, ran)
    assert build["status"]["reason"] == "BaseImageNotFound"
    assert "runtime-python" in ran.said, "the runtime images that exist are named"


def test_a_container_that_never_becomes_ready(person: Person, app: Path) -> None:
    patch = '{"spec":{"strategy":{"rollingParams":{"timeoutSeconds":15}}}}'
    person.instance.kubectl("patch", "dc", "shop", "-n", person.project, "--type=merge", "-p", patch).ok()
    person.commit(app, {"app.py": "import time\nwhile True:\n    time.sleep(1)\n"}, "Never listen")
    ran = person.push(app)
    assert ran.code == 0
    assert "revision 2" in ran.said
    assert "failed" in ran.said.lower(), ran.said
    assert person.answer("shop").text == "one\n"
    dc = person.instance.object("dc", person.project, "shop")
    assert dc is not None
    assert dc["status"]["activeRevision"] == 1
    assert dc["status"]["rollout"]["phase"] == "Failed"
    person.commit(app, python_app("fixed"), "Fix it")
    person.push(app).ok()
    assert person.answer("shop").text == "fixed\n"
