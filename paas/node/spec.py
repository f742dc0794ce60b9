"""What an instance is: the values from which everything else of it is derived, and where its files lie."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paas.node.errors import NodeError

REGISTRY = "registry.paas.internal:5000"
REGISTRY_HOST = "registry.paas.internal"
PLATFORM_HOST = "paas.paas.internal"
NODE_NAME = "paas"
DNS_FORWARD = "169.254.53.53"
TOKEN_ISSUER = "paas"
# The platform's image runs as this user; hostPath volumes know no fsGroup, so the folder has it as owner.
PLATFORM_UID = 10001


@dataclass(frozen=True, kw_only=True)
class Subnets:
    """Addresses inside the network namespace; equal in all instances unless the host's own collide."""

    node: str
    pods: str
    services: str

    @property
    def api_service(self) -> str:
        return str(ipaddress.ip_network(self.services)[1])

    @property
    def dns_service(self) -> str:
        return str(ipaddress.ip_network(self.services)[10])


CANDIDATES = (
    Subnets(node="10.200.0.1", pods="10.244.0.0/16", services="10.96.0.0/16"),
    Subnets(node="172.27.0.1", pods="172.28.0.0/16", services="172.29.0.0/16"),
    Subnets(node="192.168.240.1", pods="192.168.192.0/19", services="192.168.224.0/20"),
    Subnets(node="198.19.255.1", pods="198.18.0.0/16", services="198.19.0.0/17"),
)


def choose_subnets(host_networks: Iterable[str]) -> Subnets:
    """The first candidate that meets none of the networks the host itself uses (CIDR strings)."""
    used = [ipaddress.ip_network(network, strict=False) for network in host_networks]
    for candidate in CANDIDATES:
        ours = [ipaddress.ip_network(n) for n in (candidate.node, candidate.pods, candidate.services)]
        if not any(a.overlaps(b) for a in ours for b in used if a.version == b.version and b.prefixlen):
            return candidate
    return CANDIDATES[0]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One embedded cluster. Ports are the host's, on 127.0.0.1; paths are absolute."""

    name: str
    state: Path  # the instance's own folder
    binaries: Path
    pause_image: Path  # tarball
    http_port: int = 8080
    https_port: int = 8443
    api_port: int = 6443
    domain: str = "apps.localhost"
    subnets: Subnets = CANDIDATES[0]
    uplink: str = "eth0"  # the namespace's interface towards the host, same name as the host's own
    fsync: bool = True

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, from the host."""
        return self.state / "kubeconfig"

    @property
    def installation(self) -> Path:
        """What `paas install` needs to know of a bare instance."""
        return self.state / "install.yaml"

    @property
    def repositories(self) -> Path:
        return self.state / "volumes" / "repositories"

    @property
    def registry_storage(self) -> Path:
        return self.state / "volumes" / "registry"

    @property
    def trust_bundle(self) -> Path:
        """The machine's trusted CAs and the platform's."""
        return self.etc / "trusted.pem"

    @property
    def cgroup(self) -> str:
        return f"paas-{self.name}"

    @property
    def containerd_socket(self) -> str:
        return "/run/paas/containerd.sock"  # inside: /run is the instance's own there


def check_name(name: str) -> str:
    """The name, or NodeError: it becomes folder and cgroup names."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise NodeError(
            f"'{name}' cannot name an instance",
            why="it becomes part of folder and cgroup names",
            next_step="use at most 32 lower-case letters, digits and '-', beginning with a letter",
        )
    return name
