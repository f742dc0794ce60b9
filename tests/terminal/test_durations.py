"""Durations on the command line."""

from __future__ import annotations

import math

import pytest

from paas.cli.main import run
from paas.terminal.durations import seconds
from paas.terminal.problem import ExitCode, Problem


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("30s", 30), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("1.5m", 90), ("300ms", 0.3),
        ("0", math.inf), ("0s", math.inf),
    ],
)  # fmt: skip
def test_durations(given: str, wanted: float) -> None:
    assert seconds(given, option="--timeout") == wanted


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("30", "it has no unit"), ("0.5", "it has no unit"), ("-1", "it is negative"),
        ("-5m", "it is negative"), ("", "it is not a number with a unit"),
        ("5 m", "it is not a number with a unit"), ("5d", "it is not a number with a unit"),
        ("m", "it is not a number with a unit"), ("5m x", "it is not a number with a unit"),
    ],
)  # fmt: skip
def test_what_is_not_a_duration(given: str, why: str) -> None:
    with pytest.raises(Problem) as refused:
        seconds(given, option="--timeout")
    assert (refused.value.why, refused.value.code) == (why, ExitCode.USAGE)
    assert refused.value.hint == "write 30s, 5m or 1h; 0 is no limit"


@pytest.mark.parametrize("command", [["start-build", "shop", "--wait"], ["rollout", "status", "shop"]])
@pytest.mark.parametrize("given", ["30", "-1", "soon"])
def test_every_command_refuses_them_before_it_asks_a_cluster(
    command: list[str], given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--timeout", given, "--kubeconfig", "/nosuch"]) == ExitCode.USAGE
    first, hint = capsys.readouterr().err.splitlines()
    assert first.startswith(f'error: --timeout "{given}" is not a duration')
    assert hint == "hint: write 30s, 5m or 1h; 0 is no limit"
