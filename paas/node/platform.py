"""The platform on an embedded cluster: its images in the registry and on the node, then its manifests.

    runtime images, Kaniko ─┐
    the platform's image ───┴▶ registry (by a second one on loopback, without auth, on the same storage)
                             └▶ containerd (so that nothing of ours waits for our own token endpoint)
    keys, settings ─▶ `install` (the very manifests that `paas install` applies)
                   └▶ on a bare instance: install.yaml, for `paas install`

The platform's image is named by the hash of its sources. It is built by a Kaniko Job on the cluster itself,
once per hash and machine: the result is kept in the cache for further instances.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import py_compile
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import yaml

from paas.node import images, manifests, settings
from paas.node.errors import NodeError
from paas.node.images import RuntimeImage
from paas.node.paths import cache_root
from paas.node.spec import REGISTRY, Instance
from paas.node.stores import LOOPBACK, LoopbackRegistry, Node
from paas.node.toolchain import Progress
from paas.settings import BuildSettings, Settings
from paas.shipped import CARRIED, shipped
from paas.source import buildpacks

SOURCES = ("Dockerfile", "requirements.txt", "buildpacks", "paas")
KEPT_PLATFORM_IMAGES = 3
KEPT_LAYERS = 8
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


Install = Callable[[Installation], None]
"""Applies the platform's manifests and waits for its processes."""


class Kubectl(Protocol):
    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str: ...


def load(spec: Instance, *, kubectl: Kubectl, progress: Progress) -> str:
    """Put the images in place, leaving alone those that are; the name of the platform's own."""
    cache = cache_root()
    runtimes = runtime_images()
    made = {
        image.reference: images.runtime(cache, spec.binaries, image, progress=progress) for image in runtimes
    }
    kaniko = images.kaniko(cache, spec.binaries)
    base = next(image for image in runtimes if image.reference.startswith("paas/runtime-python:"))
    source = source_key(made[base.reference].name)
    reference = f"{REGISTRY}/paas/platform:{source}"
    built = cache / "images" / f"platform-{source}.tar"
    wanted = {f"{REGISTRY}/{name}": tarball for name, tarball in made.items()} | {images.KANIKO: kaniko}
    node = Node(spec)
    node.load(images.KANIKO, kaniko)
    registry = LoopbackRegistry(spec)
    registry.push(wanted, progress=progress)
    if not built.exists():
        progress("Building the platform's image on the cluster (once per change of its source)")
        _build(spec, kubectl, registry, reference=reference, base=base.reference, target=built)
    node.load(reference, built)
    registry.push({reference: built}, progress=progress)
    _prune(cache, keep=built)
    return reference


def installation(spec: Instance, *, platform_image: str, changes: Mapping[str, Any]) -> Installation:
    """The platform's settings on an embedded cluster, `changes` put over them, and its keys."""
    own = Settings(
        domain=spec.domain,
        http_port=spec.http_port,
        https_port=spec.https_port,
        platform_image=platform_image,
        retry_middleware="paas-retry@file",
        builds=BuildSettings(kaniko_image=images.KANIKO),
    )
    return Installation(
        kubeconfig=spec.kubeconfig,
        settings=settings.merge(own, changes, origin=str(spec.state / settings.FILE)),
        ca_cert=(spec.pki / "platform-ca.crt").read_text(),
        ca_key=(spec.pki / "platform-ca.key").read_text(),
        registry_token_key=(spec.pki / "registry-token.key").read_text(),
    )


def write_installation(spec: Instance, wanted: Installation) -> None:
    """Write the file by which `paas install --config` puts the platform on this instance."""
    document = {
        "settings": wanted.settings.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "caCert": "pki/platform-ca.crt",
        "caKey": "pki/platform-ca.key",
        "registryTokenKey": "pki/registry-token.key",
    }
    spec.installation.write_text(yaml.safe_dump(document, sort_keys=False))


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


def source_key(base: str) -> str:
    """Names the platform's image: 16 hex digits over all that it is built from."""
    digest = hashlib.sha256(base.encode())
    for name, path in source_files().items():
        digest.update(name.as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def source_files() -> dict[PurePosixPath, Path]:
    """Files that the Dockerfile copies, by their place in a checkout, in order. The node's Go modules and
    what a wheel carries beside the code are no part of the image."""
    found: dict[PurePosixPath, Path] = {}
    for name in SOURCES:
        top = shipped(name)
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[PurePosixPath(name) / path.relative_to(top).as_posix()] = path
    left_out = [PurePosixPath("paas/node/modules"), PurePosixPath("paas") / CARRIED.name]
    return {
        name: found[name]
        for name in sorted(found)
        if not any(name.is_relative_to(folder) for folder in left_out)
    }


def _build(
    spec: Instance,
    kubectl: Kubectl,
    registry: LoopbackRegistry,
    *,
    reference: str,
    base: str,
    target: Path,
) -> None:
    """Run the Kaniko Job and take its tarball into the cache."""
    folder = spec.state / "platform-build"
    shutil.rmtree(folder, ignore_errors=True)
    for place, path in source_files().items():
        copy = folder / "context" / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    # Compiled here, and not by a RUN: that one would make Kaniko unpack the whole base for each change of
    # the source. Another Python version in the image ignores these files.
    compileall.compile_dir(
        folder / "context" / "paas",
        quiet=2,
        stripdir=str(folder / "context"),
        prependdir="/opt/paas/src",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    authority = folder / "authority"
    authority.mkdir()
    shutil.copyfile(spec.pki / "platform-ca.crt", authority / "ca.crt")
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
    layers = cache_root() / "images" / "platform-layers"
    with registry.running():
        # what apt-get and pip made for another instance of this machine serves this one as well
        registry.restore(manifests.PLATFORM_LAYERS, layers)
        kubectl("apply", "-f", "-", stdin=json.dumps(job))
        ended = _wait_job(kubectl, name, namespace)
        if ended == "Complete":
            registry.keep(manifests.PLATFORM_LAYERS, layers, newest=KEPT_LAYERS)
    if ended != "Complete":
        said = kubectl("logs", f"job/{name}", "-n", namespace, "--tail=25", check=False)
        raise NodeError(
            f"The platform's image could not be built:\n{said.strip()}",
            why="the Kaniko Job that builds it from this checkout failed",
            next_step="fix what the log says (Dockerfile, or access to the package index) and run "
            f"`paas up` again; the whole log: kubectl logs -n {namespace} job/{name}",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_suffix(".part")
    shutil.move(folder / "image.tar", staging)
    staging.rename(target)
    (spec.logs / "platform-build.log").write_text(
        kubectl("logs", f"job/{name}", "-n", namespace, check=False)
    )
    kubectl("delete", "job", name, "-n", namespace, "--wait=false")
    shutil.rmtree(folder, ignore_errors=True)


def _wait_job(kubectl: Kubectl, name: str, namespace: str, *, timeout: float = 900) -> str:
    """ "Complete" or "Failed"."""
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
    found = sorted(
        (cache / "images").glob("platform-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for path in found[KEPT_PLATFORM_IMAGES:]:
        if path != keep:
            path.unlink(missing_ok=True)
