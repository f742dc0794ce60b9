"""Cancelling builds, and going back, by the command line against a real API server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from paas.api.resources import BUILD, DEPLOYMENTCONFIG, NAMESPACE, Key, Manifest
from paas.deployments.revision import ResolvedImage, Revision, RevisionData, write
from paas.projects.controller import ProjectsController
from paas.reconcile import meta
from paas.templates.render import AppSpec, objects, render
from tests.support.command_line import Person
from tests.support.operating import operating
from tests.support.rooms import settings_in

pytestmark = pytest.mark.integration
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def app(person: Person) -> dict[str, Manifest]:
    made = person.create(*objects(render(AppSpec("shop", person.project, 8080, "test"))))
    return {manifest["kind"]: manifest for manifest in made}


def pushed(person: Person, app: dict[str, Manifest], number: int, commit: str) -> Manifest:
    """A Build as a push makes it."""
    return person.create(
        {
            "apiVersion": BUILD.api_version,
            "kind": "Build",
            "metadata": {
                "name": f"shop-{number}", "namespace": person.project,
                "labels": {"paas.dev/buildconfig": "shop", "paas.dev/build-number": str(number)},
                "ownerReferences": [meta.owner_reference(app["BuildConfig"])],
            },
            "spec": {
                "number": number, "buildConfig": "shop",
                "buildConfigUid": app["BuildConfig"]["metadata"]["uid"],
                "trigger": {"id": f"push-{number}", "type": "Push"},
                "source": {"type": "Hosted", "git": {"ref": "main"}},
                "revision": {"git": {"commit": commit, "ref": "main", "message": "Fix login"}},
                "dockerfile": f"FROM scratch\n# {commit}\n", "buildpack": "python",
                "contentKey": f"key-{commit}",
                "output": {"to": {"name": "shop:latest"}},
            },
        }
    )[0]  # fmt: skip


def test_cancelling(person: Person, app: dict[str, Manifest]) -> None:
    build = pushed(person, app, 1, FIRST)
    assert person.paas("cancel-build", "build/shop-1").ok().out == 'build "shop-1" cancelled\n'
    live = person.cluster(lambda c: c.get(BUILD, Key(person.project, "shop-1")))
    assert live is not None
    assert live["spec"]["cancelled"] is True
    assert "cancelled already" in person.paas("cancel-build", "shop-1").ok().out
    person.status(build, {"phase": "Cancelled"})
    over = person.paas("cancel-build", "shop-1")
    assert (over.code, "is over already (it is Cancelled)" in over.err) == (1, True)
    assert person.paas("cancel-build", "shop-9").code == 3


def test_the_end_of_a_log_is_shown_when_the_pod_is_gone(person: Person, app: dict[str, Manifest]) -> None:
    build = pushed(person, app, 1, FIRST)
    assert "is New and has no log" in person.paas("logs", "build/shop-1").ok().err
    person.status(
        build, {"phase": "Failed", "pod": "gone", "logSnippet": "make: *** Error 2", "message": "make failed"}
    )
    assert person.paas("logs", "build/shop-1").ok().out == "make: *** Error 2\n"
    followed = person.paas("logs", "-f", "bc/shop")
    assert (followed.code, followed.out) == (1, "make: *** Error 2\n")
    assert "error: build shop-1 is Failed: make failed" in followed.err
    assert person.paas("logs", "build/nothing").code == 3
    assert person.paas("logs", "shop").code == 1
    for typed, hint in (
        ("shop-1", "that is a build: paas logs build/shop-1"),
        ("shop-9", "hint: paas get builds"),
        ("shpo", "did you mean paas logs shop"),
        ("boat", "hint: paas get apps"),
    ):
        named = person.paas("logs", typed)
        assert (named.code, f"{hint} -n {person.project}" in named.err) == (3, True), named.err
    for command in (["status"], ["get", "app"]):
        assert f"did you mean paas {' '.join(command)} shop -n" in person.paas(*command, "shpo").err


def test_what_was_kept_of_a_failed_revision_is_shown_when_its_pods_are_gone(
    person: Person, app: dict[str, Manifest]
) -> None:
    started = {"startedAt": "2026-03-04T12:00:00Z"}
    failed = {"revision": 2, "phase": "Failed", "reason": "ContainerRestarted", **started}
    history = [
        {**failed, "log": "Traceback\nNo module\u001b[31m named x"},
        {"revision": 1, "phase": "Complete"},
    ]
    config = app["DeploymentConfig"]
    seen = {"observedGeneration": config["metadata"]["generation"]}
    person.status(config, {"activeRevision": 1, "rollout": failed, "history": history, **seen})
    shown = person.paas("logs", "shop", "--revision", "2").ok()
    assert shown.out == "Traceback\nNo module named x\n"
    assert "the pods of revision 2 are gone" in shown.err
    assert person.paas("logs", "dc/shop", "--revision", "2", "--tail", "1").ok().out == "No module named x\n"
    assert "no log of it was kept" in person.paas("logs", "shop", "--revision", "1").err
    assert person.paas("logs", "shop", "--revision", "9").code == 3
    assert person.paas("logs", "build/shop-1", "--revision", "1").code == 2
    told = person.paas("rollout", "status", "shop", "--no-watch")
    assert f"paas logs shop --revision 2 -n {person.project}" in told.err


def revision(person: Person, app: dict[str, Manifest], number: int, build: str) -> None:
    image = ResolvedImage(
        container="shop", tag="shop:latest", image="sha256:" + str(number) * 64,
        reference=f"r/shop@sha256:{number}", build=build, commit=FIRST,
    )  # fmt: skip
    manifest = write(app["DeploymentConfig"], Revision(number, RevisionData(template={}, images=[image])))
    manifest["metadata"]["ownerReferences"] = [meta.owner_reference(app["DeploymentConfig"])]
    person.create(manifest)


def test_undo_pins_the_revision_before_with_the_newest_build_as_baseline(
    person: Person, app: dict[str, Manifest]
) -> None:
    for number in (1, 2, 3):
        revision(person, app, number, f"shop-{number + 4}")
    item = {
        "created": "2026-03-04T12:00:00Z",
        "dockerImageReference": "r@sha256:1",
        "image": "sha256:" + "1" * 64,
    }
    person.status(app["ImageStream"], {"tags": [{"tag": "latest", "items": [{**item, "buildNumber": 7}]}]})
    started = {"startedAt": "2026-03-04T12:00:00Z"}
    rollout = {"revision": 3, "phase": "Complete", "build": "shop-7", **started}
    failed = {"revision": 2, "phase": "Failed", **started}
    person.status(app["DeploymentConfig"], {"activeRevision": 3, "rollout": rollout, "history": [failed]})

    done = person.paas("rollout", "undo", "shop").ok()
    assert "goes back to revision 1 and is held there" in done.out

    def rollback() -> Any:
        live = person.cluster(lambda c: c.get(DEPLOYMENTCONFIG, Key(person.project, "shop")))
        assert live is not None
        return live["spec"].get("rollback")

    first = rollback()
    assert (first["toRevision"], first["baseline"]) == (1, 7)
    bad = person.paas("rollout", "undo", "shop", "--to-revision", "2").ok()
    assert "warning: the rollout of revision 2 failed" in bad.err
    again = person.paas("rollout", "undo", "shop", "--to-revision", "1").ok()
    assert "warning" not in again.err
    assert rollback()["requestedAt"] != first["requestedAt"], "a new request, though it says the same"
    assert person.paas("rollout", "undo", "shop", "--to-revision", "9").code == 3
    person.paas("unpin", "shop").ok()
    assert rollback() is None

    listed = person.paas("rollout", "history", "shop").ok().out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["1", "-"], ["2", "Failed"], ["3", "Complete"]]
    assert "(serving)" in listed[3]
    one = person.paas("rollout", "history", "shop", "--revision", "2", "-o", "json").ok()
    assert json.loads(one.out)["revision"] == 2


def test_rollout_status_ends_with_the_rollout(person: Person, app: dict[str, Manifest]) -> None:
    waiting = person.paas("rollout", "status", "shop", "--timeout", "300ms")
    assert (waiting.code, "is not over after 300ms" in waiting.err) == (124, True)
    rollout = {
        "revision": 3,
        "phase": "Failed",
        "startedAt": "2026-03-04T12:00:00Z",
        "message": "no pod was ready",
    }
    generation = app["DeploymentConfig"]["metadata"]["generation"]
    person.status(
        app["DeploymentConfig"], {"activeRevision": 2, "rollout": rollout, "observedGeneration": generation}
    )
    failed = person.paas("rollout", "status", "shop")
    assert (failed.code, failed.out) == (1, "shop revision 3: Failed: no pod was ready\n")
    assert "revision 2 keeps serving" in failed.err


def test_a_new_project_has_what_applications_need(cluster_kubeconfig: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    mine = tmp_path / "kubeconfig"
    mine.write_text(cluster_kubeconfig.read_text())
    person = Person(mine, tmp_path, "default")
    name = f"made-{uuid.uuid4().hex[:8]}"
    with operating(
        cluster_kubeconfig,
        lambda c, v, s: [ProjectsController(cluster=c, view=v, settings=s)],
        settings=settings,
    ):
        done = person.paas("new-project", name, "--display-name", "My shop").ok()
    assert done.out == f'Project "{name}" is ready.\n'
    made = person.cluster(lambda c: c.get(NAMESPACE, Key("", name)))
    assert made is not None
    assert made["metadata"]["annotations"]["paas.dev/display-name"] == "My shop"
    assert made["metadata"]["annotations"]["paas.dev/requester"]
    assert f"namespace: {name}" in mine.read_text(), "the kubeconfig's context works in it now"
    again = person.paas("new-project", name)
    assert (again.code, f"hint: use it with: paas project {name}" in again.err) == (1, True)
    assert person.paas("get", "projects", "-o", "name").ok().out.count(f"namespace/{name}\n") == 1
    person.paas("project", name).ok()
    assert person.paas("project", "no-such").code == 3


@pytest.mark.parametrize("name", ["default", "kube-x", "paas", "Shop", "1shop", "a" * 64, "shop-"])
def test_names_that_no_project_may_have(person: Person, name: str) -> None:
    done = person.paas("new-project", name)
    assert (done.code, done.out) == (2, "")
