"""Watches Routes and what they depend on; works host by host.

    Route, its children, its Services, its Namespace ─▶ the hosts concerned ─▶ all Routes of a host ─▶ plan

The key of the queue is the host, so that one worker at a time decides who owns it. A Route that changes its
host wakes both: the old one, for the next in line, and the new one. So does a child: what it published before
is free only when the child says so no more.
"""

from __future__ import annotations

import base64
import errno
import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial

from paas.api.names import LABEL_MANAGED_BY, LABEL_ROUTE, MANAGED_BY
from paas.api.project import is_project
from paas.api.resources import NAMESPACE, ROUTE, SECRET, SERVICE, Key, Manifest, Resource, key_of
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, Conflict, Forbidden
from paas.kube.view import View
from paas.reconcile.controller import Controller, Watch
from paas.reconcile.meta import labels, part_of
from paas.reconcile.plan import Effect, Plan, PlanOutdated
from paas.reconcile.refusal import EffectRefused, Refusal
from paas.reconcile.status import Blocker
from paas.routes.backend import service_names
from paas.routes.capabilities import unsupported
from paas.routes.certificates import Authority, issue, read
from paas.routes.claims import host_of
from paas.routes.dialects import DEFAULT, Child
from paas.routes.host_index import HostIndex
from paas.routes.intent import intent_of
from paas.routes.plan import IssueCertificate, plan, refusals_of
from paas.routes.snapshot import HostSnapshot, RouteSnapshot, Unreadable, is_of_a_route, is_orphan
from paas.routes.status import TABLE
from paas.settings import Settings

log = logging.getLogger(__name__)


class RoutesController(Controller[HostSnapshot]):
    """Publishes Routes."""

    name = "paas-routes"

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        super().__init__(cluster=cluster, view=view, settings=settings)
        self.dialect = DEFAULT
        self._hosts = HostIndex(self.dialect, settings)
        self._complete = False
        self.watches = (  # type: ignore[misc]  # they need the settings
            Watch(ROUTE, self._route_changed),
            *(
                Watch(resource, partial(self._child_changed, resource), labels={LABEL_MANAGED_BY: MANAGED_BY})
                for resource in self.dialect.resources
            ),
            Watch(SERVICE, self._service_changed),
            Watch(NAMESPACE, self._namespace_changed),
        )

    # -- which hosts an event concerns ---------------------------------------------------------------

    def _route_changed(self, route: Manifest, view: View) -> Iterable[Key]:
        hosts = {self._hosts.wants(route), (route.get("status") or {}).get("host")}
        for host in hosts:
            if host:
                yield Key("", host)

    def _child_changed(self, resource: Resource, child: Manifest, view: View) -> Iterable[Key]:
        key = key_of(child)
        name = (child["metadata"].get("labels") or {}).get(LABEL_ROUTE)
        route = view.get(ROUTE, Key(key.namespace, name or ""))
        hosts = self._hosts.publishes((resource, key), view.get(resource, key))
        if route is not None:
            hosts |= {host_of(route, self.settings)}
        for host in hosts:
            yield Key("", host)

    def _service_changed(self, service: Manifest, view: View) -> Iterable[Key]:
        for route in view.list(ROUTE, service["metadata"]["namespace"]):
            if service["metadata"]["name"] in service_names(route):
                yield Key("", host_of(route, self.settings))

    def _namespace_changed(self, namespace: Manifest, view: View) -> Iterable[Key]:
        for route in view.list(ROUTE, namespace["metadata"]["name"]):
            yield Key("", host_of(route, self.settings))

    # -- gather --------------------------------------------------------------------------------------

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> HostSnapshot | None:
        if not self._complete:
            # After a start all objects are in the view before the first key is worked on, but not all of
            # them have been through the watches: an older claim, or what is left of one, must be seen.
            self._read_view()
        host = key.name
        routes = self._wanting(host)
        contested = len(routes) > 1
        snapshots = []
        for route in routes:
            snapshot = await self._snapshot(route, host, contested=contested)
            snapshots.append(replace(snapshot, refusals=refusals_of(snapshot, refusals, self.dialect)))
        if not snapshots:
            return None
        return HostSnapshot(host, tuple(snapshots), self._strays(host, snapshots), refusals)

    def _read_view(self) -> None:
        for route in self.view.list(ROUTE):
            self._hosts.wants(route)
        for resource in self.dialect.resources:
            for child in self.view.list(resource):
                self._hosts.publishes((resource, key_of(child)), child)
        self._complete = True

    def _wanting(self, host: str) -> list[Manifest]:
        """All Routes that want a host, in whatever state they and their namespaces are."""
        found = []
        for key in self._hosts.wanted_by(host):
            route = self.view.get(ROUTE, key)
            if route is None:
                self._hosts.forget(key)
            elif host_of(route, self.settings) == host:
                found.append(route)
        return found

    def _strays(self, host: str, snapshots: Collection[RouteSnapshot]) -> tuple[Manifest, ...]:
        """What publishes the host for none of these Routes, but was made for one; and what is nobody's and
        has a name that one of these Routes needs."""
        found: dict[Child, Manifest] = {}
        for resource, key in self._hosts.published_by(host):
            live = self.view.get(resource, key)
            if live is None or host not in self.dialect.hosts(live):
                continue
            if is_of_a_route(live) and not any(snapshot.is_own(live) for snapshot in snapshots):
                found[resource, str(key)] = live
        for snapshot in snapshots:
            for (resource, _), live in snapshot.children.items():
                if is_orphan(live):
                    found[resource, str(key_of(live))] = live
        return tuple(found.values())

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        routes = self._wanting(key.name)
        return Plan.of(action for route in routes for action in TABLE.failing(route, blocker, now=now))

    async def _snapshot(self, route: Manifest, host: str, *, contested: bool) -> RouteSnapshot:
        namespace = route["metadata"]["namespace"]
        project = Key("", namespace)
        services = {name: self.view.get(SERVICE, Key(namespace, name)) for name in service_names(route)}
        snapshot = RouteSnapshot.of(
            route,
            # A watch may show a Route before its Namespace.
            namespace=self.view.get(NAMESPACE, project) or await self.cluster.get(NAMESPACE, project),
            services={name: found for name, found in services.items() if found is not None},
        )
        name = snapshot.secret_name(host, self.settings)
        written = self._written(snapshot, host, name)
        children: dict[Child, Manifest] = {}
        for child in self.dialect.children(snapshot.name):
            resource, key = child[0], Key(namespace, child[1])
            # The watch sees only what is labelled ours. A name that may be written may be another's, and what
            # lost its label must not go on serving a host that others want, too.
            live = self.view.get(resource, key)
            if live is None and (contested or child in written):
                live = await self.cluster.get(resource, key)
            if live is not None:
                children[child] = live
        snapshot = replace(snapshot, children=children)
        secret = await self._secret(snapshot, Key(namespace, name)) if name is not None else None
        if secret is None:
            return snapshot
        return replace(
            snapshot,
            secret={"metadata": secret["metadata"]},
            certificate=read(secret, self._authority.certificate),
        )

    async def _secret(self, snapshot: RouteSnapshot, key: Key) -> Manifest | None:
        """The Secret of a Route's own certificate; None also where the operator may read none. Who wants the
        host of another project from such a namespace must not keep that host from being decided."""
        if not is_project(snapshot.namespace):
            return None
        try:
            return await self.cluster.get(SECRET, key)
        except Forbidden as problem:
            log.warning("Secret %s counts as missing, as it may not be read: %s", key, problem)
            return None

    def _written(self, snapshot: RouteSnapshot, host: str, secret: str | None) -> Collection[Child]:
        """The children that a plan would write."""
        if isinstance(snapshot.spec, Unreadable):
            return ()
        intent = intent_of(snapshot.spec, host, services=snapshot.services, secret=secret)
        if unsupported(intent, self.dialect.capabilities):
            return ()
        return self.dialect.render(snapshot.route, intent, self.settings).keys()

    # -- act -----------------------------------------------------------------------------------------

    def plan(self, observed: HostSnapshot, *, now: datetime, settings: Settings) -> Plan:
        return plan(observed, dialect=self.dialect, now=now, settings=settings)

    async def effect(self, effect: Effect) -> None:
        match effect:
            case IssueCertificate():
                await self._issue(effect)
            case _:
                await super().effect(effect)

    @cached_property
    def _authority(self) -> Authority:
        """Raises OSError, also when the files are not what they must be."""
        certificate, key = self.settings.ca_file.read_bytes(), self.settings.ca_key_file.read_bytes()
        try:
            return Authority.load(certificate, key)
        except ValueError as problem:
            text = "it and the certificate in ca.crt are no authority"
            raise OSError(errno.EINVAL, text, str(self.settings.ca_key_file)) from problem

    async def _issue(self, effect: IssueCertificate) -> None:
        route = self.view.get(ROUTE, effect.route)
        if route is None or route["metadata"]["uid"] != effect.route_uid:
            raise PlanOutdated(f"Route {effect.route} is gone")
        try:
            authority = self._authority
        except OSError as problem:
            raise EffectRefused(
                f"the platform's authority cannot be read, so there is no certificate for {effect.hosts[0]} "
                f"({problem.strerror}); fix it with: paas up, or paas install"
            ) from problem
        certificate, key = issue(authority, effect.hosts, now=datetime.now(UTC))
        data = {"tls.crt": certificate, "tls.key": key}
        metadata = {
            "namespace": effect.route.namespace,
            "name": effect.secret,
            "labels": labels(part_of=part_of(route), **{LABEL_ROUTE: effect.route.name}),
            "ownerReferences": [
                {
                    "apiVersion": ROUTE.api_version,
                    "kind": ROUTE.kind,
                    "name": effect.route.name,
                    "uid": effect.route_uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": metadata,
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }
        try:
            if effect.secret_uid is None:
                await self.cluster.create(manifest, manager=self.name)
            else:
                metadata["uid"] = effect.secret_uid
                await self.cluster.apply(manifest, manager=self.name)
        except (AlreadyExists, Conflict) as problem:
            raise PlanOutdated(f"Secret {effect.secret} has changed hands") from problem
