"""Watches Routes and what they depend on; works host by host.

    Route, its children, its Services, its Namespace ─▶ the hosts concerned ─▶ all Routes of a host ─▶ plan

The key of the queue is the host, so that one worker at a time decides who owns it. A Route that changes its
host wakes both: the old one, for the next in line, and the new one.
"""

from __future__ import annotations

import base64
import errno
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property

from paas.api.names import LABEL_MANAGED_BY, LABEL_ROUTE, MANAGED_BY
from paas.api.project import is_project
from paas.api.resources import NAMESPACE, ROUTE, SECRET, SERVICE, Key, Manifest, key_of
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, Conflict
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
from paas.routes.intent import intent_of
from paas.routes.plan import IssueCertificate, plan, refusals_of
from paas.routes.snapshot import HostSnapshot, RouteSnapshot, Unreadable
from paas.routes.status import TABLE
from paas.settings import Settings


class RoutesController(Controller[HostSnapshot]):
    """Publishes Routes."""

    name = "paas-routes"

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        super().__init__(cluster=cluster, view=view, settings=settings)
        self.dialect = DEFAULT
        self._host: dict[Key, str] = {}
        self._wanted_by: defaultdict[str, set[Key]] = defaultdict(set)
        self._complete = False
        self.watches = (  # type: ignore[misc]  # they need the settings
            Watch(ROUTE, self._route_changed),
            *(
                Watch(resource, self._child_changed, labels={LABEL_MANAGED_BY: MANAGED_BY})
                for resource in self.dialect.resources
            ),
            Watch(SERVICE, self._service_changed),
            Watch(NAMESPACE, self._namespace_changed),
        )

    # -- which hosts an event concerns ---------------------------------------------------------------

    def _route_changed(self, route: Manifest, view: View) -> Iterable[Key]:
        hosts = {self._note(route), (route.get("status") or {}).get("host")}
        for host in hosts:
            if host:
                yield Key("", host)

    def _child_changed(self, child: Manifest, view: View) -> Iterable[Key]:
        name = (child["metadata"].get("labels") or {}).get(LABEL_ROUTE)
        route = view.get(ROUTE, Key(child["metadata"]["namespace"], name or ""))
        if route is not None:
            yield Key("", host_of(route, self.settings))

    def _service_changed(self, service: Manifest, view: View) -> Iterable[Key]:
        for route in view.list(ROUTE, service["metadata"]["namespace"]):
            if service["metadata"]["name"] in service_names(route):
                yield Key("", host_of(route, self.settings))

    def _namespace_changed(self, namespace: Manifest, view: View) -> Iterable[Key]:
        for route in view.list(ROUTE, namespace["metadata"]["name"]):
            yield Key("", host_of(route, self.settings))

    def _note(self, route: Manifest) -> str:
        """Keep the index of hosts; the host that the Route wants now."""
        key, host = key_of(route), host_of(route, self.settings)
        before = self._host.get(key)
        if before is not None and before != host:
            self._wanted_by[before].discard(key)
        self._host[key] = host
        self._wanted_by[host].add(key)
        return host

    # -- gather --------------------------------------------------------------------------------------

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> HostSnapshot | None:
        if not self._complete:
            # After a start all Routes are in the view before the first key is worked on, but not all of
            # them have been through `_route_changed`: an older claim must not be overlooked.
            for known in self.view.list(ROUTE):
                self._note(known)
            self._complete = True
        snapshots = []
        for child in sorted(self._wanted_by.get(key.name, ())):
            route = self.view.get(ROUTE, child)
            if route is None:
                self._wanted_by[key.name].discard(child)
                self._host.pop(child, None)
            elif self._counts(route) and host_of(route, self.settings) == key.name:
                snapshot = await self._snapshot(route, key.name)
                snapshots.append(replace(snapshot, refusals=refusals_of(snapshot, refusals, self.dialect)))
        if not self._wanted_by.get(key.name):
            self._wanted_by.pop(key.name, None)
        return HostSnapshot(key.name, tuple(snapshots)) if snapshots else None

    def _counts(self, route: Manifest) -> bool:
        project = self.view.get(NAMESPACE, Key("", route["metadata"]["namespace"]))
        return is_project(project) and not route["metadata"].get("deletionTimestamp")

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        routes = [self.view.get(ROUTE, child) for child in sorted(self._wanted_by.get(key.name, ()))]
        counting = [route for route in routes if route is not None and self._counts(route)]
        return Plan.of(action for route in counting for action in TABLE.failing(route, blocker, now=now))

    async def _snapshot(self, route: Manifest, host: str) -> RouteSnapshot:
        namespace = route["metadata"]["namespace"]
        services = {name: self.view.get(SERVICE, Key(namespace, name)) for name in service_names(route)}
        snapshot = RouteSnapshot.of(
            route, services={name: found for name, found in services.items() if found is not None}
        )
        name = snapshot.secret_name(host, self.settings)
        written = self._written(snapshot, host, name)
        children: dict[Child, Manifest] = {}
        for child in self.dialect.children(snapshot.name):
            resource, key = child[0], Key(namespace, child[1])
            # The watch sees only what is labelled ours; a name that may be written may be another's.
            live = self.view.get(resource, key)
            if live is None and child in written:
                live = await self.cluster.get(resource, key)
            if live is not None:
                children[child] = live
        snapshot = replace(snapshot, children=children)
        secret = await self.cluster.get(SECRET, Key(namespace, name)) if name is not None else None
        if secret is None:
            return snapshot
        return replace(
            snapshot,
            secret={"metadata": secret["metadata"]},
            certificate=read(secret, self._authority.certificate),
        )

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
