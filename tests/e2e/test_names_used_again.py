"""T18: a project is deleted and made again under its name by another: nothing of the first is reached, and
what it left is collected while the second goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paas.registry.storage import Storage
from tests.support.platform import PAAS, Instance, Person, Ran, eventually, new_person, run, unused_name
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e


def image_of(person: Person) -> str:
    """What the application's pod runs, by digest."""
    pods = person.instance.objects("pods", person.project)
    (image,) = {
        container["image"]
        for pod in pods
        if "paas.dev/revision" in pod["metadata"].get("labels", {})
        for container in pod["spec"]["containers"]
    }
    return str(image)


def waits_for_its_image(instance: Instance, project: str, name: str) -> bool:
    pod: dict[str, Any] = instance.object("pod", project, name) or {}
    statuses = pod.get("status", {}).get("containerStatuses", [])
    assert not any("running" in status["state"] or "terminated" in status["state"] for status in statuses)
    reasons = {status["state"].get("waiting", {}).get("reason") for status in statuses}
    return bool(reasons & {"ErrImagePull", "ImagePullBackOff"})


def gc(instance: Instance, *options: str) -> Ran:
    return run(
        [*PAAS, "registry", "gc", *options], env={"KUBECONFIG": str(instance.kubeconfig)}, seconds=1500
    )


def test_t18_a_project_made_again_begins_with_nothing_and_what_was_left_is_collected(
    instance: Instance, tmp_path: Path
) -> None:
    project = unused_name("again")
    first = new_person(instance, project, tmp_path / "first")
    theirs = first.repository("shop", python_app("the first"))
    first.paas("new-app", ".", "--name", "shop", cwd=theirs).ok()
    first.push(theirs).ok()
    old = image_of(first)
    instance.kubectl("delete", "namespace", project, "--timeout=120s", seconds=150).ok()

    second = new_person(instance, project, tmp_path / "second")
    try:
        # The node has the image: it asks the registry all the same whether this project may have it.
        instance.kubectl("run", "stolen", "-n", project, f"--image={old}", "--restart=Never").ok()
        eventually(
            lambda: waits_for_its_image(instance, project, "stolen"),
            seconds=60,
            what="the image of the predecessor is refused",
        )
        instance.kubectl("delete", "pod", "stolen", "-n", project, "--wait=false").ok()

        own = second.repository("shop", python_app("the second"))
        second.paas("new-app", ".", "--name", "shop", cwd=own).ok()
        assert second.git("ls-remote", "paas", cwd=own).ok().out.strip() == "", "the repository is a new one"
        second.push(own).ok()
        built = instance.kubectl("logs", "-n", project, "job/shop-1-build", "-c", "kaniko").ok().said
        assert "No cached layer found" in built, "it looked, in a cache of its own"
        assert "Using caching version of cmd" not in built, "no layer of the predecessor"
        assert second.answer("shop").text == "the second\n"
        new = image_of(second)
        assert new.partition("@")[0] != old.partition("@")[0]

        storage = Storage(instance.state / "volumes" / "registry")
        before = storage.used()
        shown = gc(instance, "--dry-run").ok()
        repository = old.partition("@")[0].partition("/")[2]
        assert f"{repository}: 1 image that nothing needs" in shown.out
        assert "nothing was changed" in shown.out
        collected = gc(instance).ok()
        assert "freed" in collected.out.splitlines()[-1]
        assert storage.used() < before
        kept = {f"{image.repository}@{image.digest}" for image in storage.stored()}
        assert new.partition("/")[2] in kept
        assert old.partition("/")[2] not in kept
        assert repository not in storage.repositories()

        second.commit(own, python_app("after the collection"), "Another")
        second.push(own).ok()
        assert second.answer("shop").text == "after the collection\n"
    finally:
        instance.kubectl("delete", "namespace", project, "--wait=false")
