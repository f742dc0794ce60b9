"""What the embedded cluster is compiled from: one Go module per component, as data.

A component is a folder under `modules/` whose go.mod pins everything. Its **key** is a hash of that
folder, of the flags below and of the Go version: same key, same binaries. Weights are the seconds that a
clean compile took on two cores; only their ratios matter, the estimate is scaled by what this machine
turns out to need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
KUBERNETES_VERSION = "v1.37.2"


@dataclass(frozen=True, kw_only=True)
class Component:
    """`target` is the package to build ("tool" = every tool line of go.mod, "." = our own main.go).

    `renames` maps a built file to its final name, `links` maps a further name to a built file.
    """

    name: str
    weight: int
    binaries: tuple[str, ...]
    target: str = "tool"
    cgo: bool = False
    tags: str = ""
    variables: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        return MODULES / self.name

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of `go build`, the output folder excepted."""
        ldflags = " ".join(["-s", "-w", *(f"-X {variable}" for variable in self.variables)])
        tags = ("-tags", self.tags) if self.tags else ()
        return ("-trimpath", "-ldflags", ldflags, *tags, self.target)


KUBERNETES_ROLES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)

# In the order in which a cluster needs them.
COMPONENTS: Mapping[str, Component] = {
    component.name: component
    for component in (
        Component(
            name="etcd",
            weight=60,
            binaries=("etcd",),
            renames=(("server", "etcd"),),
        ),
        Component(
            name="kubernetes",
            weight=365,
            binaries=("kube", *KUBERNETES_ROLES),
            target=".",
            variables=(
                f"k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}",
                f"k8s.io/client-go/pkg/version.gitVersion={KUBERNETES_VERSION}",
            ),
            renames=(("kubernetes", "kube"),),
            links=tuple((role, "kube") for role in KUBERNETES_ROLES),
        ),
        Component(name="containerd", weight=55, binaries=("containerd", "containerd-shim-runc-v2", "ctr")),
        Component(name="runc", weight=11, binaries=("runc",), cgo=True, tags="seccomp"),
        Component(name="cni", weight=4, binaries=("ptp", "loopback", "host-local", "portmap")),
        Component(name="crane", weight=4, binaries=("crane",)),
        Component(name="registry", weight=52, binaries=("registry",)),
        Component(
            name="kaniko",
            weight=78,
            binaries=("executor",),
            variables=("github.com/GoogleContainerTools/kaniko/pkg/version.version=v1.24.0",),
        ),
        Component(name="coredns", weight=94, binaries=("coredns",), target="."),
        Component(
            name="traefik",
            weight=314,
            binaries=("traefik",),
            variables=("github.com/traefik/traefik/v3/pkg/version.Version=3.6.12",),
        ),
    )
}


def module_key(files: Mapping[str, bytes], *, arguments: Sequence[str], cgo: bool, toolchain: str) -> str:
    """The cache key of one component: 16 hex digits over everything that the result depends on.

    `files` maps relative paths in the module folder to their content; `toolchain` is like
    "go1.26.8 linux/amd64".
    """
    digest = hashlib.sha256()
    for part in (toolchain, f"cgo={cgo}", *arguments):
        digest.update(part.encode() + b"\0")
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return digest.hexdigest()[:16]


def component_key(component: Component, *, toolchain: str) -> str:
    files = {
        path.relative_to(component.folder).as_posix(): path.read_bytes()
        for path in component.folder.rglob("*")
        if path.is_file()
    }
    return module_key(files, arguments=component.arguments, cgo=component.cgo, toolchain=toolchain)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How long the rest of a compile takes, from weights and from what is done so far."""

    weights: tuple[int, ...]  # of the components to compile, in order
    done: tuple[float, ...] = ()  # seconds that the first ones took

    def remaining(self, *, running_for: float) -> float:
        """Seconds left, `running_for` being the age of the component compiling now."""
        finished = len(self.done)
        speed = 1.0
        if finished and sum(self.weights[:finished]):
            # the first seconds say little (the standard library is compiled on the way)
            speed = min(max(sum(self.done) / sum(self.weights[:finished]), 0.2), 10.0)
        rest = sum(self.weights[finished:]) * speed
        current = self.weights[finished] * speed if finished < len(self.weights) else 0.0
        return max(rest - min(running_for, current * 0.95), 0.0)


def in_words(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return "about a minute" if minutes == 1 else f"about {minutes} min"
