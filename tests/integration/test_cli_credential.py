"""The credential helper against a real API server: a client certificate becomes a short-lived token."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paas.api.names import TOKEN_AUDIENCE
from tests.support.command_line import URL, Person

pytestmark = pytest.mark.integration


def ask(person: Person, operation: str, project: str) -> subprocess.CompletedProcess[str]:
    host = URL.removeprefix("https://")
    return subprocess.run(
        [
            sys.executable, "-m", "paas.cli", "git-credential", "--url", URL,
            "--kubeconfig", str(person.kubeconfig), operation,
        ],
        input=f"protocol=https\nhost={host}\npath=git/{project}/shop.git\n\n",
        env={"HOME": str(person.home), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_certificate_gets_a_token_of_the_projects_pusher(person: Person) -> None:
    said = dict(line.split("=", 1) for line in ask(person, "get", person.project).stdout.splitlines())
    assert said["username"] == "paas"
    who = person.cluster(lambda c: c.token_review(said["password"], audience=TOKEN_AUDIENCE))
    assert who is not None
    assert who.username == f"system:serviceaccount:{person.project}:pusher"
    assert person.cluster(lambda c: c.token_review(said["password"], audience="other")) is None
    again = ask(person, "get", person.project)
    assert f"password={said['password']}\n" in again.stdout, "kept until it is about to end"
    ask(person, "erase", person.project)
    after = ask(person, "get", person.project)
    assert f"password={said['password']}\n" not in after.stdout, "erased: a new one"


def test_a_project_that_does_not_exist_is_said_so(person: Person) -> None:
    done = ask(person, "get", "no-such-project")
    assert done.stdout == "quit=1\n"
    assert 'project "no-such-project" does not exist' in done.stderr
    assert "hint: paas new-project no-such-project" in done.stderr


def test_git_uses_it_through_the_settings_of_the_clone(person: Person, tmp_path: Path) -> None:
    """git's own `credential fill` finds the helper that new-app wrote, for the platform's URL alone."""
    clone = tmp_path / "shop"
    clone.mkdir()
    (clone / "Dockerfile").write_text("FROM scratch\n")
    environment = {
        "HOME": str(person.home), "PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }  # fmt: skip
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=clone, check=True)
    person.paas("new-app", str(clone)).ok()

    def fill(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "credential", "fill"], input=f"url={url}\n\n", cwd=clone, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    said = fill(f"{URL}/git/{person.project}/shop.git")
    assert "username=paas\npassword=" in said.stdout, said.stderr
    other = fill("https://elsewhere.example/git/shop.git")
    assert "password=" not in other.stdout
