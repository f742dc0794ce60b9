"""The embedded cluster under test, and the people who use it, by the very means that users have.

Nothing here reaches past the product: clusters come up by `paas up`, applications by `paas new-app`, source
by git, answers by HTTPS with the platform's CA. Names under `.localhost` are dialled at 127.0.0.1.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from paas.node import audit
from paas.node.spec import CANDIDATES

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PAAS = [str(Path(sys.executable).with_name("paas"))]
# The tests' own git host is a pod behind a Service: a private address, which is refused otherwise.
SETTINGS = {"sources": {"allowedAddresses": [subnets.services for subnets in CANDIDATES]}}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    argv: Sequence[str]
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    def ok(self) -> Ran:
        assert self.code == 0, f"{' '.join(self.argv)} ended with {self.code}:\n{self.said}"
        return self


def clean_environment() -> dict[str, str]:
    """This process's environment without what overrides git's and paas's own settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PAAS_APP"))}


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 300,
    stdin: str | None = None,
) -> Ran:
    """Run a command to its end; it may take `seconds`."""
    command = [str(part) for part in argv]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**clean_environment(), **(env or {})},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ran(command, done.returncode, done.stdout, done.stderr)


def eventually(check: Callable[[], T], *, seconds: float, what: str, pause: float = 0.1) -> T:
    """The first true answer of `check`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last answer: {answer!r}"
        time.sleep(pause)


@dataclass(frozen=True)
class Answer:
    """What an HTTP request got."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Instance:
    """A running embedded cluster."""

    name: str
    http_port: int
    https_port: int
    api_port: int
    state: Path
    env: dict[str, str] = field(default_factory=dict)

    def up(self, *options: str, seconds: float = 3600) -> Ran:
        return run(
            [
                *PAAS, "up", "--name", self.name, "--http-port", str(self.http_port),
                "--https-port", str(self.https_port), "--api-port", str(self.api_port), *options,
            ],
            seconds=seconds,
        )  # fmt: skip

    def down(self, *options: str) -> Ran:
        return run([*PAAS, "down", "--name", self.name, *options], seconds=180)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return Path(run([*PAAS, "kubeconfig", "--name", self.name]).ok().out.strip())

    @property
    def audit_log(self) -> Path:
        return self.state / "logs" / "audit.log"

    def audited(self) -> list[audit.Entry]:
        """Every request that the API server has logged."""
        lines: list[str] = []
        for path in sorted(self.audit_log.parent.glob("audit*.log"), key=lambda p: p.stat().st_mtime):
            lines += path.read_text().splitlines()
        return list(audit.entries(lines))

    def kubectl(self, *argv: str, stdin: str | None = None, seconds: float = 120) -> Ran:
        binary = next(iter(sorted(self.state.glob("bin/kubectl"))), None)
        return run(
            [binary or "kubectl", "--kubeconfig", self.kubeconfig, *argv], stdin=stdin, seconds=seconds
        )

    def objects(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        listed = json.loads(self.kubectl("get", kind, "-n", namespace, "-o", "json").ok().out)
        return list(listed["items"])

    def object(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        got = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found").ok()
        return json.loads(got.out) if got.out.strip() else None

    @property
    def authority(self) -> str:
        """PEM of the platform's CA, as every user can read it."""
        got = self.kubectl("get", "configmap", "paas-info", "-n", "paas-system", "-o", "json").ok()
        return str(json.loads(got.out)["data"]["ca.crt"])

    def get(
        self,
        host: str,
        path: str = "/",
        *,
        tls: bool = True,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 20,
    ) -> Answer:
        """One request over a new connection; TLS is verified against the platform's CA."""
        port = self.https_port if tls else self.http_port
        raw = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        if tls:
            if not hasattr(self, "_context"):
                self._context = ssl.create_default_context(cadata=self.authority)
            raw = self._context.wrap_socket(raw, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        connection.sock = raw
        try:
            connection.request(method, path, body=body, headers={"Host": f"{host}:{port}", **(headers or {})})
            response = connection.getresponse()
            return Answer(
                response.status, dict(response.getheaders()), response.read().decode(errors="replace")
            )
        finally:
            connection.close()


@dataclass(frozen=True)
class Person:
    """Somebody with a token that has `edit` in one project, and a machine of their own."""

    instance: Instance
    project: str
    home: Path
    kubeconfig: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_RUNTIME_DIR": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": f"{Path(PAAS[0]).parent}:{os.environ['PATH']}",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "NO_COLOR": "1",
        }

    def paas(self, *argv: str, cwd: Path | None = None, seconds: float = 300) -> Ran:
        return run([*PAAS, *argv], env=self.env, cwd=cwd or self.home, seconds=seconds)

    def git(self, *argv: str, cwd: Path, seconds: float = 300) -> Ran:
        return run(["git", *argv], env=self.env, cwd=cwd, seconds=seconds)

    def repository(self, name: str, files: Mapping[str, str]) -> Path:
        """A new git repository with these files committed on `main`."""
        folder = self.home / name
        folder.mkdir()
        self.git("init", "-q", "-b", "main", cwd=folder).ok()
        for key, value in (("user.name", "Developer"), ("user.email", "developer@example.com")):
            self.git("config", key, value, cwd=folder).ok()
        self.commit(folder, files, "First version")
        return folder

    def commit(self, folder: Path, files: Mapping[str, str], message: str) -> str:
        """Write and commit files; the commit's hash."""
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        self.git("add", "-A", cwd=folder).ok()
        self.git("commit", "-q", "--allow-empty", "-m", message, cwd=folder).ok()
        return self.git("rev-parse", "HEAD", cwd=folder).ok().out.strip()

    def push(self, folder: Path, refspec: str = "main", *, seconds: float = 300) -> Ran:
        return self.git("push", "paas", refspec, cwd=folder, seconds=seconds)

    def host(self, application: str) -> str:
        return f"{application}-{self.project}.apps.localhost"

    def answer(self, application: str, path: str = "/") -> Answer:
        return self.instance.get(self.host(application), path)


def new_person(instance: Instance, project: str, home: Path) -> Person:
    """Make a project and somebody with `edit` in it, and nowhere else."""
    admin = {"KUBECONFIG": str(instance.kubeconfig)}
    run([*PAAS, "new-project", project], env=admin).ok()
    for manifest in (
        ("create", "serviceaccount", "developer", "-n", project),
        (
            "create",
            "rolebinding",
            "developer",
            "-n",
            project,
            "--clusterrole=edit",
            f"--serviceaccount={project}:developer",
        ),
    ):
        instance.kubectl(*manifest).ok()
    token = instance.kubectl("create", "token", "developer", "-n", project, "--duration=24h").ok().out.strip()
    config = yaml.safe_load(instance.kubeconfig.read_text())
    cluster = config["clusters"][0]
    home.mkdir(parents=True, exist_ok=True)
    path = home / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [{"name": "developer", "user": {"token": token}}],
                "contexts": [
                    {
                        "name": "dev",
                        "context": {"cluster": cluster["name"], "user": "developer", "namespace": project},
                    }
                ],
                "current-context": "dev",
            }
        )
    )
    path.chmod(0o600)
    return Person(instance, project, home, path)


def unused_name(prefix: str) -> str:
    """A project name that no run has had before."""
    return f"{prefix}-{secrets.token_hex(3)}"
