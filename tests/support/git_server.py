"""Real git clients against the real server on loopback; the cluster behind it is a `FakeCluster`."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paas.api.resources import Manifest
from tests.git.fake_cluster import FakeCluster

TOKEN = "token-of-alice"


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = 20) -> None:
    """Until `condition` holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds} s and it did not happen: {what}"
        time.sleep(0.01)


@dataclass
class Serving:
    """The server's process; it can be killed and started again over the same files."""

    folder: Path
    cluster: FakeCluster
    limit: int = 64 * 2**20
    port: int = 0
    health_port: int = 0
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def repositories(self) -> Path:
        return self.folder / "repositories"

    def start(self, *, kill: str | None = None) -> None:
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "tests.support.standalone_server", str(self.cluster.root)]
        argv += [str(self.repositories), str(port_file), "--limit", str(self.limit)]
        argv += [*self.options, *(["--kill", kill] if kill else [])]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        wait_for(lambda: port_file.exists() or self.gone(), "the server serves", seconds=90)
        assert port_file.exists(), self.log()
        self.port, self.health_port = map(int, port_file.read_text().split())

    def gone(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, sig: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sig)
            self.process.wait(timeout=40)
            self.process = None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def url(self, name: str, project: str = "demo") -> str:
        return f"http://127.0.0.1:{self.port}/git/{project}/{name}.git"

    def repository(self, config: Manifest) -> Path:
        return self.repositories / str(config["metadata"]["uid"])


@dataclass
class Done:
    """What a git command did."""

    code: int
    out: str
    err: str


@dataclass
class Clone:
    """A developer's repository, with a git of its own settings."""

    path: Path
    token: str = TOKEN

    def git(self, *argv: str, ok: bool | None = None, **environment: str) -> Done:
        done = subprocess.run(
            [*self.command(), *argv],
            cwd=self.path,
            env=self.env(**environment),
            capture_output=True,
            timeout=120,
            check=False,
        )
        err = done.stderr.decode(errors="replace")
        assert ok is None or ok == (done.returncode == 0), err
        return Done(done.returncode, done.stdout.decode(errors="replace"), err)

    def command(self) -> list[str]:
        header = f"http.extraHeader=Authorization: Bearer {self.token}" if self.token else "core.pager="
        return ["git", "-c", header]

    def env(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Alice",
            "GIT_AUTHOR_EMAIL": "alice@example.com",
            "GIT_COMMITTER_NAME": "Alice",
            "GIT_COMMITTER_EMAIL": "alice@example.com",
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def commit(self, message: str = "Change", **files: str | bytes) -> str:
        """Commit `files` (a file of its own without any); the commit."""
        for name, content in (files or {"Dockerfile": f"FROM scratch\n# {secrets.token_hex(8)}\n"}).items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A", ok=True)
        self.git("commit", "-q", "-m", message, ok=True)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD", ok=True).out.strip()

    def clone(self, name: str) -> Clone:
        """A copy of this repository beside it."""
        path = self.path.parent / name
        subprocess.run(["git", "clone", "-q", str(self.path), str(path)], env=self.env(), check=True)
        return Clone(path, self.token)


def new_clone(path: Path) -> Clone:
    path.mkdir(parents=True)
    clone = Clone(path)
    clone.git("init", "-q", "-b", "main", ok=True)
    return clone


@contextlib.contextmanager
def started(
    folder: Path, *, limit: int = 64 * 2**20, kill: str | None = None, options: tuple[str, ...] = ()
) -> Iterator[Serving]:
    cluster = FakeCluster(folder / "cluster")
    cluster.add_token(TOKEN, "alice", "demo")
    server = Serving(folder, cluster, limit=limit, options=options)
    server.start(kill=kill)
    try:
        yield server
    finally:
        if not server.gone():
            server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for the tests of a module, which use applications of their own."""
    with started(tmp_path_factory.mktemp("serving")) as serving:
        yield serving


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Serving]:
    """A server that the test may kill, stop and misuse."""
    with started(tmp_path / "serving") as serving:
        yield serving


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """An empty repository of a developer."""
    return new_clone(tmp_path / "clone")


@pytest.fixture
def app(server: Serving) -> Manifest:
    """A hosted application with a name of its own."""
    return server.cluster.add_config(f"app-{secrets.token_hex(4)}")


def name_of(config: Manifest) -> str:
    return str(config["metadata"]["name"])


def fsck(repository: Path) -> str:
    """What git says about the store's integrity; '' when nothing."""
    done = subprocess.run(
        ["git", f"--git-dir={repository}", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
        capture_output=True,
        text=True,
        check=False,
    )
    notices = ("notice: ", "dangling ")
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(notices)]
    return "\n".join(lines) if done.returncode or lines else ""


def peak_memory(pid: int) -> int:
    """Bytes that the process used at most."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert match
    return int(match[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
