"""git's credential helper gives a token to the platform's URL and to nobody else."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paas.cli import credential
from paas.terminal import platform_token
from paas.terminal.kubeconfig import Login

URL = "https://paas.apps.localhost:8443"
ASK = "protocol=https\nhost=paas.apps.localhost:8443\npath=git/demo/shop.git\n\n"


def kubeconfig(folder: Path, user: str) -> Path:
    path = folder / "config"
    path.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me, namespace: demo}}}}]
clusters: [{{name: here, cluster: {{server: "https://127.0.0.1:1"}}}}]
users: [{{name: me, user: {user}}}]
"""
    )
    return path


def ask(*arguments: str | Path, say: str = ASK, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paas.cli", "git-credential", *map(str, arguments)],
        input=say,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
    )


def test_a_token_of_the_kubeconfig_is_the_password(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path, '{token: "abc=def"}')
    done = ask("--url", URL, "--kubeconfig", config, "get", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "username=paas\npassword=abc=def\n")


def test_an_expired_token_is_named_and_git_does_not_ask_for_a_password(tmp_path: Path) -> None:
    for ends, said in ((1700000000, False), (time.time() + 3600, True)):
        claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
        config = kubeconfig(tmp_path, f'{{token: "e30.{claims}.sig"}}')
        done = ask("--url", URL, "--kubeconfig", config, "get", folder=tmp_path)
        assert ("password=" in done.stdout) is said
        assert ("quit=1" in done.stdout) is not said
    config = kubeconfig(tmp_path, '{token: "e30.eyJleHAiOiAxNzAwMDAwMDAwfQ.sig"}')
    done = ask("--url", URL, "--kubeconfig", config, "get", folder=tmp_path)
    assert 'the token of user "me" in the kubeconfig has expired, at 2023-11-14 22:13 UTC' in done.stderr
    assert "hint: log in to the cluster again" in done.stderr


def test_a_token_that_the_platform_refused_is_named(tmp_path: Path) -> None:
    """git erases what was refused, and says no more than that the authentication failed."""
    config = kubeconfig(tmp_path, '{token: "abc"}')
    done = ask("--url", URL, "--kubeconfig", config, "erase", folder=tmp_path)
    assert 'the platform does not accept the token of user "me"' in done.stderr


def test_a_token_of_a_login_command_is_the_password(tmp_path: Path) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(
        f"#!{sys.executable}\n"
        "import json, os\n"
        "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert asked['spec']['interactive'] is False\n"
        "print(json.dumps({'status': {'token': 'from-login-' + os.environ['WHO']}}))\n"
    )
    plugin.chmod(0o755)
    version, env = "client.authentication.k8s.io/v1", "[{name: WHO, value: me}]"
    user = f'{{exec: {{apiVersion: {version}, command: "{plugin}", env: {env}}}}}'
    done = ask("--url", URL, "--kubeconfig", kubeconfig(tmp_path, user), "get", folder=tmp_path)
    assert done.stdout == "username=paas\npassword=from-login-me\n"


@pytest.mark.parametrize(
    "say",
    [
        "protocol=https\nhost=evil.example\npath=git/demo/shop.git\n\n",
        "protocol=https\nhost=paas.apps.localhost\n\n",
        "protocol=https\nhost=paas.apps.localhost:8443@evil.example\n\n",
        "protocol=http\nhost=paas.apps.localhost:8443\n\n",
        "protocol=https\nhost=paas.apps.localhost:nonsense\n\n",
        "\n",
    ],
)
def test_no_other_place_is_offered_a_token(say: str, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path, "{token: abc}")
    done = ask("--url", URL, "--kubeconfig", config, "get", say=say, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_without_a_url_no_token_is_given(tmp_path: Path) -> None:
    done = ask("--kubeconfig", kubeconfig(tmp_path, "{token: abc}"), "get", folder=tmp_path)
    assert done.stdout == ""
    assert "hint: paas git-remote" in done.stderr


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("{}", "neither a token nor a certificate"),
        ("{exec: {command: /no/such/login}}", "login command /no/such/login failed"),
    ],
)
def test_a_failure_is_explained_and_git_is_told_to_stop(user: str, said: str, tmp_path: Path) -> None:
    done = ask("--url", URL, "--kubeconfig", kubeconfig(tmp_path, user), "get", folder=tmp_path)
    assert done.stdout == "quit=1\n"
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_context_that_is_gone_names_those_that_are_there(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path, "{token: t}")
    got = ask("--url", URL, "--kubeconfig", config, "--context", "old", "get", folder=tmp_path)
    assert got.stdout == "quit=1\n"
    assert 'has no context "old"' in got.stderr
    assert (
        "hint: connect this clone again: paas git-remote NAME --context CONTEXT, with one of: " in got.stderr
    )
    assert "here" in got.stderr.splitlines()[-1]


def test_a_kubeconfig_without_certificate_checks_is_refused(tmp_path: Path) -> None:
    config = kubeconfig(tmp_path, "{token: abc}")
    config.write_text(
        config.read_text().replace('server: "https', 'insecure-skip-tls-verify: true, server: "https')
    )
    done = ask("--url", URL, "--kubeconfig", config, "get", folder=tmp_path)
    assert done.stdout == "quit=1\n"
    assert "certificates are always checked" in done.stderr


def test_erase_forgets_the_kept_token(tmp_path: Path) -> None:
    pem = base64.b64encode(b"PEM").decode()
    config = kubeconfig(tmp_path, f"{{client-certificate-data: {pem}, client-key-data: {pem}}}")
    login = Login(
        context="here",
        server="https://127.0.0.1:1",
        namespace="demo",
        user="me",
        certificate="PEM",
        key="PEM",
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path / ".cache")}
    platform_token.keep_token(login, "demo", "kept", time.time() + 3600, environment=environment)
    (path,) = (tmp_path / ".cache" / "paas").iterdir()
    got = ask("--url", URL, "--kubeconfig", config, "get", folder=tmp_path)
    assert "password=kept\npassword_expiry_utc=" in got.stdout, got.stderr
    assert ask("--url", URL, "--kubeconfig", config, "store", folder=tmp_path).returncode == 0
    assert path.exists()
    assert ask("--url", URL, "--kubeconfig", config, "erase", folder=tmp_path).returncode == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("git/demo/shop.git", "demo"),
        ("/git/demo/shop.git/", "demo"),
        ("", None),
        ("git/demo", None),
        ("a/b/c", None),
    ],
)
def test_the_project_is_in_the_path(path: str, project: str | None) -> None:
    assert credential.project_of(path) == project
