"""`python -m paas.operator` as a process of its own, against an API server of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from paas.kube.cluster import Cluster
from paas.settings import Settings

MAIN = "from paas.operator import main; main()"


@dataclass
class OperatorProcess:
    """One operator; `identity` is what it is called in the lease."""

    identity: str
    process: subprocess.Popen[bytes]
    port: int
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def health(self) -> int:
        """HTTP status of /healthz; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return 0

    @property
    def works(self) -> bool:
        return "holding the lease" in self.log()


@contextlib.contextmanager
def operator_process(
    folder: Path, kubeconfig: Path, settings: Settings, *, identity: str = "one", before: str = ""
) -> Iterator[OperatorProcess]:
    """An operator with its files in `folder`; `before` is Python that is run first. Killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    given = folder / "settings.yaml"
    given.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_unset=True)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PAAS_SETTINGS": str(given),
        "POD_NAME": identity,
    }
    argv = [sys.executable, "-c", f"{before}\n{MAIN}", "--health-port", str(port)]
    log_file = folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
    try:
        yield OperatorProcess(identity, process, port, log_file)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(30)


async def make_system_namespace(api: Cluster) -> None:
    """Where the lease is."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "paas-system"}}
    await api.apply(body, manager="test")
