"""Where images are kept: the node's own store, and the registry's, filled by a second registry on loopback.

The loopback registry works on the storage of the real one but asks nobody for a token: it exists before the
platform's token endpoint does, listens where only the instance's own processes reach it, and ends with
`paas up`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from paas.node import config, instance
from paas.node.errors import NodeError
from paas.node.spec import REGISTRY, Instance
from paas.node.toolchain import Progress
from paas.registry.collection import LOCK

COLLECTED_WITHIN = 120.0  # seconds that a collection of unused images may take
WORTH_KEEPING = 4 * 2**20  # bytes; less is made again as quickly as it is loaded
LOOPBACK = f"127.0.0.1:{config.BOOTSTRAP_REGISTRY_PORT}"


class Node:
    """The node's own store of images."""

    def __init__(self, spec: Instance) -> None:
        self._spec = spec

    def load(self, reference: str, tarball: Path) -> None:
        """Import `tarball`, whose image has this name, unless that very one is there; pinned, so that the
        kubelet never takes it for garbage."""
        loaded = Record(self._spec.state / "containerd" / "paas-loaded.json")
        if loaded.get(reference) == tarball.name:
            return
        ctr = [
            *instance.enter(self._spec),
            str(self._spec.binaries / "ctr"),
            f"--address={self._spec.containerd_socket}",
            "--namespace=k8s.io",
            "images",
        ]
        _run([*ctr, "import", "--local", str(tarball)], what=f"loading {reference} into the node")
        _run([*ctr, "label", reference, "io.cri-containerd.pinned=pinned"], what=f"pinning {reference}")
        loaded.set(reference, tarball.name)


class LoopbackRegistry:
    """The registry without authentication, reachable only inside the instance, only while it is needed."""

    def __init__(self, spec: Instance) -> None:
        self._spec = spec
        self._pushed = Record(spec.registry_storage.parent / "registry-pushed.json")

    def push(self, wanted: Mapping[str, Path], *, progress: Progress) -> None:
        """Put tarballs under their references, those that are not there already."""
        absent = {name: tarball for name, tarball in wanted.items() if self._pushed.get(name) != tarball.name}
        if not absent:
            return
        with self.running():
            for reference, tarball in absent.items():
                progress(f"Loading {reference.removeprefix(REGISTRY + '/')} into the registry")
                self._crane("push", str(tarball), f"{LOOPBACK}/{reference.removeprefix(REGISTRY + '/')}")
                self._pushed.set(reference, tarball.name)

    def restore(self, repository: str, folder: Path) -> None:
        """Push the images kept in `folder` that this registry has not had yet; while `running`."""
        for tarball in sorted(folder.glob("*.tar")):
            reference = f"{repository}:{tarball.stem}"
            if self._pushed.get(reference) is None:
                self._crane("push", str(tarball), f"{LOOPBACK}/{reference}")
                self._pushed.set(reference, tarball.name)

    def keep(self, repository: str, folder: Path, *, newest: int) -> None:
        """Keep the images of a repository that are worth it in `folder`, the `newest` of them; while
        `running`."""
        folder.mkdir(parents=True, exist_ok=True)
        for tag in self._crane("ls", f"{LOOPBACK}/{repository}").split():
            reference, tarball = f"{repository}:{tag}", folder / f"{tag}.tar"
            if self._pushed.get(reference) is None:
                staging = tarball.with_suffix(".part")
                self._crane("pull", f"{LOOPBACK}/{reference}", str(staging))
                if staging.stat().st_size < WORTH_KEEPING:
                    staging.unlink()
                else:
                    staging.rename(tarball)
                self._pushed.set(reference, tarball.name)
        by_age = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
        for tarball in by_age[newest:]:
            tarball.unlink(missing_ok=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with self._shared():
            yield from self._running()

    @contextlib.contextmanager
    def _shared(self) -> Iterator[None]:
        """Wait while unused images are collected: what is pushed meanwhile would be taken for unused."""
        deadline = time.monotonic() + COLLECTED_WITHIN
        with (self._spec.registry_storage / LOCK).open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise NodeError(
                            "Unused images are still being collected from the registry",
                            why="no image can be loaded into it meanwhile",
                            next_step="run `paas up` again; `kubectl get jobs -n kube-system` shows it",
                        ) from None
                    time.sleep(0.2)
            yield

    def _running(self) -> Iterator[None]:
        log = self._spec.logs / "registry-bootstrap.log"
        command = [
            *instance.enter(self._spec),
            str(self._spec.binaries / "registry"),
            "serve",
            str(self._spec.etc / "registry-bootstrap.yaml"),
        ]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "OTEL_TRACES_EXPORTER": "none"},
            )
        try:
            self._wait(process, log)
            yield
        finally:
            self._end(process)

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + 20
        probe = [
            *instance.enter(self._spec),
            str(self._spec.binaries / "crane"),
            "catalog",
            LOOPBACK,
        ]
        while process.poll() is None and time.monotonic() < deadline:
            if (
                subprocess.run(probe, env=self._environment(), capture_output=True, check=False).returncode
                == 0
            ):
                return
            time.sleep(0.05)
        raise NodeError(
            f"The registry for loading images did not start:\n{instance.tail(log)}",
            next_step=f"look at {log} and run `paas up` again",
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        # nsenter forks to get into the PID namespace, and passes no signal on: its child is the registry
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/nonexistent",
            "SSL_CERT_FILE": str(self._spec.trust_bundle),
        }

    def _crane(self, *arguments: str) -> str:
        command = [*instance.enter(self._spec), str(self._spec.binaries / "crane"), *arguments]
        return _run(command, what=f"crane {arguments[0]} {arguments[-1]}", environment=self._environment())


class Record:
    """A JSON file of what was done: name → the tarball it was done with."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> str | None:
        return self._read().get(name)

    def set(self, name: str, value: str) -> None:
        staging = self._path.with_name(self._path.name + ".part")
        staging.write_text(json.dumps({**self._read(), name: value}, indent=1))
        staging.rename(self._path)

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError):
            return {}


def _run(command: list[str], *, what: str, environment: Mapping[str, str] | None = None) -> str:
    result = subprocess.run(
        command, env=dict(environment) if environment else None, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise NodeError(
            f"{what} failed: {(result.stderr or result.stdout).strip()[-800:]}",
            why="an image could not be moved into the cluster",
            next_step="run `paas up` again; it goes on where it stopped",
        )
    return result.stdout
