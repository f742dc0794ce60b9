"""Which hosts `fetch` may connect to for an external source, and connections that check it.

A user names the host, so it must not lead into the cluster or the node's network: a name is resolved once,
every address is checked, and the connection is made to a checked address, so that a second answer of the
DNS changes nothing. Redirects stay on the host that the user named. Certificates are always checked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util import connection as sockets

CONNECT_SECONDS: Final = 15.0
READ_SECONDS: Final = 120.0
REDIRECTS: Final = 5

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forbidden(Exception):
    """Connecting to the address is not allowed; the text says why."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The CIDRs of `sources.allowedAddresses`. Raises ValueError naming the wrong one."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def permitted(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether an address is public, or in a network that the administrator allowed."""
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            found = inner
    if any(found.version == network.version and found in network for network in allowed):
        return True
    return found.is_global and not found.is_multicast and not found.is_reserved


def check_url(url: str) -> None:
    """Raises Forbidden for anything but a plain https URL of a host."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise Forbidden(f"{url!r} is not an https address")
    if parts.username or parts.password or "@" in parts.netloc:
        raise Forbidden("the address contains a user; put it into a Secret and name that in sourceSecret")


def pool(url: str, *, allowed: Iterable[str] = (), ca_files: Iterable[str] = ()) -> urllib3.PoolManager:
    """Connections to the host of `url` alone, and only at permitted addresses.

    `ca_files` are additional authorities (PEM); the system's are trusted anyway. Raises Forbidden.
    """
    check_url(url)
    context = ssl.create_default_context()
    for path in ca_files:
        context.load_verify_locations(path)
    return _CheckedManager(url, networks(allowed), context)


class _CheckedManager(urllib3.PoolManager):
    def __init__(self, url: str, allowed: tuple[Network, ...], context: ssl.SSLContext) -> None:
        super().__init__(
            ssl_context=context,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(total=REDIRECTS, connect=2, read=0, redirect=REDIRECTS, status=0),
        )
        self._origin = _origin(url)
        connection = type("CheckedConnection", (_CheckedConnection,), {"allowed": allowed})
        checked = type("CheckedPool", (HTTPSConnectionPool,), {"ConnectionCls": connection})
        self.pool_classes_by_scheme = {"https": checked}

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> Any:  # type: ignore[override]
        # urllib3 follows a redirect by calling this again, so each hop is checked.
        if _origin(url) != self._origin:
            raise Forbidden(f"{self._origin[0]} redirects to {_origin(url)[0]}; use that address as the uri")
        return super().urlopen(method, url, redirect, **kw)


class _CheckedConnection(HTTPSConnection):
    allowed: tuple[Network, ...] = ()

    def _new_conn(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except OSError as problem:
            raise Unreachable(self, f"cannot resolve {self._dns_host}: {_why(problem)}") from problem
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        refused = [address for address in addresses if not permitted(address, self.allowed)]
        if refused:
            where = "" if self._dns_host.strip("[]") == refused[0] else f"at {refused[0]}, "
            raise Forbidden(
                f"{self._dns_host} is {where}an address inside a private network; an administrator "
                "can allow it in the platform's setting sources.allowedAddresses"
            )
        failure: Exception = OSError(f"{self._dns_host} has no address")
        for address in addresses:
            try:
                return sockets.create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as failed:
                failure = failed
        raise Unreachable(self, f"cannot connect to {self._dns_host}: {_why(failure)}") from failure


class Unreachable(NewConnectionError):
    """The host has no name or no way to it. urllib3 puts the object that it failed in before the words."""

    def __init__(self, connection: HTTPSConnection, words: str) -> None:
        super().__init__(connection, words)
        self.words = words

    def __str__(self) -> str:
        return self.words


def _why(problem: BaseException) -> str:
    """An error of the system without its number."""
    return getattr(problem, "strerror", None) or str(problem)


def _origin(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise Forbidden(f"{url!r} is not an https address")
    return (parts.hostname or "").lower().rstrip("."), parts.port or 443
