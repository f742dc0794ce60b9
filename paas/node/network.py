"""What of the host's network an instance has to know: the uplink's name, networks in use, resolvers, ports.

pasta copies the uplink's address and routes into the namespace, so the instance needs nothing configured on
the host; only names and collisions matter.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class HostNetwork:
    uplink: str | None  # the interface of the default route
    networks: tuple[str, ...]
    resolvers: tuple[str, ...]  # best first


def read() -> HostNetwork:
    routes = _ip("route", "show")
    addresses = _ip("address", "show")
    texts = [_text(Path(path)) for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")]
    return HostNetwork(
        uplink=next((r.get("dev") for r in routes if r.get("dst") == "default"), None),
        networks=networks_of(routes, addresses),
        resolvers=upstream_resolvers(texts[0], texts[1]),
    )


def networks_of(routes: Iterable[dict[str, Any]], addresses: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """IPv4 networks the host reaches without its default route, from `ip -json`."""
    found = [route["dst"] for route in routes if route.get("dst") not in (None, "default")]
    for link in addresses:
        for address in link.get("addr_info", []):
            if address.get("family") == "inet":
                found.append(f"{address['local']}/{address['prefixlen']}")
    return tuple(dict.fromkeys(found))


def upstream_resolvers(resolv_conf: str, systemd_resolv_conf: str) -> tuple[str, ...]:
    """The host's IPv4 resolvers, those first that can be asked from another socket than loopback's:
    systemd-resolved listens on 127.0.0.53 and names in its own file those it asks itself."""
    found = [*nameservers(resolv_conf), *nameservers(systemd_resolv_conf)]
    return tuple(dict.fromkeys(sorted(found, key=lambda each: ipaddress.ip_address(each).is_loopback)))


def nameservers(resolv_conf: str) -> list[str]:
    """IPv4 nameservers in the text of a resolv.conf, in order."""
    found = []
    for line in resolv_conf.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == "nameserver":
            with contextlib.suppress(ValueError):
                found.append(str(ipaddress.IPv4Address(fields[1])))
    return found


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ip(*arguments: str) -> list[dict[str, Any]]:
    result = subprocess.run(["ip", "-4", "-json", *arguments], capture_output=True, text=True, check=True)
    return [entry for entry in json.loads(result.stdout or "[]") if entry]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
