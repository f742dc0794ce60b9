"""Which Routes want a host, and which objects publish it: an index over the view, kept by its events."""

from __future__ import annotations

from collections import defaultdict

from paas.api.resources import Key, Manifest, Resource, key_of
from paas.routes.claims import host_of
from paas.routes.dialects import Dialect
from paas.settings import Settings

Published = tuple[Resource, Key]
"""An object that may publish a host."""


class HostIndex:
    """What it answers may be out of date, and is to be checked; it leaves nothing out that was told."""

    def __init__(self, dialect: Dialect, settings: Settings) -> None:
        self._dialect, self._settings = dialect, settings
        self._host_of: dict[Key, str] = {}
        self._wanted_by: defaultdict[str, set[Key]] = defaultdict(set)
        self._hosts_of: dict[Published, frozenset[str]] = {}
        self._published_by: defaultdict[str, set[Published]] = defaultdict(set)

    def wants(self, route: Manifest) -> str:
        """Take note of a Route; the host that it wants."""
        key, host = key_of(route), host_of(route, self._settings)
        if self._host_of.get(key) != host:
            self.forget(key)
            self._host_of[key] = host
            self._wanted_by[host].add(key)
        return host

    def forget(self, route: Key) -> None:
        """The Route does not exist any more."""
        before = self._host_of.pop(route, None)
        if before is not None:
            self._wanted_by[before].discard(route)
            if not self._wanted_by[before]:
                del self._wanted_by[before]

    def wanted_by(self, host: str) -> list[Key]:
        return sorted(self._wanted_by.get(host, ()))

    def publishes(self, child: Published, live: Manifest | None) -> frozenset[str]:
        """Take note of a child (None: it is gone); the hosts that it publishes now or did before."""
        before = self._hosts_of.pop(child, frozenset())
        now = self._dialect.hosts(live) if live is not None else frozenset()
        for host in before - now:
            self._published_by[host].discard(child)
            if not self._published_by[host]:
                del self._published_by[host]
        for host in now:
            self._published_by[host].add(child)
        if now:
            self._hosts_of[child] = now
        return before | now

    def published_by(self, host: str) -> list[Published]:
        return sorted(self._published_by.get(host, ()), key=lambda child: (str(child[0]), child[1]))
