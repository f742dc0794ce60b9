"""Process 1 of the platform's containers: what it starts is back within seconds, and ends when it must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paas.init import MOST_ENDS
from tests.support.git_server import wait_for

RUN = """
import sys
from paas.init import Init
from paas.kube import logs
logs.to_stderr()
sys.exit(Init(sys.argv[1:], pauses=(0.01, 0.02)).run())
"""
NOTED = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def ended(number, frame):
    (folder / f"signal-{number}").touch()
    if number != signal.SIGHUP:
        sys.exit(7)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, ended)
(folder / str(os.getpid())).touch()
while True:
    time.sleep(60)
"""


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "noted").mkdir()
    return tmp_path / "noted"


FALLING = """
import pathlib, sys
noted = pathlib.Path(sys.argv[1]) / "starts"
with noted.open("a") as file:
    file.write("x")
print("the settings cannot be read", file=sys.stderr)
sys.exit(int(sys.argv[2]))
"""


def started(noted: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", RUN, sys.executable, "-c", NOTED, str(noted)]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


def pids(noted: Path) -> set[int]:
    return {int(path.name) for path in noted.iterdir() if path.name.isdigit()}


def test_what_dies_is_started_again_and_again(noted: Path) -> None:
    init = started(noted)
    for number in range(1, 6):
        wait_for(lambda number=number: len(pids(noted)) == number, f"run {number}", seconds=60)
        newest = max((noted / str(pid) for pid in pids(noted)), key=lambda path: path.stat().st_ctime_ns)
        os.kill(int(newest.name), signal.SIGKILL)
    wait_for(lambda: len(pids(noted)) == 6, "the last run", seconds=60)
    init.send_signal(signal.SIGTERM)
    assert init.wait(60) == 7, "the exit code is that of the process"
    assert "ended with SIGKILL and is started again" in init.communicate()[1]


def test_signals_are_passed_on_and_the_end_is_the_end_of_all(noted: Path) -> None:
    init = started(noted)
    wait_for(lambda: pids(noted), "it runs", seconds=60)
    init.send_signal(signal.SIGHUP)
    wait_for(lambda: (noted / f"signal-{int(signal.SIGHUP)}").exists(), "SIGHUP arrives", seconds=60)
    assert init.poll() is None
    init.send_signal(signal.SIGTERM)
    assert init.wait(60) == 7
    assert len(pids(noted)) == 1, "it was not started again"


def test_a_signal_ends_the_pause_before_the_next_start(noted: Path) -> None:
    run = RUN.replace("(0.01, 0.02)", "(600,)")
    argv = [sys.executable, "-c", run, sys.executable, "-c", "import sys; sys.exit(3)"]
    init = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert init.stderr is not None
    assert "ended with exit code 3 and is started again in 600 s" in init.stderr.readline()
    began = time.monotonic()
    init.send_signal(signal.SIGTERM)
    assert init.wait(60) == 3
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("code", "passed_on"), [(3, 3), (0, 1)])
def test_what_never_becomes_steady_ends_its_container(noted: Path, code: int, passed_on: int) -> None:
    argv = [sys.executable, "-c", RUN, sys.executable, "-c", FALLING, str(noted), str(code)]
    init = subprocess.run(argv, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert init.returncode == passed_on, "an end that the kubelet counts as an error"
    assert (noted / "starts").read_text() == MOST_ENDS * "x"
    *_, cause, end = init.stderr.splitlines()
    assert cause == "the settings cannot be read", "the end of the log says why"
    assert f"ended with exit code {code}, for the {MOST_ENDS}th time in a row" in end


def test_ends_of_what_was_steady_are_not_counted(noted: Path) -> None:
    run = RUN.replace("pauses=(0.01, 0.02)", "pauses=(0.01,), steady=0.0")
    argv = [sys.executable, "-c", run, sys.executable, "-c", FALLING, str(noted), "3"]
    init = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    starts = noted / "starts"
    wait_for(lambda: starts.exists() and len(starts.read_text()) > MOST_ENDS + 2, "more", seconds=60)
    assert init.poll() is None
    init.send_signal(signal.SIGTERM)
    init.communicate(timeout=60)
