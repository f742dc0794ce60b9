"""Pushes that cannot be taken: a clear word on why, what to type next, and nothing lost or made."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.platform import Person, clean_environment, run
from tests.support.samples import python_app

pytestmark = [pytest.mark.e2e, pytest.mark.shared_app]


def builds(person: Person) -> int:
    return len(person.instance.objects("builds", person.project))


def remote_head(person: Person, folder: Path, branch: str = "main") -> str:
    listed = person.git("ls-remote", "paas", f"refs/heads/{branch}", cwd=folder).ok().out
    return listed.split()[0] if listed else ""


def without_helper(person: Person, folder: Path, token: str | None) -> dict[str, str]:
    """An environment in which git knows only this token (None: nothing at all)."""
    script = person.home / f"askpass-{secrets.token_hex(2)}"
    script.write_text(f"#!/bin/sh\necho '{token or ''}'\n")
    script.chmod(0o700)
    return {**person.env, "GIT_ASKPASS": str(script), "GIT_TERMINAL_PROMPT": "0"}


def push_with(person: Person, folder: Path, token: str | None) -> tuple[int, str]:
    environment = without_helper(person, folder, token)
    names = person.git("config", "--name-only", "--get-regexp", r"^credential\.", cwd=folder).ok().out.split()
    clear = [part for name in names if name.endswith(".helper") for part in ("-c", f"{name}=")]
    ran = run(["git", *clear, "push", "paas", "main"], cwd=folder, env=environment)
    return ran.code, ran.said


def test_an_unknown_application_is_refused_with_a_hint(person: Person, app: Path) -> None:
    made = builds(person)
    person.commit(app, python_app("two"), "Say two")
    url = person.git("remote", "get-url", "paas", cwd=app).ok().out.strip()
    ran = person.git("push", url.replace("shop.git", "nosuch.git"), "main", cwd=app)
    assert ran.code != 0
    assert "paas new-app" in ran.said or "paas get" in ran.said, ran.said
    assert builds(person) == made


@pytest.mark.parametrize("token", [None, "nonsense", "a.b.c"])
def test_without_a_valid_token_nothing_moves(person: Person, app: Path, token: str | None) -> None:
    before, made = remote_head(person, app), builds(person)
    person.commit(app, python_app("two"), "Say two")
    code, said = push_with(person, app, token)
    assert code != 0
    assert "Authentication failed" in said or "401" in said or "not accepted" in said, said
    assert remote_head(person, app) == before
    assert builds(person) == made


def test_an_expired_token_is_refused(person: Person, app: Path) -> None:
    import base64
    import json

    import yaml

    token = yaml.safe_load(person.kubeconfig.read_text())["users"][0]["user"]["token"]
    head, claims, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    told["exp"] = 1
    forged = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    made = builds(person)
    person.commit(app, python_app("two"), "Say two")
    code, _ = push_with(person, app, f"{head}.{forged}.{signature}")
    assert code != 0
    assert builds(person) == made


def test_a_token_of_another_project_is_refused(
    person: Person, app: Path, another: Callable[[str], Person]
) -> None:
    import yaml

    stranger = another("q")
    token = yaml.safe_load(stranger.kubeconfig.read_text())["users"][0]["user"]["token"]
    before, made = remote_head(person, app), builds(person)
    person.commit(app, python_app("two"), "Say two")
    code, said = push_with(person, app, token)
    assert code != 0
    assert "403" in said or "may not" in said or "not allowed" in said, said
    assert remote_head(person, app) == before
    assert builds(person) == made


def test_a_branch_can_be_deleted_and_nothing_is_built(person: Person, app: Path) -> None:
    made, served = builds(person), person.answer("shop").text
    person.git("push", "paas", "main:other", cwd=app).ok()
    person.git("push", "paas", ":other", cwd=app).ok()
    assert remote_head(person, app, "other") == ""
    assert builds(person) == made
    assert person.answer("shop").text == served


def test_of_two_pushes_racing_for_one_ref_the_loser_is_told(person: Person, app: Path) -> None:
    base = person.git("rev-parse", "HEAD", cwd=app).ok().out.strip()
    racers = []
    for number in range(2):
        copy = person.home / f"racer{number}"
        person.git("clone", "-q", str(app), str(copy), cwd=person.home).ok()
        config = (app / ".git" / "config").read_text()
        (copy / ".git" / "config").write_text(config)
        person.git("reset", "-q", "--hard", base, cwd=copy).ok()
        for key, value in (("user.name", "Developer"), ("user.email", "developer@example.com")):
            person.git("config", key, value, cwd=copy).ok()
        person.commit(copy, python_app(f"racer {number}"), f"Racer {number}")
        racers.append(copy)
    started = [
        subprocess.Popen(
            ["git", "push", "paas", "main"],
            cwd=copy,
            env={**clean_environment(), **person.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for copy in racers
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    codes = [process.returncode for process in started]
    assert sorted(codes) == [0, 1], said
    winner = codes.index(0)
    assert "rejected" in said[1 - winner], said[1 - winner]
    assert remote_head(person, app) == person.git("rev-parse", "HEAD", cwd=racers[winner]).ok().out.strip()
    assert person.answer("shop").text == f"racer {winner}\n"


def test_two_pushes_in_a_row_are_built_in_order(person: Person, app: Path) -> None:
    commits = []
    pushes = []
    for text in ("two", "three"):
        commits.append(person.commit(app, python_app(text), f"Say {text}"))
        process = subprocess.Popen(
            ["git", "push", "paas", f"{commits[-1]}:refs/heads/main"],
            cwd=app,
            env={**clean_environment(), **person.env},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:  # until the server has the commit; the story goes on beside
            if "----->" in line:
                break
        pushes.append(process)
    for process in pushes:
        process.communicate(timeout=300)
        assert process.returncode == 0
    found = sorted(person.instance.objects("builds", person.project), key=lambda b: b["spec"]["number"])
    assert [b["spec"]["revision"]["git"]["commit"] for b in found[-2:]] == commits
    assert all(b["status"]["phase"] == "Complete" for b in found)
    assert found[-2]["status"]["completionTimestamp"] <= found[-1]["status"]["startTimestamp"]
    stream = person.instance.object("imagestream", person.project, "shop")
    assert stream is not None
    newest = [item["buildNumber"] for item in stream["status"]["tags"][0]["items"][:2]]
    assert newest == [b["spec"]["number"] for b in found[:-3:-1]]
    assert person.answer("shop").text == "three\n"


def test_a_push_over_a_mebibyte_arrives(person: Person, app: Path) -> None:
    blob = secrets.token_hex(1_500_000)
    person.commit(app, {"blob.txt": blob}, "A large file")
    person.push(app).ok()
    assert remote_head(person, app) == person.git("rev-parse", "HEAD", cwd=app).ok().out.strip()
