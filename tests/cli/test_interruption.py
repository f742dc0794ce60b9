"""What a person is told who has no kubeconfig, and who interrupts a command."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from paas.cli import main
from paas.node import instance
from paas.terminal.session import Session, command, interrupted


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PAAS_STATE", str(tmp_path / "state"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_without_a_kubeconfig_the_next_step_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["status"]) == 1
    assert said(capsys) == [
        f"error: there is no kubeconfig, so no cluster to work on (no file {tmp_path}/.kube/config)",
        "hint: export KUBECONFIG=FILE, or start a cluster on this machine: paas up",
    ]


@pytest.mark.parametrize(
    ("running", "flag"), [(["default", "two"], ""), (["two"], " --name two"), (["a", "b"], " --name a")]
)
def test_where_a_cluster_runs_here_its_kubeconfig_is_the_next_step(
    running: list[str], flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["default", *running, "stopped"]
    monkeypatch.setattr(instance, "names", lambda: known)
    monkeypatch.setattr(instance, "load", lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(instance, "alive", lambda each: each if each.name in running else None)
    assert main.run(["get", "pods"]) == 1
    assert said(capsys)[1:] == [f"hint: export KUBECONFIG=$(paas kubeconfig{flag})"]


def test_a_kubeconfig_without_a_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").write_text("")
    assert main.run(["status", "--kubeconfig", str(tmp_path / "empty")]) == 1
    (first, _) = said(capsys)
    assert first.endswith(f"(no usable kubeconfig: {tmp_path}/empty has no current-context)")


@pytest.mark.parametrize(
    ("goes_on", "lines"),
    [
        (None, ["error: interrupted"]),
        (interrupted(), []),
        (
            interrupted('build "shop-7" goes on', "paas logs -f build/shop-7"),
            ['error: interrupted (build "shop-7" goes on)', "hint: paas logs -f build/shop-7"],
        ),
    ],
)
def test_an_interrupted_command_says_what_goes_on(
    goes_on: main.Any, lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    async def wait(session: Session) -> None:
        session.goes_on = goes_on
        raise KeyboardInterrupt

    command(app, "wait")(wait)
    command(app, "other")(wait)
    monkeypatch.setattr(main, "command_line", lambda: typer.main.get_command(app))
    assert main.run(["wait"]) == 130
    assert said(capsys) == lines
