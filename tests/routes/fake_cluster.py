"""Routes, Services and Ingresses as JSON data, and what the API server makes of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from paas.api.names import LABEL_PROJECT
from paas.api.resources import INGRESS, Key, Manifest, Resource, key_of, resource_of
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.reconcile.meta import owner_reference
from paas.reconcile.plan import Action, Apply, Delete, Event, Plan, Requeue, Status
from paas.reconcile.refusal import Refusal
from paas.routes.controller import RoutesController
from paas.routes.dialects import DEFAULT
from paas.routes.plan import IssueCertificate, plan
from paas.routes.snapshot import HostSnapshot, RouteSnapshot
from paas.routes.tls import LIFETIME, Certificate
from paas.settings import Settings
from tests.support import documented

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(domain="apps.test", http_port=8080, https_port=8443)


def route(name: str = "shop", project: str = "demo", *, age: int = 0, **spec: object) -> Manifest:
    """A Route to Service `shop`, made `age` seconds before ten o'clock."""
    made = datetime(2026, 1, 1, 10, tzinfo=UTC) - timedelta(seconds=age)
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "Route",
        "metadata": {
            "namespace": project,
            "name": name,
            "uid": f"{project}-{name}-uid",
            "generation": 1,
            "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {"to": {"kind": "Service", "name": "shop"}, **spec},
    }


EDGE = {"termination": "edge"}
REDIRECT = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
ALLOW = {"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"}


def service(*ports: Manifest, name: str = "shop", project: str = "demo") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": project, "name": name, "uid": f"service-{name}"},
        "spec": {"ports": list(ports) or [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def project_of(name: str = "demo", *, labelled: bool = True) -> Manifest:
    """A Namespace, with the project label or without."""
    metadata: Manifest = {"name": name, "uid": f"{name}-uid"}
    if labelled:
        metadata["labels"] = {LABEL_PROJECT: "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def foreign_ingress(name: str, project: str = "demo") -> Manifest:
    metadata = {"namespace": project, "name": name, "uid": f"foreign-{name}"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {}}


def secret_of(snapshot: RouteSnapshot, *, ours: bool = True) -> Manifest:
    metadata: Manifest = {"namespace": "demo", "name": "shop.route-tls", "uid": "secret-uid"}
    if ours:
        metadata["ownerReferences"] = [owner_reference(snapshot.route)]
    return {"metadata": metadata}


def certificate(host: str, *, left: timedelta = LIFETIME, trusted: bool = True) -> Certificate:
    return Certificate(frozenset({host}), NOW + left, trusted)


def observed(
    found: Manifest, ingresses: Mapping[str, Manifest] | None = None, service: Manifest | None = None
) -> RouteSnapshot:
    """A Route, and what is there of Ingresses and Services."""
    services = {service["metadata"]["name"]: service} if service is not None else {}
    namespace = project_of(found["metadata"]["namespace"])
    snapshot = RouteSnapshot.of(found, namespace=namespace, services=services)
    return replace(snapshot, children={(INGRESS, name): live for name, live in (ingresses or {}).items()})


def with_route(snapshot: RouteSnapshot, changed: Manifest) -> RouteSnapshot:
    """The same with the Route as it is now."""
    parsed = RouteSnapshot.of(changed, namespace=snapshot.namespace)
    return replace(snapshot, route=parsed.route, spec=parsed.spec)


def ingresses_of(snapshot: RouteSnapshot) -> dict[str, Manifest]:
    """The Ingresses by name; nothing else is ever a child."""
    assert all(resource == INGRESS for resource, _ in snapshot.children)
    return {name: live for (_, name), live in snapshot.children.items()}


def planned(
    *snapshots: RouteSnapshot,
    host: str = "shop-demo.apps.test",
    now: datetime = NOW,
    refusals: tuple[Refusal, ...] = (),
) -> Plan:
    return plan(HostSnapshot(host, snapshots, refusals=refusals), dialect=DEFAULT, now=now, settings=SETTINGS)


def taken_up(snapshot: RouteSnapshot, address: str = "127.0.0.1") -> RouteSnapshot:
    """After the ingress controller has written its address on all Ingresses."""
    status = {"loadBalancer": {"ingress": [{"ip": address}]}}
    return replace(
        snapshot, children={child: {**live, "status": status} for child, live in snapshot.children.items()}
    )


def applied(result: Plan, *snapshots: RouteSnapshot, now: datetime = NOW) -> tuple[RouteSnapshot, ...]:
    """The snapshot after a plan."""
    after = list(snapshots)

    def index(namespace: str, matches) -> int:
        found = (
            i for i, snapshot in enumerate(after) if snapshot.route["metadata"]["namespace"] == namespace
        )
        return next(i for i in found if matches(after[i]))

    for action in result.actions:
        match action:
            case Apply(manifest, uid):
                metadata = manifest["metadata"]
                owner = metadata["ownerReferences"][0]["uid"]
                at = index(metadata["namespace"], lambda w, o=owner: w.route["metadata"]["uid"] == o)
                child = (INGRESS, metadata["name"])
                assert manifest["kind"] == INGRESS.kind
                live = after[at].children.get(child)
                assert uid == (live["metadata"]["uid"] if live else None), "only what was seen is forced"
                stored = {**manifest, "metadata": {**metadata, "uid": uid or f"uid-{metadata['name']}"}}
                if live and "status" in live:
                    stored["status"] = live["status"]
                after[at] = replace(after[at], children={**after[at].children, child: stored})
            case Delete(resource, key, uid):
                child = (resource, key.name)
                at = index(
                    key.namespace,
                    lambda w, c=child, u=uid: c in w.children and w.children[c]["metadata"]["uid"] == u,
                )
                doomed, owner = after[at].children[child], after[at].route["metadata"]["uid"]
                assert doomed["metadata"].get("ownerReferences", [{}])[0].get("uid") == owner, "foreign"
                left = {other: live for other, live in after[at].children.items() if other != child}
                if doomed["metadata"].get("finalizers"):
                    metadata = {**doomed["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
                    left[child] = {**doomed, "metadata": metadata}
                after[at] = replace(after[at], children=left)
            case Status(_, key, _, status):
                documented.check("Route", status)
                at = index(key.namespace, lambda w, k=key: w.route["metadata"]["name"] == k.name)
                after[at] = with_route(after[at], {**after[at].route, "status": status})
            case IssueCertificate(key, _, _, hosts, _):
                at = index(key.namespace, lambda w, k=key: w.route["metadata"]["name"] == k.name)
                made = Certificate(frozenset(hosts), now + LIFETIME, True)
                after[at] = replace(after[at], secret=secret_of(after[at]), certificate=made)
            case Event() | Requeue():
                pass
            case _:
                pytest.fail(f"a Route's plan has no {action}")
    return tuple(after)


def conditions(snapshot: RouteSnapshot) -> dict[str, tuple[str, str]]:
    return conditions_of(snapshot.route)


def conditions_of(route: Manifest) -> dict[str, tuple[str, str]]:
    listed = route["status"]["conditions"]
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in listed}


class Objects:
    """The API server's objects, and the real controller over them: what it watches, gathers and plans.

    Stands in for its Cluster (`get`). Every write is an event; the garbage collector runs when told to.
    """

    def __init__(self) -> None:
        self.stored: dict[tuple[Resource, Key], Manifest] = {}
        self.view = View()
        self.controller = RoutesController(cluster=cast(Cluster, self), view=self.view, settings=SETTINGS)
        self.woken: list[Key] = []
        self._version = 0

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        return self.stored.get((resource, key))

    def put(self, obj: Manifest, **metadata: object) -> Manifest:
        """Create or replace; `metadata` (None: taken away) is changed on the way."""
        self._version += 1
        known = self.stored.get((resource_of(obj), key_of(obj)))
        given = {**obj["metadata"], **metadata, "resourceVersion": str(self._version)}
        given.setdefault("uid", known["metadata"]["uid"] if known else f"uid-{self._version}")
        # Later made is younger.
        made = NOW + timedelta(seconds=self._version)
        given.setdefault("creationTimestamp", made.strftime("%Y-%m-%dT%H:%M:%SZ"))
        stored = {**obj, "metadata": {name: value for name, value in given.items() if value is not None}}
        if known is not None:
            stored = {"status": known.get("status"), **stored}
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            self._remove(stored)
        else:
            self.stored[resource_of(obj), key_of(obj)] = stored
            self._event(stored, gone=False)
        return stored

    def change(self, resource: Resource, key: Key, **metadata: object) -> None:
        if (known := self.stored.get((resource, key))) is not None:
            self.put(known, **metadata)

    def delete(self, resource: Resource, key: Key) -> None:
        self.change(resource, key, deletionTimestamp=f"{NOW:%Y-%m-%dT%H:%M:%SZ}")

    def collect_garbage(self) -> None:
        """Delete what belongs to a Route that is gone."""
        living = {obj["metadata"]["uid"] for obj in self.stored.values()}
        for (resource, key), obj in list(self.stored.items()):
            if any(ref["uid"] not in living for ref in obj["metadata"].get("ownerReferences") or ()):
                self.delete(resource, key)

    def publishing(self) -> dict[str, set[str]]:
        """By host, the projects whose Ingresses the ingress controller serves."""
        found: dict[str, set[str]] = {}
        for (resource, key), obj in self.stored.items():
            if resource == INGRESS:
                for rule in obj["spec"]["rules"]:
                    found.setdefault(rule["host"], set()).add(key.namespace)
        return found

    def _remove(self, obj: Manifest) -> None:
        self.stored.pop((resource_of(obj), key_of(obj)), None)
        self._event(obj, gone=True)

    def _event(self, obj: Manifest, *, gone: bool) -> None:
        for watch in self.controller.watches:
            if watch.resource != resource_of(obj):
                continue
            labels = obj["metadata"].get("labels") or {}
            if gone or not (watch.labels or {}).items() <= labels.items():
                if self.view.get(watch.resource, key_of(obj)) is None:
                    continue
                self.view.remove(watch.resource, obj)
            else:
                self.view.put(watch.resource, obj)
            self.woken += [key for key in watch.wakes(obj, self.view) if key not in self.woken]

    def decide(self, key: Key, refusals: tuple[Refusal, ...] = ()) -> Plan:
        """One gather and plan of a host, of which this was refused before."""
        if key in self.woken:
            self.woken.remove(key)
        try:
            self.controller.gather(key, refusals).send(None)  # type: ignore[attr-defined]
        except StopIteration as answer:  # nothing in it ever waits
            observed = answer.value
        if observed is None:
            return Plan()
        return self.controller.plan(observed, now=NOW, settings=SETTINGS)

    def carry_out(self, action: Action) -> None:
        """As `reconcile.execute` does; what is out of date is not done, and the host is looked at again."""
        match action:
            case Apply(manifest, uid):
                known = self.stored.get((INGRESS, key_of(manifest)))
                if (known["metadata"]["uid"] if known else None) == uid:
                    kept = known["metadata"] if known else {}
                    self.put({**manifest, "metadata": {**kept, **manifest["metadata"]}})
                else:
                    self.woken += [Key("", host) for host in DEFAULT.hosts(manifest)]
            case Delete(resource, key, uid):
                if self.stored.get((resource, key), {"metadata": {"uid": ""}})["metadata"]["uid"] == uid:
                    self.delete(resource, key)
            case Status(resource, key, uid, status):
                documented.check("Route", status)
                known = self.stored.get((resource, key))
                if known is not None and known["metadata"]["uid"] == uid:
                    self.put({**known, "status": status})

    def settle(self, check: Callable[[], None] = lambda: None) -> None:
        """Work on what is woken until nothing is."""
        for _ in range(200):
            if not self.woken:
                return
            for action in self.decide(self.woken[0]).actions:
                self.carry_out(action)
                check()
        raise AssertionError("the plans never come to rest")
