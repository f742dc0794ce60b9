"""The init process of an instance: first in its PID namespace, parent of all its components.

Started by `instance.start` under `unshare --net --mount --pid --fork --kill-child`, with the instructions
that `commands.document` rendered. It uses the standard library only and decides nothing about Kubernetes.

Flow: make the mount namespace the instance's own (`mounts.make_own`) → addresses and rules (`setup`) →
start each process once those it waits for are ready, watch, start again what dies → on SIGTERM stop in
phases, pods between the first two, and end; with the init process the kernel ends everything else in the
namespace, its mounts and its links. A SIGKILL to the `unshare` above has the same effect at once.

`run/status.json` says at any time how far each process is; it is rewritten only when something changes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from paas.node import mounts

WAITING, STARTING, READY, DONE, FAILED = "waiting", "starting", "ready", "done", "failed"
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
LOG_LIMIT = 64 * 2**20
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Component:
    """One process of the instance and what is known about it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.state = WAITING
        self.pid: int | None = None
        self.restarts = 0
        self.started = 0.0
        self.not_before = 0.0
        self.exit: int | None = None

    def back_off(self, now: float) -> None:
        """When it may start again: at once after a long life, later and later after short ones."""
        if now - self.started > 60:
            self.restarts = 0
        self.not_before = now + min(0.5 * 2 ** min(self.restarts, 5), 10.0)
        self.restarts += 1


class Supervisor:
    def __init__(self, instructions: Path, *, host_net: int) -> None:
        document = json.loads(instructions.read_text())
        self.components = [Component(spec) for spec in document["processes"]]
        self.setup: list[list[str]] = document["setup"]
        self.mounts: dict[str, Any] = document["mounts"]
        self.drain: dict[str, Any] = document["drain"]
        self.run = instructions.parent
        self.logs = instructions.parent.parent / "logs"
        self.host_net = host_net
        # /proc is still the host's here, so this is the PID the host knows us by
        self.host_pid = int(os.readlink("/proc/self"))
        self.written = ""
        self.logs_checked = 0.0

    def main(self) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        mounts.make_own(self.mounts)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        for command in self.setup:
            subprocess.run(command, check=True, preexec_fn=_unblock, env=BASE_ENVIRONMENT)
        while True:
            now = time.monotonic()
            busy = self.advance(now)
            self.write_status("running")
            self.trim_logs(now)
            # new processes are probed at short intervals; a settled instance sleeps until something ends
            received = signal.sigtimedwait(SIGNALS, 0.05 if busy else 30.0)
            if received is None:
                continue
            if received.si_signo == signal.SIGCHLD:
                self.reap()
            else:
                self.stop()
                return 0

    def advance(self, now: float) -> bool:
        """Start what may start, probe what has started; whether there is more to come soon."""
        states = {component.name: component.state for component in self.components}
        busy = False
        for component in self.components:
            if component.state == WAITING:
                busy = True
                if now >= component.not_before and all(
                    states[other] in (READY, DONE) for other in component.spec["after"]
                ):
                    self.start(component, now)
            if component.state == STARTING:
                if component.spec["once"]:
                    busy = True
                elif component.spec["probe"] is None or answers(component.spec["probe"]):
                    component.state = READY
                else:
                    busy = True
        return busy

    def start(self, component: Component, now: float) -> None:
        component.started = now
        argv = list(component.spec["argv"])
        if component.spec["outside"]:
            argv = ["nsenter", f"--net=/proc/self/fd/{self.host_net}", *argv]
        log_file = self.logs / f"{component.name}.log"
        try:
            with log_file.open("ab") as log:
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**BASE_ENVIRONMENT, **component.spec["environment"]},
                    pass_fds=(self.host_net,) if component.spec["outside"] else (),
                    preexec_fn=_unblock,
                    start_new_session=True,
                    cwd="/",
                )
        except OSError as error:
            # the log itself may be what cannot be written; the instance must outlive a full disk
            with contextlib.suppress(OSError), log_file.open("ab") as log:
                log.write(f"could not be started: {error}\n".encode())
            component.back_off(now)
            return
        # reaped by `reap` alone: Popen must not look at it again
        process.returncode = 0
        component.pid, component.state = process.pid, STARTING

    def reap(self) -> None:
        """Collect every child that has ended, orphans of the namespace included."""
        now = time.monotonic()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for component in self.components:
                if component.pid == pid:
                    component.pid, component.exit = None, os.waitstatus_to_exitcode(status)
                    if component.spec["once"] and component.exit == 0:
                        component.state = DONE
                    else:
                        component.state = WAITING
                        component.back_off(now)

    def stop(self) -> None:
        self.write_status("stopping")
        for phase in sorted({component.spec["stop"] for component in self.components}):
            self.stop_phase(phase)
            if phase == 0:
                self.drain_pods()
        self.write_status("stopped")

    def stop_phase(self, phase: int) -> None:
        doomed = [c for c in self.components if c.spec["stop"] == phase and c.pid is not None]
        for component in doomed:
            _kill(component.pid, signal.SIGTERM)
        began = time.monotonic()
        while alive := [component for component in doomed if component.pid is not None]:
            for component in alive:
                if time.monotonic() - began > component.spec["grace"]:
                    _kill(component.pid, signal.SIGKILL)
            signal.sigtimedwait(SIGNALS, 0.1)
            self.reap()

    def drain_pods(self) -> None:
        """SIGTERM to the first process of every container, and time to end."""
        command = [*self.drain["ctr"], "--namespace=k8s.io", "tasks", "list"]
        try:
            listed = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
                preexec_fn=_unblock,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return  # containerd is not there: nothing to drain
        pids = [int(line.split()[1]) for line in listed.splitlines()[1:] if line.split()[2:] == ["RUNNING"]]
        for pid in pids:
            _kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + float(self.drain["grace"])
        while time.monotonic() < deadline and any(_exists(pid) for pid in pids):
            signal.sigtimedwait(SIGNALS, 0.1)
            self.reap()

    def write_status(self, phase: str) -> None:
        document = {
            "host_pid": self.host_pid,
            "phase": phase,
            "processes": {
                component.name: {
                    "state": component.state,
                    "restarts": component.restarts,
                    "exit": component.exit,
                }
                for component in self.components
            },
        }
        text = json.dumps(document, indent=1)
        if text != self.written:
            staging = self.run / "status.json.part"
            # with this process everything ends, so a full disk must not end it: it is written again next time
            with contextlib.suppress(OSError):
                staging.write_text(text)
                staging.rename(self.run / "status.json")
                self.written = text

    def trim_logs(self, now: float) -> None:
        """Keep the last part of a log that grew too long; writers append, so truncating is safe."""
        if now - self.logs_checked < 60:
            return
        self.logs_checked = now
        for log in (self.logs / f"{component.name}.log" for component in self.components):
            with contextlib.suppress(OSError):
                if log.stat().st_size > LOG_LIMIT:
                    shutil.copyfile(log, log.with_suffix(".log.1"))
                    os.truncate(log, 0)


def answers(probe: dict[str, str]) -> bool:
    """Whether what the probe names is there now."""
    try:
        if probe["url"]:
            context = ssl.create_default_context(cafile=probe["authority"]) if probe["authority"] else None
            with urllib.request.urlopen(probe["url"], timeout=1, context=context) as answer:  # noqa: S310
                return bool(answer.status == 200)
        if probe["unix"]:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(probe["unix"])
            return True
        if probe["tcp"]:
            host, _, port = probe["tcp"].rpartition(":")
            with socket.create_connection((host, int(port)), timeout=1):
                return True
        if probe["interface"]:
            routes = Path("/proc/self/net/route").read_text().splitlines()[1:]
            return any(line.split()[:2] == [probe["interface"], "00000000"] for line in routes)
    except (OSError, http.client.HTTPException, ValueError):  # the second: something else answers there
        return False
    return False


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _kill(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(Supervisor(Path(sys.argv[1]), host_net=int(sys.argv[2])).main())
