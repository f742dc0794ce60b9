"""The init process of an instance, with small programs in place of the cluster's components.

It runs in real namespaces of its own, as it does in an instance.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.node.processes import Probe, Process, to_document

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]

# Says that it started, and when told to end, says so, too.
LOYAL = 'echo "$0 up" >> {log}; trap \'echo "$0 down" >> {log}; exit 0\' TERM; while :; do sleep 0.05; done'
STUBBORN = 'echo "$0 up" >> {log}; trap "" TERM; while :; do sleep 0.05; done'


class Running:
    """An init process and what it writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "said"
        self.log.touch()
        for name in ("run", "logs"):
            (folder / name).mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *processes: Process) -> None:
        mounts = {
            "private": ["/run"], "keep": [], "sysctls": ["kernel/panic"],
            "sysctl_files": str(self.folder / "run" / "sysctls"), "files": {},
        }  # fmt: skip
        drain = {"ctr": ["false"], "grace": 1}
        instructions = self.folder / "run" / "supervise.json"
        instructions.write_text(json.dumps(to_document(processes, setup=[], mounts=mounts, drain=drain)))
        with Path("/proc/self/ns/net").open("rb") as host_net:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", sys.executable,
                 "-m", "paas.node.supervise", str(instructions), str(host_net.fileno())],
                pass_fds=[host_net.fileno()],
            )  # fmt: skip
        eventually(lambda: "host_pid" in self.status(), "the init process says that it is there")

    def status(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "run" / "status.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def state(self, name: str) -> str:
        return str(self.status().get("processes", {}).get(name, {}).get("state"))

    def said(self) -> list[str]:
        return self.log.read_text().splitlines()

    def shell(self, name: str, script: str, **more: Any) -> Process:
        return Process(name=name, argv=("sh", "-c", script.format(log=self.log), name), **more)

    def stop(self) -> int:
        assert self.process is not None
        os.kill(self.status()["host_pid"], signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def test_processes_start_when_what_they_wait_for_is_ready(running: Running) -> None:
    opened = running.folder / "socket"
    listen = (
        "import socket, time; s = socket.socket(socket.AF_UNIX);"
        f"s.bind({str(opened)!r}); s.listen(); time.sleep(600)"
    )
    running.start(
        Process(name="first", argv=(sys.executable, "-c", listen), probe=Probe(unix=str(opened))),
        running.shell(
            "second", "test -S {log}/../socket || true; echo second >> {log}", after=("first",), once=True
        ),
        running.shell("third", LOYAL, after=("second",)),
    )
    eventually(lambda: running.state("third") == "ready", "the third is ready")
    assert running.state("second") == "done"
    assert running.said() == ["second", "third up"]
    assert running.stop() == 0


def test_what_dies_is_started_again_alone(running: Running) -> None:
    running.start(running.shell("a", LOYAL), running.shell("b", LOYAL))
    eventually(lambda: sorted(running.said()) == ["a up", "b up"], "both run")
    command = ["nsenter", f"--target={running.status()['host_pid']}", "--pid", "--mount", "--",
               "sh", "-c", "kill -9 $(cat /proc/1/task/1/children | cut -d' ' -f1)"]  # fmt: skip
    subprocess.run(command, check=True)
    eventually(lambda: running.said().count("a up") == 2, "a is started again")
    assert running.said().count("b up") == 1
    assert running.status()["processes"]["a"]["restarts"] == 1
    assert running.stop() == 0


def test_a_process_that_cannot_start_does_not_hold_up_the_others(running: Running) -> None:
    running.start(Process(name="absent", argv=("/no/such/program",)), running.shell("b", LOYAL))
    eventually(lambda: running.state("b") == "ready", "the other is ready")
    eventually(lambda: running.status()["processes"]["absent"]["restarts"] >= 2, "it is tried again")
    assert "No such file" in (running.folder / "logs" / "absent.log").read_text()
    assert running.stop() == 0


def test_processes_end_in_phases_and_the_stubborn_are_killed(running: Running) -> None:
    running.start(
        running.shell("last", LOYAL, stop=2),
        running.shell("stubborn", STUBBORN, stop=1, grace=0.3),
        running.shell("first", LOYAL, stop=0),
    )
    eventually(lambda: len(running.said()) == 3, "all run")
    assert running.stop() == 0
    assert running.said()[3:] == ["first down", "last down"]
    assert running.status()["phase"] == "stopped"


def test_a_kill_of_the_process_above_ends_all(running: Running) -> None:
    running.start(running.shell("a", LOYAL))
    eventually(lambda: running.said() == ["a up"], "it runs")
    init = running.status()["host_pid"]
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    eventually(lambda: not Path(f"/proc/{init}").exists(), "the init process is gone")


def test_the_hosts_settings_and_folders_are_out_of_reach(running: Running) -> None:
    before = Path("/proc/sys/kernel/panic").read_text()
    mounts = Path("/proc/self/mounts").read_text()
    script = (
        "echo 77 > /proc/sys/kernel/panic; touch /run/of-the-instance; echo written >> {log}; exec sleep 600"
    )
    running.start(running.shell("a", script))
    eventually(lambda: running.said() == ["written"], "it has written")
    assert Path("/proc/sys/kernel/panic").read_text() == before
    assert not Path("/run/of-the-instance").exists()
    assert Path("/proc/self/mounts").read_text() == mounts
    assert running.stop() == 0
