"""Routes on a real API server: what the schema refuses, who owns a host, and what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from paas.api.resources import INGRESS, NAMESPACE, ROUTE, SECRET, SERVICE, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.routes.certificates import Authority, read
from paas.settings import Settings
from tests.support.operating import Operating, operating
from tests.support.rooms import condition, eventually, make_project, prepare, set_status, settings_in
from tests.support.routes import REDIRECT, controllers, host, route, service

pytestmark = pytest.mark.integration


@pytest.fixture
async def project(api: Cluster) -> str:
    return await make_project(api, "routes")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("routes"), http_port=8080, https_port=8443)


@pytest.fixture(scope="module")
def running(cluster_kubeconfig: Path, settings: Settings) -> Iterator[Operating]:
    asyncio.run(prepare(cluster_kubeconfig))
    with operating(cluster_kubeconfig, controllers, settings=settings) as started:
        yield started


REFUSED = {
    "no target": ({"to": None}, "spec.to"),
    "another kind of target": ({"to": {"kind": "Pod", "name": "x"}}, "to.kind"),
    "a weight of 0": ({"to": {"name": "shop", "weight": 0}}, "to.weight"),
    "a weight too large": ({"to": {"name": "shop", "weight": 257}}, "spec.to.weight"),
    "alternate backends": ({"alternateBackends": [{"name": "b"}]}, "alternateBackends is not supported yet"),
    "a subdomain": ({"subdomain": "x"}, "subdomain is not supported yet"),
    "headers": ({"httpHeaders": {}}, "httpHeaders is not supported yet"),
    "a wildcard": ({"wildcardPolicy": "Subdomain"}, "wildcardPolicy"),
    "passthrough": ({"tls": {"termination": "passthrough"}}, "passthrough"),
    "reencrypt": ({"tls": {"termination": "reencrypt"}}, "reencrypt"),
    "an unknown termination": ({"tls": {"termination": "none"}}, "spec.tls.termination"),
    "no termination": ({"tls": {}}, "spec.tls.termination"),
    "a certificate": ({"tls": {"termination": "edge", "certificate": "x"}}, "certificate is not supported"),
    "a key": ({"tls": {"termination": "edge", "key": "x"}}, "key is not supported"),
    "a destination CA": (
        {"tls": {"termination": "edge", "destinationCACertificate": "x"}},
        "destinationCACertificate is not supported",
    ),
    "an external certificate": (
        {"tls": {"termination": "edge", "externalCertificate": {"name": "x"}}},
        "externalCertificate is not supported",
    ),
    "an unknown policy": (
        {"tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Maybe"}},
        "insecureEdgeTerminationPolicy",
    ),
    "port 0": ({"port": {"targetPort": 0}}, "port.targetPort"),
    "port 65536": ({"port": {"targetPort": 65536}}, "port.targetPort"),
    "a port name with a space": ({"port": {"targetPort": "a b"}}, "port.targetPort"),
    **{f"T9 host {bad!r}": ({"host": bad}, "spec.host") for bad in
       ("Shop.test", "shop.test.", "*.test", "a_b.test", "-a.test", "a..b", "shop test", "a" * 254)},
    "T9 an IP address": ({"host": "10.0.0.1"}, "host must be a DNS name"),
    **{f"T10 host {bad!r}": ({"host": bad}, "spec.host") for bad in
       ("a.test\n", "a.test;", "a.test}", 'a.test"', "a.test`) || Host(`b.test", "a.test#")},
    **{f"T10 path {bad!r}": ({"path": bad}, "spec.path") for bad in
       ("api", "/a b", "/a\nb", "/a;b", "/a}b", "/a{b", '/a"b', "/a'b", "/a`b", "/a\\b", "/a#b", "/a?b",
        "/a$b", "/a|b", "/a%20b", "/a(b)", "/a*")},
    **{f"T10 path {bad!r}": ({"path": bad}, "path must not contain") for bad in
       ("//a", "/a//b", "/a/../b", "/a/./b", "/..", "/a/.")},
}  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_the_schema_refuses_by_name(api: Cluster, project: str, spec: Manifest, message: str) -> None:
    manifest = route("shop", project, **spec)
    manifest["spec"] = {field: value for field, value in manifest["spec"].items() if value is not None}
    with pytest.raises(ApiError) as problem:
        await api.create(manifest, manager="test", dry_run=True)
    assert problem.value.status == 422
    assert message in problem.value.message


ACCEPTED = {
    "the least": {},
    "what OpenShift writes": {
        "host": "shop.apps.test",
        "path": "/",
        "to": {"kind": "Service", "name": "shop", "weight": 100},
        "port": {"targetPort": 8080},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
        "wildcardPolicy": "None",
    },
    "a named port": {"port": {"targetPort": "8080-tcp"}},
    "a long path": {"path": "/api/v1.0/~user/a-b_c:d@e+f,g=h/"},
    "a punycode host": {"host": "xn--bcher-kva.example"},
    "dots in a path": {"path": "/.well-known/..a/b."},
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_the_schema_accepts(api: Cluster, project: str, spec: Manifest) -> None:
    await api.create(route("shop", project, **spec), manager="test", dry_run=True)


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_what_the_schema_accepts_is_published_and_then_left_alone(
    api: Cluster, project: str, running: Operating, spec: Manifest
) -> None:
    if "host" in spec:  # hosts are of the whole cluster
        spec = {**spec, "host": host()}
    await api.create(service(project), manager="test")
    await api.create(route("shop", project, **spec), manager="test")
    key = Key(project, "shop")

    async def has_ingress() -> Manifest | None:
        return await api.get(INGRESS, key)

    ingress = await eventually(has_ingress)
    await set_status(api, ingress, {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}})

    async def settled() -> bool:
        stored = await api.get(ROUTE, key)
        address = ((stored or {}).get("status") or {}).get("address")
        ready = await condition(api, ROUTE, key, "Ready")
        no_such_port = spec.get("port") == {"targetPort": "8080-tcp"}
        return address == "127.0.0.1" and ready == (
            ("False", "PortNotFound") if no_such_port else ("True", "Reconciled")
        )

    await eventually(settled)
    assert running.writes(project) == 0


async def test_the_oldest_owns_a_host_and_the_next_takes_over(api: Cluster, running: Operating) -> None:
    name = host()
    projects = [await make_project(api, prefix) for prefix in ("first", "second")]
    for one in projects:
        await api.create(service(one), manager="test")
    first, second = (Key(one, "shop") for one in projects)
    await api.create(route("shop", first.namespace, host=name, tls=REDIRECT), manager="test")

    async def admitted(key: Key) -> bool:
        return await condition(api, ROUTE, key, "Admitted") == ("True", "Admitted")

    await eventually(lambda: admitted(first))
    await api.create(route("shop", second.namespace, host=name, tls=REDIRECT), manager="test")

    async def refused(key: Key) -> bool:
        return await condition(api, ROUTE, key, "Admitted") == ("False", "HostAlreadyClaimed")

    async def decided() -> tuple[Key, Key] | None:
        """Winner and loser: of the same second the UID decides."""
        for winner, loser in ((first, second), (second, first)):
            if await admitted(winner) and await refused(loser):
                return winner, loser
        return None

    winner, loser = await eventually(decided)
    for child in ("shop", "shop.http"):
        assert await api.get(INGRESS, Key(loser.namespace, child)) is None
        assert await api.get(INGRESS, Key(winner.namespace, child)) is not None
    await api.delete(ROUTE, winner)
    await eventually(lambda: admitted(loser))
    assert await api.get(INGRESS, loser) is not None


async def test_a_route_that_moves_away_frees_its_host(api: Cluster, project: str, running: Operating) -> None:
    name, other = host(), await make_project(api, "waiting")
    await api.create(service(project), manager="test")
    key, waiting = Key(project, "shop"), Key(other, "shop")
    await api.create(route("shop", project, host=name), manager="test")

    async def decided(which: Key) -> bool:
        return (await condition(api, ROUTE, which, "Admitted"))[0] != ""

    await eventually(lambda: decided(key))
    await api.create(route("shop", other, host=name), manager="test")
    await eventually(lambda: decided(waiting))
    for one in (key, waiting):  # whoever owns it, both may move
        await api.patch(ROUTE, one, {"spec": {"host": host()}}, manager="test")

        async def both_admitted() -> bool:
            found = [await condition(api, ROUTE, each, "Admitted") for each in (key, waiting)]
            return found == [("True", "Admitted")] * 2

        await eventually(both_admitted)


async def test_a_deeper_host_gets_a_certificate_that_is_replaced(
    api: Cluster, project: str, running: Operating, settings: Settings
) -> None:
    name = f"deep.{host()}"
    await api.create(service(project), manager="test")
    await api.create(route("shop", project, host=name, tls=REDIRECT), manager="test")
    key, secret = Key(project, "shop"), Key(project, "shop.route-tls")
    authority = Authority.load(settings.ca_file.read_bytes(), settings.ca_key_file.read_bytes())

    async def good() -> bool:
        found = await api.get(SECRET, secret)
        certificate = None if found is None else read(found, authority.certificate)
        return certificate is not None and certificate.trusted and certificate.hosts == {name}

    await eventually(good)

    async def issued() -> bool:
        return await condition(api, ROUTE, key, "CertificateReady") == ("True", "CertificateIssued")

    await eventually(issued)
    ingress = await api.get(INGRESS, key)
    assert ingress is not None
    assert ingress["spec"]["tls"] == [{"hosts": [name], "secretName": "shop.route-tls"}]
    await api.patch(SECRET, secret, {"data": {"tls.crt": "bm9uc2Vuc2U="}}, manager="somebody")
    running.writes(project)  # Secrets are not watched: the next look at the Route finds it
    await eventually(good)
    await eventually(issued)
    assert running.writes(project) == 0


async def test_a_foreign_ingress_is_left_alone(api: Cluster, project: str, running: Operating) -> None:
    foreign = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": project},
        "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 1}}}},
    }
    made = await api.create(foreign, manager="somebody")
    await api.create(route("shop", project, tls=REDIRECT), manager="test")
    key = Key(project, "shop")

    async def stalled() -> bool:
        return await condition(api, ROUTE, key, "Stalled") == ("True", "NameTaken")

    await eventually(stalled)
    assert running.writes(project) == 0
    stored = await api.get(INGRESS, key)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_services_and_projects_that_come_later_are_seen(api: Cluster, running: Operating) -> None:
    name = f"late-{uuid4().hex[:6]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="test")
    key = Key(name, "shop")
    await api.create(route("shop", name, tls=REDIRECT), manager="test")

    async def reason(wanted: str) -> bool:
        return (await condition(api, ROUTE, key, "Ready"))[1] == wanted

    await eventually(lambda: reason("NotAProject"))
    assert await api.get(INGRESS, key) is None
    await api.patch(
        NAMESPACE, Key("", name), {"metadata": {"labels": {"paas.dev/project": "true"}}}, manager="t"
    )

    await eventually(lambda: reason("ServiceNotFound"))
    await api.create(service(name), manager="test")
    await eventually(lambda: reason("AddressPending"))
    await api.delete(SERVICE, key)
    await eventually(lambda: reason("ServiceNotFound"))


async def test_t17_a_route_kept_by_a_finalizer_loses_its_host(api: Cluster, running: Operating) -> None:
    first, second = await two_that_want_one_host(api)
    held = {"metadata": {"finalizers": ["somebody.example/keeps-it"]}}
    await api.patch(ROUTE, first, held, manager="somebody")
    await api.delete(ROUTE, first)
    await published_by(api, second, not_by=first)
    assert await condition(api, ROUTE, first, "Admitted") == ("False", "BeingDeleted")
    await api.patch(ROUTE, first, {"metadata": {"finalizers": None}}, manager="somebody")
    assert running.writes(second.namespace) == 0


async def test_t17_a_project_that_lost_its_label_loses_its_hosts(api: Cluster, running: Operating) -> None:
    first, second = await two_that_want_one_host(api)
    for label, winner, loser in ((None, second, first), ("true", first, second)):
        change = {"metadata": {"labels": {"paas.dev/project": label}}}
        await api.patch(NAMESPACE, Key("", first.namespace), change, manager="somebody")
        await published_by(api, winner, not_by=loser)
    assert await condition(api, ROUTE, second, "Admitted") == ("False", "HostAlreadyClaimed")


async def test_t17_an_ingress_kept_by_a_finalizer_is_waited_for(api: Cluster, running: Operating) -> None:
    first, second = await two_that_want_one_host(api)
    held = {"metadata": {"finalizers": ["somebody.example/keeps-it"]}}
    await api.patch(INGRESS, first, held, manager="somebody")
    await api.delete(ROUTE, first)

    async def waits() -> bool:
        return await condition(api, ROUTE, second, "Ready") == ("False", "HostNotReleased")

    await eventually(waits)
    assert await api.get(INGRESS, second) is None
    await api.patch(INGRESS, first, {"metadata": {"finalizers": None}}, manager="somebody")
    await published_by(api, second, not_by=first)


async def two_that_want_one_host(api: Cluster) -> tuple[Key, Key]:
    """The Route that publishes a host, and one of another project that waits for it."""
    name, keys = host(), []
    for prefix in ("first", "second"):
        key = Key(await make_project(api, prefix), "shop")
        await api.create(service(key.namespace), manager="test")
        await api.create(route("shop", key.namespace, host=name, tls=REDIRECT), manager="test")
        keys.append(key)

    async def decided() -> list[Key] | None:
        """Of the same second the UID decides."""
        found = [(await condition(api, ROUTE, key, "Admitted"), key) for key in keys]
        reasons = sorted(reason for (_, reason), _ in found)
        return [k for _, k in sorted(found)] if reasons == ["Admitted", "HostAlreadyClaimed"] else None

    loser, winner = await eventually(decided)
    await published_by(api, winner, not_by=loser)
    return winner, loser


async def published_by(api: Cluster, winner: Key, *, not_by: Key) -> None:
    """Wait for the winner's Ingress; while it is there, the loser has none."""

    async def published() -> bool:
        # Asked in this order, both are there at one moment only if they really are.
        other, found = await api.get(INGRESS, not_by), await api.get(INGRESS, winner)
        still = await api.get(INGRESS, not_by) if found is not None else None
        assert found is None or still is None, "two projects publish the host"
        return found is not None and other is None

    await eventually(published)
