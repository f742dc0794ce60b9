"""Routes, Services and Ingresses as JSON data, and what the API server makes of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paas.api.resources import INGRESS, Manifest
from paas.reconcile.meta import owner_reference
from paas.reconcile.plan import Apply, Delete, Event, Plan, Requeue, Status
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
    snapshot = RouteSnapshot.of(found, services=services)
    return replace(snapshot, children={(INGRESS, name): live for name, live in (ingresses or {}).items()})


def with_route(snapshot: RouteSnapshot, changed: Manifest) -> RouteSnapshot:
    """The same with the Route as it is now."""
    parsed = RouteSnapshot.of(changed)
    return replace(snapshot, route=parsed.route, spec=parsed.spec)


def ingresses_of(snapshot: RouteSnapshot) -> dict[str, Manifest]:
    """The Ingresses by name; nothing else is ever a child."""
    assert all(resource == INGRESS for resource, _ in snapshot.children)
    return {name: live for (_, name), live in snapshot.children.items()}


def planned(*snapshots: RouteSnapshot, host: str = "shop-demo.apps.test", now: datetime = NOW) -> Plan:
    return plan(HostSnapshot(host, snapshots), dialect=DEFAULT, now=now, settings=SETTINGS)


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
    listed = snapshot.route["status"]["conditions"]
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in listed}
