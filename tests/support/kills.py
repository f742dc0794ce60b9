"""SIGKILL of a platform process right after a named write of it shows in the API server's audit log."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from paas.node import audit
from tests.support.platform import Instance, eventually


def processes(instance: Instance, module: str) -> list[int]:
    """Host pids of `python -m <module>` in this instance's pods."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
            cgroup = (folder / "cgroup").read_text()
        except OSError:
            continue  # it ended meanwhile
        if module.encode() in argv and f"/paas-{instance.name}/" in cgroup:
            found.append(int(folder.name))
    return found


class KillAfter:
    """Watches the audit log and kills `module` once, right after the first entry that `matches`."""

    def __init__(self, instance: Instance, module: str, matches: Callable[[audit.Entry], bool]) -> None:
        self._instance, self._module, self._matches = instance, module, matches
        self._offset = instance.audit_log.stat().st_size
        self._stop = threading.Event()
        self.killed: audit.Entry | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> KillAfter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        with self._instance.audit_log.open() as log:
            log.seek(self._offset)
            rest = ""
            while not self._stop.is_set():
                rest += log.read()
                *lines, rest = rest.split("\n")
                for entry in audit.entries(lines):
                    if self._matches(entry):
                        for pid in processes(self._instance, self._module):
                            os.kill(pid, signal.SIGKILL)
                        self.killed = entry
                        return
                time.sleep(0.002)


def wait_until_alive(instance: Instance, module: str) -> None:
    """Wait until a process of `module` runs again."""
    eventually(lambda: processes(instance, module), seconds=60, what=f"{module} runs again")


def wait_until_ready(instance: Instance) -> None:
    """Wait until every pod of the platform takes requests again; a container that ended too often is started
    by the kubelet, after a while."""

    def ready() -> bool:
        pods = instance.objects("pods", "paas-system")
        return bool(pods) and all(
            container["ready"] for pod in pods for container in pod["status"].get("containerStatuses", ())
        )

    eventually(ready, seconds=180, what="the platform is ready again")
