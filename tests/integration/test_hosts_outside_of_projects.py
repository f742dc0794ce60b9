"""T17: outside of projects, who may write what an ingress controller reads takes no host of the platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from paas.api.resources import INGRESS, Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import DeniedByPolicy
from paas.node.apiserver import ApiServer
from tests.support.people import grant
from tests.support.policies import definition, editor, ingress, install_policies, of_kind, rights_in_force
from tests.support.rooms import eventually, settings_in

pytestmark = pytest.mark.integration

GATEWAY = "gateway.networking.k8s.io"
TRAEFIK = "traefik.io"
HTTPROUTE = Resource(GATEWAY, "v1", "HTTPRoute", "httproutes")
GRPCROUTE = Resource(GATEWAY, "v1", "GRPCRoute", "grpcroutes")
TCPROUTE = Resource(GATEWAY, "v1alpha2", "TCPRoute", "tcproutes")
K8S_GATEWAY = Resource(GATEWAY, "v1", "Gateway", "gateways")
GRANT = Resource(GATEWAY, "v1beta1", "ReferenceGrant", "referencegrants")
INGRESSROUTE = Resource(TRAEFIK, "v1alpha1", "IngressRoute", "ingressroutes")
INGRESSROUTETCP = Resource(TRAEFIK, "v1alpha1", "IngressRouteTCP", "ingressroutetcps")
MIDDLEWARE = Resource(TRAEFIK, "v1alpha1", "Middleware", "middlewares")
TLSOPTION = Resource(TRAEFIK, "v1alpha1", "TLSOption", "tlsoptions")
NEWER = Resource(TRAEFIK, "v1alpha1", "NotInventedYet", "notinventedyets")
VIRTUALSERVICE = Resource("networking.istio.io", "v1", "VirtualService", "virtualservices")
ISTIO_GATEWAY = Resource("networking.istio.io", "v1", "Gateway", "gateways")
HTTPPROXY = Resource("projectcontour.io", "v1", "HTTPProxy", "httpproxies")
VIRTUALSERVER = Resource("k8s.nginx.org", "v1", "VirtualServer", "virtualservers")
OPENSHIFT_ROUTE = Resource("route.openshift.io", "v1", "Route", "routes")
MAPPING = Resource("getambassador.io", "v3alpha1", "Mapping", "mappings")
FOREIGN = (
    HTTPROUTE, GRPCROUTE, TCPROUTE, K8S_GATEWAY, GRANT, INGRESSROUTE, INGRESSROUTETCP, MIDDLEWARE,
    TLSOPTION, NEWER, VIRTUALSERVICE, ISTIO_GATEWAY, HTTPPROXY, VIRTUALSERVER, OPENSHIFT_ROUTE, MAPPING,
)  # fmt: skip
ROUTER = "traefik.ingress.kubernetes.io/router"
PRIORITY = {f"{ROUTER}.priority": "100000"}
ALIAS = "nginx.ingress.kubernetes.io/server-alias"


@pytest.fixture(scope="module")
def policies(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Roles and policies, and the kinds of ingress controllers."""
    folder = tmp_path_factory.mktemp("policies")

    async def install() -> None:
        async with await Cluster.connect(cluster.kubeconfig) as api:
            for kind in FOREIGN:
                await api.apply(definition(kind), manager="test")
        await install_policies(cluster, settings_in(folder), folder)

    asyncio.run(install())


@pytest.fixture
async def outside(api: Cluster) -> str:
    """A namespace that is no project."""
    name = f"outside-{uuid4().hex[:6]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="test")
    return name


@pytest.fixture
async def developer(
    api: Cluster, cluster: ApiServer, policies: None, outside: str, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """Holds `edit` there, and what such a person may hold of an ingress controller's kinds."""
    who = Key(outside, "developer")
    async with await editor(api, cluster, who, tmp_path / "developer.kubeconfig") as door:
        groups, verbs = sorted({kind.group for kind in FOREIGN}), ["list", "create", "update", "patch"]
        await grant(api, who, {"apiGroups": groups, "resources": ["*"], "verbs": verbs})
        await rights_in_force(tmp_path / "developer.kubeconfig", outside, *FOREIGN)
        yield door


async def refused(door: Cluster, kind: Resource, manifest: Manifest) -> str | None:
    """What the policy says when this is created; None when it is accepted."""
    try:
        path = kind.path(manifest["metadata"]["namespace"])
        await door.request("POST", path, body=manifest)
    except DeniedByPolicy as refusal:
        return refusal.words
    return None


def expect(said: str | None, wanted: str | None) -> None:
    if wanted is None:
        assert said is None
    else:
        assert said is not None
        assert wanted in said, said
        assert "whose names are given by the platform" in said
        assert "create and update of routes/bypass (paas.dev)" in said


EVERY = (
    "this may take requests for every host (it has a rule without a host, or what this policy cannot read), "
    "also for those below apps.test"
)
LOOSE = (
    "every host (each part of a match between two || needs its own Host(...)), also for those below apps.test"
)
INGRESSES: dict[str, tuple[dict[str, Any], str | None]] = {
    "a host of theirs": ({"host": "www.example.com"}, None),
    "a host that only looks like it": ({"host": "notapps.test"}, None),
    "a wildcard of theirs": ({"host": "*.example.com"}, None),
    "an annotation of theirs": ({"host": "www.example.com", "annotations": PRIORITY}, None),
    "another matcher of paths": (
        {"host": "www.example.com", "annotations": {f"{ROUTER}.pathmatcher": "PathRegexp"}},
        None,
    ),
    "an alias of theirs": ({"host": "www.example.com", "annotations": {ALIAS: "example.com"}}, None),
    "no host": ({"host": None}, EVERY),
    "no host and a priority": ({"host": None, "path": "/git", "annotations": PRIORITY}, EVERY),
    "the platform's own": ({"host": "paas.apps.test"}, "paas.apps.test is below apps.test"),
    "in the domain": ({"host": "shop-theirs.apps.test"}, "shop-theirs.apps.test is below"),
    "the domain by a wildcard": ({"host": "*.test"}, "*.test is below"),
    "inside the cluster": ({"host": "paas.paas.internal"}, "paas.paas.internal is below"),
    "in an annotation": (
        {
            "host": "www.example.com",
            "annotations": {f"{ROUTER}.pathmatcher": "Path(`/`) || Host(`paas.apps.test`) && Path"},
        },
        EVERY,
    ),
    "a rule in an annotation": (
        {"host": "www.example.com", "annotations": {f"{ROUTER}.pathmatcher": "Path(`/`) || PathPrefix"}},
        EVERY,
    ),
    "a path that ends its rule": ({"host": "www.example.com", "path": "/`) || PathPrefix(`/"}, EVERY),
    "an alias in the domain": (
        {"host": "www.example.com", "annotations": {ALIAS: "example.com, *.test"}},
        "*.test is below",
    ),
    "an alias with a dot in front": (
        {"host": "www.example.com", "annotations": {ALIAS: ".test"}},
        "*.test is",
    ),
    "an alias by a pattern": ({"host": "www.example.com", "annotations": {ALIAS: "~^p.*$"}}, EVERY),
    "a snippet": (
        {
            "host": "www.example.com",
            "annotations": {"nginx.ingress.kubernetes.io/server-snippet": "} server {"},
        },
        EVERY,
    ),
    "a name in DNS": (
        {
            "host": "www.example.com",
            "annotations": {"external-dns.alpha.kubernetes.io/hostname": "paas.apps.test"},
        },
        "paas.apps.test is below",
    ),
}


@pytest.mark.parametrize(("given", "wanted"), INGRESSES.values(), ids=INGRESSES.keys())
async def test_t17_outside_of_projects_an_ingress_takes_no_name_of_the_platform(
    developer: Cluster, outside: str, given: dict[str, Any], wanted: str | None
) -> None:
    expect(await refused(developer, INGRESS, ingress("mine", outside, **given)), wanted)


async def test_t17_outside_of_projects_nothing_is_the_backend_of_all_requests(
    developer: Cluster, outside: str
) -> None:
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    alone = of_kind(INGRESS, outside, {"defaultBackend": backend})
    expect(await refused(developer, INGRESS, alone), EVERY)
    beside = ingress("mine", outside, "www.example.com")
    beside["spec"]["defaultBackend"] = backend
    expect(await refused(developer, INGRESS, beside), EVERY)


def matching(*rules: str) -> Manifest:
    return {"routes": [{"match": rule, "kind": "Rule"} for rule in rules]}


MATCHES: dict[str, str | None] = {
    "Host(`www.example.com`)": None,
    "Host(`www.example.com`) && PathPrefix(`/paths`)": None,
    'Host("www.example.com","example.com") && (PathPrefix(`/a`) || PathPrefix(`/b`))': LOOSE,
    "(Host(`www.example.com`) || Host(`example.com`)) && !PathPrefix(`/a`)": None,
    "Host(`a.example`) && Path(`/a`) || Method(`GET`) && Host(`b.example`) && Headers(`A`, `b`)": None,
    "PathPrefix(`/git`) && ( Host( `www.example.com` ) )": None,
    "Host(`paas.apps.test`)": "Host(`paas.apps.test`) is below apps.test",
    "Host(`PAAS.apps.test`) && Path(`/git`)": "is below apps.test",
    "": LOOSE,
    "PathPrefix(`/git`)": LOOSE,
    "HostRegexp(`.+`)": LOOSE,
    "HostRegexp(`^paas[.]apps[.]test$`)": LOOSE,
    "Host(`www.example.com`) || PathPrefix(`/git`)": LOOSE,
    "Host(`www.example.com`) && Path(`/a`) || Path(`/b`)": LOOSE,
    "!Host(`www.example.com`)": LOOSE,
    "!(Host(`www.example.com`))": LOOSE,
    "!(Host(`www.example.com`) && Path(`/`))": LOOSE,
    'Host("paas\\x2eapps.test")': LOOSE,
    "PathPrefix(`/`) || Path(`Host(`)": LOOSE,
    'PathPrefix(`/`) || Path("Host(`www.example.com`)")': LOOSE,
    "Host(`*`)": LOOSE,
}


@pytest.mark.parametrize(("rule", "wanted"), MATCHES.items(), ids=MATCHES.keys())
async def test_t17_outside_of_projects_each_rule_of_traefik_is_bound_to_hosts(
    developer: Cluster, outside: str, rule: str, wanted: str | None
) -> None:
    alone = of_kind(INGRESSROUTE, outside, matching(rule), "alone")
    expect(await refused(developer, INGRESSROUTE, alone), wanted)
    beside = of_kind(INGRESSROUTE, outside, matching("Host(`a.example`)", rule), "beside")
    expect(await refused(developer, INGRESSROUTE, beside), wanted)


def listener(**fields: str) -> Manifest:
    return {"listeners": [{"name": "a", "hostname": "www.example.com"}, {"name": "b", **fields}]}


PATH = {"path": {"type": "RegularExpression", "value": "/`) || PathPrefix(`/"}}
KINDS: list[tuple[Resource, Manifest, str | None]] = [
    (INGRESSROUTETCP, matching("HostSNI(`db.example.com`)"), None),
    (INGRESSROUTETCP, matching("HostSNI(`*`)"), LOOSE),
    (HTTPROUTE, {"hostnames": ["www.example.com"]}, None),
    (HTTPROUTE, {"parentRefs": [{"kind": "Service", "name": "shop"}]}, None),
    (HTTPROUTE, {"hostnames": ["www.example.com", "*.apps.test"]}, "*.apps.test is below"),
    (HTTPROUTE, {"parentRefs": [{"name": "public"}], "rules": [{}]}, EVERY),
    (HTTPROUTE, {"hostnames": []}, EVERY),
    (HTTPROUTE, {"hostnames": ["www.example.com"], "rules": [{"matches": [PATH]}]}, EVERY),
    (GRPCROUTE, {"hostnames": ["x.example"], "rules": [{"matches": [{"method": {"service": "`"}}]}]}, EVERY),
    (GRPCROUTE, {"hostnames": ["x.example"], "rules": [{"matches": [{"method": {"service": "a"}}]}]}, None),
    (TCPROUTE, {"parentRefs": [{"name": "public"}]}, EVERY),
    (K8S_GATEWAY, listener(hostname="*.example.com"), None),
    (K8S_GATEWAY, listener(), EVERY),
    (K8S_GATEWAY, listener(hostname="paas.apps.test"), "paas.apps.test is below"),
    (GRANT, {"from": [], "to": []}, None),
    (MIDDLEWARE, {"headers": {}}, None),
    (NEWER, {"anything": "goes"}, EVERY),
    (VIRTUALSERVICE, {"hosts": ["www.example.com", "shop"]}, None),
    (VIRTUALSERVICE, {"hosts": ["*"], "gateways": ["public"]}, EVERY),
    (VIRTUALSERVICE, {"hosts": ["paas.apps.test"]}, "paas.apps.test is below"),
    (ISTIO_GATEWAY, {"servers": [{"hosts": ["./www.example.com", "x.example"]}]}, None),
    (ISTIO_GATEWAY, {"servers": [{"hosts": ["*/x.example", "*/*"]}]}, EVERY),
    (ISTIO_GATEWAY, {"servers": [{"hosts": ["web/paas.apps.test"]}]}, "paas.apps.test is below"),
    (HTTPPROXY, {"virtualhost": {"fqdn": "www.example.com"}}, None),
    (HTTPPROXY, {"routes": [{}]}, None),
    (HTTPPROXY, {"virtualhost": {"fqdn": "paas.apps.test"}}, "paas.apps.test is below"),
    (VIRTUALSERVER, {"host": "www.example.com"}, None),
    (VIRTUALSERVER, {"host": "www.example.com", "server-snippets": "} server {"}, EVERY),
    (VIRTUALSERVER, {"host": "Paas.apps.test"}, "paas.apps.test is below"),
    (OPENSHIFT_ROUTE, {"host": "www.example.com"}, None),
    (OPENSHIFT_ROUTE, {"host": "paas.apps.test"}, "paas.apps.test is below"),
    (OPENSHIFT_ROUTE, {"host": "www.test", "wildcardPolicy": "Subdomain"}, "*.test is below"),
    (OPENSHIFT_ROUTE, {"to": {"name": "shop"}}, EVERY),
    (MAPPING, {"prefix": "/git", "hostname": "*"}, EVERY),
]


@pytest.mark.parametrize(
    ("kind", "spec", "wanted"),
    KINDS,
    ids=[f"{kind.kind}-{number}" for number, (kind, _, _) in enumerate(KINDS)],
)
async def test_t17_outside_of_projects_every_kind_names_hosts_of_its_own(
    developer: Cluster, outside: str, kind: Resource, spec: Manifest, wanted: str | None
) -> None:
    expect(await refused(developer, kind, of_kind(kind, outside, spec)), wanted)


async def test_t17_outside_of_projects_what_is_for_all_of_traefik_is_not_written(
    developer: Cluster, outside: str
) -> None:
    assert await refused(developer, TLSOPTION, of_kind(TLSOPTION, outside, {})) is None
    expect(await refused(developer, TLSOPTION, of_kind(TLSOPTION, outside, {}, "default")), EVERY)


async def test_administrators_and_who_may_bypass_write_what_takes_every_host(
    api: Cluster, developer: Cluster, outside: str
) -> None:
    every = ingress("admins", outside, None)
    await api.request("POST", INGRESS.path(outside), body=every)
    await api.request("POST", MAPPING.path(outside), body=of_kind(MAPPING, outside, {"hostname": "*"}))
    # what is there already can lose a finalizer, and is not changed otherwise
    change = {"metadata": {"labels": {"a": "b"}}}
    with pytest.raises(DeniedByPolicy):
        await developer.patch(INGRESS, Key(outside, "admins"), change, manager="somebody")
    bypass = {"apiGroups": ["paas.dev"], "resources": ["routes/bypass"], "verbs": ["create", "update"]}
    await grant(api, Key(outside, "developer"), bypass)

    async def accepted() -> bool:
        return await refused(developer, INGRESS, ingress("mine", outside, None)) is None

    await eventually(accepted)
    await developer.patch(INGRESS, Key(outside, "admins"), change, manager="somebody")
