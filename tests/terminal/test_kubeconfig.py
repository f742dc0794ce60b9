"""A kubeconfig is read as kubectl reads it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from paas.cli.main import run
from paas.terminal.kubeconfig import KubeconfigError, NoSuchContext, load, paths, set_namespace
from paas.terminal.problem import ExitCode


def write(path: Path, **parts: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **parts}))
    return path


def named(name: str, kind: str, **value: object) -> list[dict[str, object]]:
    return [{"name": name, kind: value}]


@pytest.fixture
def simple(tmp_path: Path) -> Path:
    return write(
        tmp_path / "config",
        **{"current-context": "a"},
        contexts=named("a", "context", cluster="c", user="u")
        + named("b", "context", cluster="c", user="u", namespace="shop"),
        clusters=named("c", "cluster", server="https://h:6443/"),
        users=named("u", "user", token="t"),
    )


def test_the_current_context_or_the_one_that_is_named(simple: Path) -> None:
    login = load(simple)
    assert (login.context, login.server, login.namespace, login.token) == (
        "a",
        "https://h:6443",
        "default",
        "t",
    )
    assert load(simple, context="b").namespace == "shop"
    with pytest.raises(NoSuchContext, match='no context "z"') as refused:
        load(simple, context="z")
    assert refused.value.known == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "current", "first", "hint"),
    [
        (["--context", "z"], "a", 'has no context "z"', "give --context one of: admin-of-demo, b"),
        (["--context", "admin-demo"], "a", "has no context", "did you mean --context admin-of-demo?"),
        (
            [],
            "z",
            'has no context "z"',
            "hint: kubectl config use-context NAME, with one of: admin-of-demo, b",
        ),
        (
            [],
            "",
            "has no current-context",
            "hint: kubectl config use-context NAME, with one of: admin-of-demo, b",
        ),
    ],
)
def test_a_context_that_is_not_there_names_those_that_are(
    arguments: list[str], current: str, first: str, hint: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    config = write(
        tmp_path / "config",
        **{"current-context": current},
        contexts=named("b", "context") + named("admin-of-demo", "context"),
    )
    for command in (["status"], ["get", "pods"], ["logs", "shop"], ["project"]):
        assert run([*command, *arguments, "--kubeconfig", str(config)]) == ExitCode.NOT_FOUND
        said = capsys.readouterr().err.splitlines()
        assert said[0].startswith(f"error: {config} has no")
        assert first in said[0]
        assert hint in said[1]


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    for name in ("ca", "cert", "key"):
        (tmp_path / "pki" / name).write_text(name.upper())
    config = write(
        tmp_path / "config",
        **{"current-context": "a"},
        contexts=named("a", "context", cluster="c", user="u"),
        clusters=named("c", "cluster", **{"server": "https://h", "certificate-authority": "pki/ca"}),
        users=named("u", "user", **{"client-certificate": "pki/cert", "client-key": "pki/key"}),
    )
    login = load(config)
    assert (login.ca, login.certificate, login.key, login.token) == ("CA", "CERT", "KEY", None)


def test_inline_data_beats_files_and_a_token_beats_a_certificate(tmp_path: Path) -> None:
    data = base64.b64encode(b"INLINE").decode()
    config = write(
        tmp_path / "config",
        **{"current-context": "a"},
        contexts=named("a", "context", cluster="c", user="u"),
        clusters=named(
            "c", "cluster",
            **{"server": "https://h", "certificate-authority": "/none", "certificate-authority-data": data},
        ),
        users=named("u", "user", **{"client-certificate-data": data, "client-key-data": data, "token": "t"}),
    )  # fmt: skip
    login = load(config)
    assert (login.ca, login.token, login.certificate) == ("INLINE", "t", None)


def test_several_files_merge_and_the_first_wins(tmp_path: Path) -> None:
    first = write(
        tmp_path / "one",
        **{"current-context": "a"},
        contexts=named("a", "context", cluster="c", user="u"),
        users=named("u", "user", token="first"),
    )
    second = write(
        tmp_path / "two",
        **{"current-context": "b"},
        clusters=named("c", "cluster", server="https://h"),
        users=named("u", "user", token="second"),
    )
    login = load(environment={"KUBECONFIG": f"{first}:{tmp_path / 'absent'}:{second}"})
    assert (login.context, login.server, login.token) == ("a", "https://h", "first")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=f"no kubeconfig at {tmp_path / 'none'}"):
        load(tmp_path / "none")
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(KubeconfigError, match="cannot be read"):
        load(broken)
    empty = write(tmp_path / "empty")
    with pytest.raises(KubeconfigError, match="no current-context"):
        load(empty)
    assert paths(None, {}) == [Path.home() / ".kube" / "config"]


def test_the_namespace_is_changed_in_place_and_nothing_else(simple: Path) -> None:
    before, inode = yaml.safe_load(simple.read_text()), simple.stat().st_ino
    simple.chmod(0o600)
    assert set_namespace("demo", simple) == simple
    after = yaml.safe_load(simple.read_text())
    assert after["contexts"][0]["context"].pop("namespace") == "demo"
    assert after == before
    assert (simple.stat().st_ino, simple.stat().st_mode & 0o777) == (inode, 0o600)
    set_namespace("other", simple, context="b")
    assert load(simple, context="b").namespace == "other"
    assert load(simple).namespace == "demo"
    with pytest.raises(KubeconfigError, match='no kubeconfig has the context "z"'):
        set_namespace("x", simple, context="z")


@pytest.mark.parametrize(
    "text",
    [
        "half a word",
        "contexts: 5",
        "contexts: [a]",
        "current-context: a\ncontexts: [{name: a, context: b}]",
        "current-context: a\ncontexts: [{context: {cluster: a}}]",
        "\0",
    ],
)
def test_a_file_that_was_written_halfway_is_a_problem_of_the_kubeconfig(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=str(path)):
        load(path)


def test_a_file_with_the_token_that_is_gone_is_named(simple: Path) -> None:
    data = yaml.safe_load(simple.read_text())
    data["users"][0]["user"] = {"tokenFile": "gone"}
    simple.write_text(yaml.safe_dump(data))
    with pytest.raises(KubeconfigError, match="gone"):
        load(simple)
