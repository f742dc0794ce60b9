"""`paas get` and `delete` of any kind, against a real API server's discovery and tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from paas.api.resources import NAMESPACE, PERSISTENTVOLUMECLAIM, Key, Manifest
from tests.support.command_line import Person

pytestmark = pytest.mark.integration


def claim(person: Person, name: str, *, size: str = "none") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": person.project, "labels": {"size": size}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


@pytest.fixture
def claims(person: Person) -> Person:
    person.create(*(claim(person, f"m-{n}", size=size) for n, size in ((9, "b"), (10, "a"))))
    return person


def left_of(person: Person) -> list[str]:
    """The claims that nobody has asked to delete; nothing here finishes a deletion."""
    found = person.cluster(lambda c: c.list(PERSISTENTVOLUMECLAIM, person.project))
    return [o["metadata"]["name"] for o in found if "deletionTimestamp" not in o["metadata"]]


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_kind_of_kubernetes_by_every_word(claims: Person) -> None:
    plural = "persistentvolumeclaims"
    for word in ("pvc", "persistentvolumeclaim", plural, "PersistentVolumeClaim", f"{plural}.v1"):
        rows = words(claims.paas("get", word).ok().out)
        assert rows[0][:3] == ["NAME", "STATUS", "VOLUME"]
        assert [row[:2] for row in rows[1:]] == [["m-9", "Pending"], ["m-10", "Pending"]]
    assert words(claims.paas("get", "pvc/m-9", "--no-headers").ok().out)[0][:2] == ["m-9", "Pending"]


def test_who_wrote_which_field_is_shown_when_it_is_asked_for(claims: Person) -> None:
    plain = json.loads(claims.paas("get", "pvc/m-9", "-o", "json").ok().out)
    whole = json.loads(claims.paas("get", "pvc/m-9", "-o", "json", "--show-managed-fields").ok().out)
    assert "managedFields" not in plain["metadata"]
    assert whole["metadata"].pop("managedFields")
    assert whole == plain


def test_kinds_that_paas_has_never_heard_of(person: Person) -> None:
    for word in ("pvc", "hpa", "nodes", "crd", "quota", "networkpolicies", "priorityclasses", "roles.rbac"):
        person.paas("get", word).ok()
    assert person.paas("get", "crd", "-o", "name").ok().out.count(".paas.dev\n") == 5
    assert "No resources found in project" in person.paas("get", "pvc").ok().err
    assert person.paas("get", "nodes").ok().err == "No resources found.\n"


def test_selectors(claims: Person) -> None:
    assert claims.paas("get", "pvc", "-l", "size=a", "-o", "name").ok().out == "persistentvolumeclaim/m-10\n"
    one = claims.paas("get", "pvc", "--field-selector", "metadata.name=m-9", "--no-headers").ok().out
    assert words(one)[0][0] == "m-9"
    assert (
        claims.paas("get", "pvc", "-l", "size=a", "--show-labels").ok().out.splitlines()[1].endswith("size=a")
    )
    bad = claims.paas("get", "pvc", "--field-selector", "data.size=a")
    assert (bad.code, bad.out) == (1, "")


def test_all_namespaces(claims: Person) -> None:
    rows = words(claims.paas("get", "pvc", "-A").ok().out)
    assert rows[0][:2] == ["NAMESPACE", "NAME"]
    assert [claims.project, "m-9"] in [row[:2] for row in rows]


def test_forms_of_output(claims: Person) -> None:
    def said(form: str, *what: str) -> str:
        return claims.paas("get", *(what or ("pvc",)), "-o", form).ok().out

    assert said("jsonpath={.items[*].metadata.name}") == "m-9 m-10"
    assert (
        said('jsonpath={range .items[*]}{.metadata.name}={.metadata.labels.size}{"\\n"}{end}')
        == "m-9=b\nm-10=a\n"
    )
    assert said("jsonpath={.metadata.labels.size}", "pvc/m-9") == "b"
    assert said("custom-columns=NAME:.metadata.name,SIZE:.metadata.labels.size") == (
        "NAME   SIZE\nm-9    b\nm-10   a\n"
    )
    assert json.loads(said("json", "pvc/m-9"))["kind"] == "PersistentVolumeClaim"
    assert [m["kind"] for m in yaml.safe_load(said("yaml"))["items"]] == [
        "PersistentVolumeClaim",
        "PersistentVolumeClaim",
    ]
    for form in (
        "yaml",
        "json",
        "jsonpath={}",
        "jsonpath={.items[*].metadata}",
        "custom-columns=ALL:.metadata",
    ):
        assert "managedFields" not in said(form)
        assert "managedFields" not in said(form, "pvc/m-9")


def test_sort_by(claims: Person) -> None:
    def names(*options: str) -> list[str]:
        return [row[0] for row in words(claims.paas("get", "pvc", "--no-headers", *options).ok().out)]

    assert names() == ["m-9", "m-10"]
    assert (
        names("--sort-by", ".metadata.labels.size")
        == names("--sort-by={.metadata.labels.size}")
        == ["m-10", "m-9"]
    )
    assert claims.paas("get", "pvc", "--sort-by", ".metadata.labels.size", "-o", "name").ok().out.split() == [
        "persistentvolumeclaim/m-10",
        "persistentvolumeclaim/m-9",
    ]


def test_many_objects_come_in_pages(person: Person) -> None:
    person.create(*(claim(person, f"m-{n}") for n in range(510)))
    assert len(person.paas("get", "pvc", "--no-headers").ok().out.splitlines()) == 510


@pytest.mark.parametrize("form", ["table", "jsonpath={.metadata.name}{'\\n'}"])
def test_watching_prints_changes_until_it_is_interrupted(
    claims: Person, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    several = threading.Event()

    def note(text: str) -> None:
        printed.append(text)
        if any("m-9" in line for line in printed) and not several.is_set():
            several.set()
            threading.Thread(target=lambda: claims.create(claim(claims, "later"))).start()
        if "later" in text:
            raise KeyboardInterrupt

    def never_printed(*_: object) -> None:
        raise AssertionError(f"the watch does not end: {printed}")

    monkeypatch.setattr("paas.terminal.session._out", note)
    before = signal.signal(signal.SIGALRM, never_printed)
    signal.alarm(60)
    try:
        done = claims.paas("get", "pvc", "-w", "-o", form)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert (done.code, done.err) == (130, "")
    names = [line.split()[0] for line in "".join(printed).splitlines()]
    assert names.count("NAME") == (form == "table")
    assert sorted(n for n in names if n != "NAME") == ["later", "m-10", "m-9"]


def test_what_does_not_exist(person: Person) -> None:
    gone = person.paas("get", "pvc", "nothing")
    assert (gone.code, gone.out) == (3, "")
    assert gone.err.startswith('error: persistentvolumeclaim "nothing" not found')
    assert person.paas("get", "boats").code == 2
    person.project = "no-such-project"
    for what in (
        ["get"], ["get", "pvc"], ["get", "apps"], ["get", "app", "shop"], ["status"], ["status", "shop"],
        ["status", "-o", "json"], ["delete", "app", "shop"], ["delete", "app", "--all", "-y"],
        ["delete", "pvc", "--all", "-y"], ["delete", "pvc", "-l", "a=b"],
    ):  # fmt: skip
        nowhere = person.paas(*what)
        assert (nowhere.code, nowhere.out) == (3, "")
        assert nowhere.err.startswith('error: project "no-such-project" not found')


def test_delete_of_any_kind(claims: Person) -> None:
    assert claims.paas("delete", "pvc", "-l", "size=a").ok().out == "persistentvolumeclaim/m-10 deleted\n"
    assert claims.paas("delete", "pvc/m-9").ok().out == "persistentvolumeclaim/m-9 deleted\n"
    assert left_of(claims) == []
    assert claims.paas("delete", "pvc", "nothing").code == 3
    claims.create(claim(claims, "a"), claim(claims, "b"))
    claims.paas("delete", "pvc", "--all", "-y").ok()
    assert not left_of(claims)


def test_delete_of_a_project_says_what_goes(person: Person) -> None:
    done = person.paas("delete", "project", person.project).ok()
    assert done.out == f"namespace/{person.project} deleted\n"
    assert f"  * Namespace {person.project}: everything else in it" in done.err
    found = person.cluster(lambda c: c.get(NAMESPACE, Key("", person.project)))
    assert found is None or found["metadata"]["deletionTimestamp"]
    refused = person.paas("delete", "project", "default")
    assert (refused.code, 'namespace "default" is not a project' in refused.err) == (1, True)


def completed(person: Person, *words: str) -> list[str]:
    """What bash would offer after `paas WORDS`, whose last one is incomplete."""
    environment = {
        **os.environ, "HOME": str(person.home), "XDG_CACHE_HOME": str(person.home / "cache"),
        "KUBECONFIG": str(person.kubeconfig), "_PAAS_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("paas", *words)), "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    script = (
        "import sys; sys.argv[0] = 'paas'; from paas.cli import completion, main; "
        "completion.WITHIN = 60; main.main()"  # a busy machine is no reason to fail
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_kinds_names_and_projects(claims: Person) -> None:
    project = claims.project
    assert completed(claims, "get", "persistentvolumec") == ["persistentvolumeclaims"]
    assert {"all", "apps", "builds", "events", "events.events.k8s.io"} <= set(completed(claims, "get", "''"))
    assert completed(claims, "-n", project, "get", "pvc", "m-1") == ["m-10"]
    assert completed(claims, "get", "-n", project, "pvc/m-1") == ["pvc/m-10"]
    assert project in completed(claims, "status", "-n", "demo-")
    assert completed(claims, "project", project) == [project]
    assert completed(claims, "get", "pods", "-o", "js") == ["json", "jsonpath="]
    build_config = {
        "apiVersion": "paas.dev/v1", "kind": "BuildConfig",
        "metadata": {"name": "shop", "namespace": project},
        "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}},
    }  # fmt: skip
    claims.create(build_config)
    assert completed(claims, "-n", project, "start-build", "s") == ["shop"]
    assert completed(claims, "-n", project, "logs", "bc/") == ["bc/shop"]


def test_completion_is_silent_when_the_cluster_does_not_answer(claims: Person, tmp_path: Path) -> None:
    config = yaml.safe_load(claims.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "nobody").write_text(yaml.safe_dump(config))
    for kubeconfig in (tmp_path / "nobody", tmp_path / "nothing"):
        assert completed(Person(kubeconfig, tmp_path, "demo"), "get", "pvc", "m") == []
