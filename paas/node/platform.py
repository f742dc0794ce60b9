"""The platform on an embedded cluster: its images in the registry and on the node, then its manifests.

    runtime images, Kaniko ─┐
    the platform's image ───┴▶ registry (by a second one on loopback, without auth, on the same storage)
                             └▶ containerd (so that nothing of ours waits for our own token endpoint)
    keys, settings ─▶ `install` (the very manifests that `paas install` applies)

The platform's image is named by the hash of its sources. It is built by a Kaniko Job on the cluster itself,
once per hash and machine: the result is kept in the cache for further instances.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from paas.kube.settings import BuildSettings, Settings
from paas.node import config, images, instance, manifests
from paas.node.description import REGISTRY, Instance
from paas.node.errors import NodeError
from paas.node.images import RuntimeImage
from paas.node.paths import cache_root
from paas.node.toolchain import Progress
from paas.sources import buildpacks

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Dockerfile", "requirements.txt", "buildpacks", "paas")
LOOPBACK = f"127.0.0.1:{config.BOOTSTRAP_REGISTRY_PORT}"
KEPT_PLATFORM_IMAGES = 3
# What users' own Dockerfiles may start from when no buildpack brings it.
PLAIN = RuntimeImage(reference="paas/runtime-debian:latest", packages=())


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What the platform's manifests are given. Keys and certificate are PEM texts."""

    kubeconfig: Path
    settings: Settings
    ca_cert: str
    ca_key: str
    registry_token_key: str


class Install(Protocol):
    """Applies the platform's manifests and waits for its processes."""

    def __call__(self, installation: Installation, *, say: Callable[[str], None]) -> None: ...


class Kubectl(Protocol):
    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str: ...


def bring_up(described: Instance, *, kubectl: Kubectl, install: Install, progress: Progress) -> None:
    """Images, then manifests; whatever is there already is left alone."""
    cache = cache_root()
    runtimes = runtime_images()
    made = {
        image.reference: images.runtime(cache, described.binaries, image, progress=progress) for image in runtimes
    }
    kaniko = images.kaniko(cache, described.binaries)
    base = next(image for image in runtimes if image.reference.startswith("paas/runtime-python:"))
    source = source_key(ROOT, made[base.reference].name)
    reference = f"{REGISTRY}/paas/platform:{source}"
    built = cache / "images" / f"platform-{source}.tar"
    wanted = {f"{REGISTRY}/{name}": tarball for name, tarball in made.items()} | {images.KANIKO: kaniko}
    node = Node(described)
    node.load(images.KANIKO, kaniko)
    registry = LoopbackRegistry(described)
    registry.push(wanted, progress=progress)
    if not built.exists():
        progress("Building the platform's image on the cluster (once per change of its source)")
        _build(described, kubectl, registry, reference=reference, base=base.reference, target=built)
    node.load(reference, built)
    registry.push({reference: built}, progress=progress)
    _prune(cache, keep=built)
    install(installation(described, platform_image=reference), say=progress)


def installation(described: Instance, *, platform_image: str) -> Installation:
    """The platform's settings on an embedded cluster, and its keys."""
    return Installation(
        kubeconfig=described.kubeconfig,
        settings=Settings(
            domain=described.domain,
            http_port=described.http_port,
            https_port=described.https_port,
            platform_image=platform_image,
            builds=BuildSettings(kaniko_image=images.KANIKO),
        ),
        ca_cert=(described.pki / "platform-ca.crt").read_text(),
        ca_key=(described.pki / "platform-ca.key").read_text(),
        registry_token_key=(described.pki / "registry-token.key").read_text(),
    )


def runtime_images() -> list[RuntimeImage]:
    """A runtime image per buildpack, by its own data, and the plain one."""
    found = {PLAIN.reference: PLAIN}
    for pack in buildpacks.load():
        image = RuntimeImage(
            reference=f"paas/{pack.runtime.image}:{pack.runtime.tag}",
            packages=tuple(pack.runtime.packages),
            suite=pack.runtime.suite,
            environment=dict(pack.runtime.environment),
        )
        found[image.reference] = image
    return list(found.values())


def source_key(root: Path, base: str) -> str:
    """Names the platform's image: 16 hex digits over all that it is built from."""
    digest = hashlib.sha256(base.encode())
    for path in source_files(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def source_files(root: Path) -> list[Path]:
    """Files that the Dockerfile copies, in order; the node's Go modules are no part of the image."""
    found: list[Path] = []
    for name in SOURCES:
        top = root / name
        found += [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
    left_out = root / "paas" / "node" / "modules"
    return sorted(
        path for path in found if "__pycache__" not in path.parts and not path.is_relative_to(left_out)
    )


def _build(
    described: Instance,
    kubectl: Kubectl,
    registry: LoopbackRegistry,
    *,
    reference: str,
    base: str,
    target: Path,
) -> None:
    """Run the Kaniko Job and take its tarball into the cache."""
    folder = described.state / "platform-build"
    shutil.rmtree(folder, ignore_errors=True)
    for path in source_files(ROOT):
        copy = folder / "context" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    authority = folder / "authority"
    authority.mkdir()
    shutil.copyfile(described.pki / "platform-ca.crt", authority / "ca.crt")
    name = f"paas-platform-{reference.rpartition(':')[2]}"
    namespace = manifests.PLATFORM_BUILD_NAMESPACE
    job = manifests.platform_build(
        name=name,
        image=reference,
        base=f"{LOOPBACK}/{base}",
        folder=str(folder),
        authority=str(authority),
        kaniko=images.KANIKO,
        registry=LOOPBACK,
    )
    kubectl("delete", "job", name, "-n", namespace, "--ignore-not-found", "--wait")
    with registry.running():
        kubectl("apply", "-f", "-", stdin=json.dumps(job))
        ended = _wait_job(kubectl, name, namespace)
    if ended != "Complete":
        said = kubectl("logs", f"job/{name}", "-n", namespace, "--tail=25", check=False)
        raise NodeError(
            f"The platform's image could not be built:\n{said.strip()}",
            why="the Kaniko Job that builds it from this checkout failed",
            next_step=f"mend what the log says (Dockerfile, or access to the package index) and run `paas up` "
            f"again; the whole log: kubectl logs -n {namespace} job/{name}",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_suffix(".part")
    shutil.move(folder / "image.tar", staging)
    staging.rename(target)
    (described.logs / "platform-build.log").write_text(
        kubectl("logs", f"job/{name}", "-n", namespace, check=False)
    )
    kubectl("delete", "job", name, "-n", namespace, "--wait=false")
    shutil.rmtree(folder, ignore_errors=True)


def _wait_job(kubectl: Kubectl, name: str, namespace: str, *, timeout: float = 900) -> str:
    """"Complete" or "Failed"."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        path = 'jsonpath={.status.conditions[?(@.status=="True")].type}'
        said = kubectl("get", "job", name, "-n", namespace, "-o", path, check=False).split()
        for word in ("Complete", "Failed"):
            if word in said:
                return word
        time.sleep(0.2)
    return "Failed"


def _prune(cache: Path, *, keep: Path) -> None:
    """Forget all but the newest few platform images."""
    found = sorted((cache / "images").glob("platform-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT_PLATFORM_IMAGES:]:
        if path != keep:
            path.unlink(missing_ok=True)


class Node:
    """The node's own store of images."""

    def __init__(self, described: Instance) -> None:
        self._described = described

    def load(self, reference: str, tarball: Path) -> None:
        """Import `tarball`, whose image has this name, unless that very one is there; pinned, so that the
        kubelet never takes it for garbage."""
        loaded = Record(self._described.state / "containerd" / "paas-loaded.json")
        if loaded.get(reference) == tarball.name:
            return
        ctr = [
            *instance.enter(self._described),
            str(self._described.binaries / "ctr"),
            f"--address={self._described.containerd_socket}",
            "--namespace=k8s.io",
            "images",
        ]
        _run([*ctr, "import", "--local", str(tarball)], what=f"loading {reference} into the node")
        _run([*ctr, "label", reference, "io.cri-containerd.pinned=pinned"], what=f"pinning {reference}")
        loaded.set(reference, tarball.name)


class LoopbackRegistry:
    """The registry without authentication, reachable only inside the instance, only while it is needed."""

    def __init__(self, described: Instance) -> None:
        self._described = described
        self._pushed = Record(described.registry_storage.parent / "registry-pushed.json")

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

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        log = self._described.logs / "registry-bootstrap.log"
        command = [
            *instance.enter(self._described),
            str(self._described.binaries / "registry"),
            "serve",
            str(self._described.etc / "registry-bootstrap.yaml"),
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
        probe = [*instance.enter(self._described), str(self._described.binaries / "crane"), "catalog", LOOPBACK]
        while process.poll() is None and time.monotonic() < deadline:
            if subprocess.run(probe, env=self._environment(), capture_output=True, check=False).returncode == 0:
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
            "SSL_CERT_FILE": str(self._described.trust_bundle),
        }

    def _crane(self, *arguments: str) -> None:
        command = [*instance.enter(self._described), str(self._described.binaries / "crane"), *arguments]
        _run(command, what=f"crane {arguments[0]} {arguments[-1]}", environment=self._environment())


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


def _run(command: list[str], *, what: str, environment: Mapping[str, str] | None = None) -> None:
    result = subprocess.run(
        command, env=dict(environment) if environment else None, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise NodeError(
            f"{what} failed: {(result.stderr or result.stdout).strip()[-800:]}",
            why="an image could not be moved into the cluster",
            next_step="run `paas up` again; it goes on where it stopped",
        )
