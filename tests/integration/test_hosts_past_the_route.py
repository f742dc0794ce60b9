"""T17: who holds `edit` in a project takes no host past the Route, by whatever object."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from paas.api.project import SECRETS_ROLE
from paas.api.resources import INGRESS, NAMESPACE, ROUTE, SECRET, SERVICE, Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import DeniedByPolicy
from paas.node.apiserver import ApiServer
from tests.support.command_line import Person
from tests.support.operating import Operating, operating
from tests.support.people import grant, kubeconfig_of, make_account
from tests.support.policies import (
    definition,
    editor,
    ingress,
    install_policies,
    of_kind,
    rights_in_force,
)
from tests.support.rooms import condition, eventually, make_project, settings_in
from tests.support.routes import REDIRECT, controllers, route, service

pytestmark = pytest.mark.integration

HTTPROUTE = Resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
TLSOPTION = Resource("traefik.io", "v1alpha1", "TLSOption", "tlsoptions")
INGRESSROUTE = Resource("traefik.io", "v1alpha1", "IngressRoute", "ingressroutes")
FOREIGN = (HTTPROUTE, INGRESSROUTE, TLSOPTION)
ROUTER = "traefik.ingress.kubernetes.io/router"
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}
PRIORITY = {f"{ROUTER}.priority": "100000"}


@pytest.fixture(scope="module")
def running(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operating]:
    """Roles, policies and the routes controller under the operator's own account."""
    folder = tmp_path_factory.mktemp("policies")
    settings = settings_in(folder)
    asyncio.run(install_policies(cluster, settings, folder))

    async def operator() -> Path:
        async with await Cluster.connect(cluster.kubeconfig) as api:
            for kind in FOREIGN:
                await api.apply(definition(kind), manager="test")
            return await kubeconfig_of(api, cluster, Key("paas-system", "operator"), folder / "operator")

    with operating(asyncio.run(operator()), controllers, settings=settings) as started:
        yield started


@pytest.fixture
async def project(api: Cluster, running: Operating) -> str:
    return await make_project(api, "mine")


@pytest.fixture
async def developer(api: Cluster, cluster: ApiServer, project: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """Holds `edit` in the project, and what such a person may hold of an ingress controller's kinds."""
    who = Key(project, "developer")
    async with await editor(api, cluster, who, tmp_path / "developer.kubeconfig") as door:
        groups, verbs = sorted({kind.group for kind in FOREIGN}), ["list", "create", "update", "patch"]
        await grant(api, who, {"apiGroups": groups, "resources": ["*"], "verbs": verbs})
        await rights_in_force(tmp_path / "developer.kubeconfig", project, *FOREIGN)
        yield door


async def denied(door: Cluster, manifest: Manifest) -> str:
    """What the policy says when this is created."""
    with pytest.raises(DeniedByPolicy) as refusal:
        await door.create(manifest, manager="test")
    return refusal.value.words


async def published(api: Cluster, name: str, **spec: object) -> Key:
    """Another project's Route, published by the operator under its own role."""
    key = Key(await make_project(api, "theirs"), name)
    await api.create(service(key.namespace), manager="test")
    await api.create(route(name, key.namespace, tls=REDIRECT, **spec), manager="test")

    async def admitted() -> bool:
        return await condition(api, ROUTE, key, "Admitted") == ("True", "Admitted")

    await eventually(admitted)
    await eventually(lambda: api.get(INGRESS, key))
    return key


INGRESSES: dict[str, dict[str, Any]] = {
    "the platform's own host": {"host": "paas.apps.test", "path": "/git"},
    "with a priority": {"host": "paas.apps.test", "annotations": PRIORITY},
    "another's host beyond the domain": {"host": "www.example.com"},
    "another's host in the domain": {"host": "shop-theirs.apps.test"},
    "every host in the domain": {"host": "*.apps.test"},
    "every host there is": {"host": None, "path": "/git/a/b.git/info/refs"},
    "dressed as the operator's": {
        "host": "www.example.com",
        "labels": {"app.kubernetes.io/managed-by": "paas", "paas.dev/route": "shop"},
    },
    "for another ingress controller": {"host": "www.example.com", "class_name": "nginx"},
}


@pytest.mark.parametrize("given", INGRESSES.values(), ids=INGRESSES.keys())
async def test_t17_an_ingress_in_a_project_is_refused(
    developer: Cluster, project: str, given: dict[str, Any]
) -> None:
    said = await denied(developer, ingress("mine", project, **given))
    assert "is a project, and there a host is published by a Route" in said
    assert f"paas expose SERVICE --hostname HOST -n {project}" in said


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (HTTPROUTE, {"hostnames": ["paas.apps.test"]}),
        (INGRESSROUTE, {"routes": [{"match": "Host(`paas.apps.test`)", "priority": 100000}]}),
        (TLSOPTION, {"minVersion": "VersionTLS10"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
async def test_t17_the_kinds_of_ingress_controllers_are_refused(
    developer: Cluster, project: str, kind: Resource, spec: Manifest
) -> None:
    with pytest.raises(DeniedByPolicy) as refusal:
        await developer.request("POST", kind.path(project), body=of_kind(kind, project, spec))
    assert f"to use {kind.plural} all the same" in refusal.value.words


async def test_t17_what_the_operator_wrote_is_changed_by_nobody_else(
    api: Cluster, cluster: ApiServer, tmp_path: Path, running: Operating
) -> None:
    key = await published(api, "shop")
    who = Key(key.namespace, "developer")
    async with await editor(api, cluster, who, tmp_path / "theirs.kubeconfig") as door:
        for change in (
            {"metadata": {"annotations": PRIORITY}},
            {"metadata": {"finalizers": ["somebody.example/keeps-it"]}},
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
            {"metadata": {"ownerReferences": None}},
            {"spec": {"rules": [{"host": "paas.apps.test"}]}},
        ):
            with pytest.raises(DeniedByPolicy):
                await door.patch(INGRESS, key, change, manager="somebody")
        assert running.writes(key.namespace) == 0
        # What is theirs they may still do, also so that the garbage collector has to change the Ingress.
        await door.delete(ROUTE, key, propagation="Foreground")

        async def gone() -> bool:
            return await api.get(INGRESS, key) is None and await api.get(ROUTE, key) is None

        await eventually(gone, seconds=90)


async def test_t17_services_take_no_address_and_no_name(developer: Cluster, project: str) -> None:
    taking = service(project)
    taking["spec"]["externalIPs"] = ["10.0.0.1"]
    assert "externalIPs" in await denied(developer, taking)
    naming = service(project)
    naming["metadata"]["annotations"] = {"external-dns.alpha.kubernetes.io/hostname": "paas.apps.test"}
    assert "external-dns" in await denied(developer, naming)
    await developer.create(service(project), manager="test")
    change = {"spec": {"externalIPs": ["10.0.0.1"]}}
    with pytest.raises(DeniedByPolicy):
        await developer.patch(SERVICE, Key(project, "shop"), change, manager="test")


KEPT = {"finalizers": ["somebody.example/keeps-it"]}
NAMING = {"external-dns.alpha.kubernetes.io/hostname": "x.example"}


def older(kind: Resource, project: str) -> Manifest:
    """As it may have been made before the policies were there, with the finalizer of its controller."""
    if kind == INGRESS:
        return ingress("mine", project, "paas.apps.test", annotations=PRIORITY, labels={"a": "b"}, **KEPT)
    if kind == SERVICE:
        taking = service(project)
        taking["spec"]["externalIPs"] = ["10.0.0.1"]
        taking["metadata"] |= {"name": "mine", "annotations": NAMING, **KEPT}
        return taking
    without_spec = of_kind(kind, project, {})
    del without_spec["spec"]
    without_spec["metadata"] |= KEPT
    return without_spec


@pytest.mark.parametrize("labelled", [True, False], ids=["in a project", "outside of projects"])
@pytest.mark.parametrize("kind", [INGRESS, HTTPROUTE, SERVICE], ids=lambda kind: kind.kind)
async def test_what_was_there_before_the_policies_can_be_released(
    api: Cluster, developer: Cluster, project: str, kind: Resource, labelled: bool
) -> None:
    key = Key(project, "mine")
    await api.request("POST", kind.path(project), body=older(kind, project))
    if not labelled:
        change = {"metadata": {"labels": {"paas.dev/project": None}}}
        await api.patch(NAMESPACE, Key("", project), change, manager="test")
    await api.delete(kind, key)
    await developer.patch(kind, key, {"metadata": {"finalizers": None}}, manager="somebody")
    assert await api.get(kind, key) is None


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (INGRESS, {"metadata": {"finalizers": None, "annotations": {"nginx.org/x": "y"}}}),
        (INGRESS, {"metadata": {"finalizers": None, "annotations": None}}),
        (INGRESS, {"metadata": {"finalizers": None, "labels": None}}),
        (INGRESS, {"metadata": {"finalizers": ["somebody.example/keeps-it", "another.example/too"]}}),
        (INGRESS, {"metadata": {"finalizers": None}, "spec": {"ingressClassName": "nginx"}}),
        (HTTPROUTE, {"metadata": {"finalizers": None}, "spec": {"hostnames": ["x.example"]}}),
        (HTTPROUTE, {"metadata": {"finalizers": None, "ownerReferences": [OWNER]}}),
        (SERVICE, {"metadata": {"finalizers": None}, "spec": {"externalIPs": ["10.0.0.2"]}}),
        (SERVICE, {"metadata": {"finalizers": None, "annotations": {**NAMING, "a": "b"}}}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
async def test_what_was_there_before_the_policies_is_not_changed_on_its_way_out(
    api: Cluster, developer: Cluster, project: str, kind: Resource, change: dict[str, Any]
) -> None:
    await api.request("POST", kind.path(project), body=older(kind, project))
    with pytest.raises(DeniedByPolicy):
        await developer.patch(kind, Key(project, "mine"), change, manager="somebody")


async def test_administrators_and_who_may_bypass_write_ingresses(
    api: Cluster, developer: Cluster, project: str
) -> None:
    await api.create(ingress("admins", project, "x.example"), manager="test")
    bypass = {"apiGroups": ["paas.dev"], "resources": ["routes/bypass"], "verbs": ["create", "update"]}
    await grant(api, Key(project, "developer"), bypass)

    async def accepted() -> bool:
        try:
            await developer.create(ingress("mine", project, "y.example"), manager="test")
        except DeniedByPolicy:
            return False
        return True

    await eventually(accepted)
    change = {"metadata": {"labels": {"a": "b"}}}
    await developer.patch(INGRESS, Key(project, "mine"), change, manager="test")


async def test_who_holds_edit_chooses_hosts(developer: Cluster, project: str) -> None:
    key = Key(project, "shop")
    await developer.create(route("shop", project, host=f"{uuid4().hex[:8]}.example.com"), manager="test")
    change = {"spec": {"host": f"{uuid4().hex[:8]}.example.com"}}
    await developer.patch(ROUTE, key, change, manager="test")


@pytest.fixture
async def restricted(api: Cluster, cluster: ApiServer, project: str, tmp_path: Path) -> Path:
    """Kubeconfig of somebody who may write Routes, but not choose their hosts."""
    who = Key(project, "restricted")
    await make_account(api, who)
    verbs = ["get", "list", "watch", "create", "update", "patch"]
    await grant(
        api,
        who,
        {"apiGroups": ["paas.dev"], "resources": ["routes"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["services"], "verbs": verbs},
    )
    kubeconfig = await kubeconfig_of(api, cluster, who, tmp_path / "restricted.kubeconfig")
    await rights_in_force(kubeconfig, project, ROUTE, SERVICE)
    return kubeconfig


async def test_choosing_a_host_takes_the_right_to(api: Cluster, project: str, restricted: Path) -> None:
    own = f"shop-{project}.apps.test"
    async with await Cluster.connect(restricted) as door:
        said = await denied(door, route("shop", project, host="www.example.com"))
        assert "takes the right to create routes/custom-host" in said
        assert own in said
        long = "s" * 63
        said = await denied(door, route(long, project, host="www.example.com"))
        assert "leave spec.host (--hostname) out, and the host is made by the platform; or ask" in said
        assert f"{long}-{project}" not in said
        await door.create(route("shop", project, host=own), manager="test")
        await door.create(route("plain", project), manager="test")
        await api.create(route("chosen", project, host=f"{uuid4().hex[:8]}.example.com"), manager="test")
        # what has its host already may otherwise be changed
        await door.patch(ROUTE, Key(project, "chosen"), {"spec": {"path": "/x"}}, manager="test")
        for name in ("shop", "plain", "chosen"):
            change = {"spec": {"host": "www.example.com"}}
            with pytest.raises(DeniedByPolicy):
                await door.patch(ROUTE, Key(project, name), change, manager="test")
        # and lose it
        await door.patch(ROUTE, Key(project, "chosen"), {"spec": {"host": None}}, manager="test")


def test_expose_says_why_it_may_not(
    cluster_kubeconfig: Path, project: str, restricted: Path, tmp_path: Path
) -> None:
    someone = Person(restricted, tmp_path, project, {"PATH": os.environ["PATH"]})
    someone.create(service(project))
    said = someone.paas("expose", "shop", "--hostname", "www.example.com")
    assert said.code == 4
    assert said.err.startswith(
        "error: a policy of the cluster does not allow it (you may not choose the host www.example.com "
        f"in project {project}, as that takes the right to create routes/custom-host; leave spec.host"
    )
    assert "denied request" not in said.err
    someone.paas("expose", "shop").ok()


async def test_t17_no_certificate_of_ones_own_is_put_beside_the_platforms(
    api: Cluster, cluster: ApiServer, tmp_path: Path, running: Operating
) -> None:
    """An ingress controller shows a certificate for all hosts in it: one for paas.<domain> would be shown to
    nodes that ask for tokens and to everybody who pushes."""
    key = await published(api, "deep", host=f"{uuid4().hex[:8]}.deep.apps.test")
    secret, who = Key(key.namespace, "deep.route-tls"), Key(key.namespace, "developer")
    await api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"namespace": key.namespace, "name": SECRETS_ROLE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": SECRETS_ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": "paas-system"}],
        },
        manager="test",
    )

    async def issued() -> bool:
        return await condition(api, ROUTE, key, "CertificateReady") == ("True", "CertificateIssued")

    await eventually(issued)
    async with await editor(api, cluster, who, tmp_path / "theirs.kubeconfig") as door:
        mine = {"tls.crt": "bWluZQ==", "tls.key": "bWluZQ=="}
        for change in (
            {"data": mine},
            {"stringData": {"tls.crt": "mine"}},
            {"metadata": {"ownerReferences": None}},
        ):
            with pytest.raises(DeniedByPolicy) as refusal:
                await door.patch(SECRET, secret, change, manager="somebody")
            assert "has the certificate of a Route, which the platform writes" in refusal.value.words
        for name in ("other.route-tls", None):
            metadata = {"name": name} if name else {"generateName": "x.route-tls"}
            made = {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"namespace": key.namespace, **metadata},
                "data": mine,
            }
            if name:
                assert "give yours another name" in await denied(door, made)
            else:  # what is added to it ends the name otherwise
                await door.request("POST", SECRET.path(key.namespace), body=made)
        # labels and finalizers are theirs, and a new certificate comes when the old one is deleted
        await door.patch(SECRET, secret, {"metadata": {"labels": {"a": "b"}}}, manager="somebody")
        await door.delete(SECRET, secret)
        await api.patch(ROUTE, key, {"metadata": {"annotations": {"look": "again"}}}, manager="test")
        await eventually(lambda: api.get(SECRET, secret))
