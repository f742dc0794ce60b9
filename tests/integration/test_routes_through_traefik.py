"""Routes through a real Traefik: what https and plain http answer for every policy, and how it is certified.

Traefik reads the real API server. The pods are a small server of the test, behind an ExternalName Service.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.api.resources import INGRESS, ROUTE, Key, Manifest, key_of
from paas.kube.cluster import Cluster
from paas.kube.errors import DeniedByPolicy
from paas.kube.view import View
from paas.node.apiserver import ApiServer
from paas.routes.controller import RoutesController
from paas.settings import Settings
from tests.support.operating import operating
from tests.support.policies import editor, ingress, install_policies
from tests.support.rooms import condition, eventually, make_project, prepare
from tests.support.traefik import CLASS, DOMAIN, Edge, make_class, traefik

pytestmark = pytest.mark.integration

TLS = {
    policy: {"termination": "edge", "insecureEdgeTerminationPolicy": policy}
    for policy in ("None", "Allow", "Redirect")
}


@pytest.fixture(scope="module")
def edge(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    asyncio.run(prepare(cluster_kubeconfig))
    asyncio.run(make_class(cluster_kubeconfig))

    def make(cluster: Cluster, view: View, chosen: Settings) -> list[RoutesController]:
        return [RoutesController(cluster=cluster, view=view, settings=chosen)]

    with (
        traefik(cluster_kubeconfig, tmp_path_factory.mktemp("traefik")) as found,
        operating(cluster_kubeconfig, make, settings=found.settings),
    ):
        yield found


@pytest.fixture
async def project(api: Cluster, edge: Edge) -> str:
    name = await make_project(api, "edge")
    await api.create(edge.service(name, "shop"), manager="test")
    return name


async def publish(api: Cluster, project: str, name: str = "shop", **spec: object) -> str:
    """Make a Route and wait until it says it is ready; its host."""
    manifest: Manifest = {
        "apiVersion": "paas.dev/v1",
        "kind": "Route",
        "metadata": {"name": name, "namespace": project},
        "spec": {"to": {"kind": "Service", "name": "shop"}, **spec},
    }
    await api.create(manifest, manager="test")
    key = Key(project, name)

    async def ready() -> bool:
        return await condition(api, ROUTE, key, "Ready") == ("True", "Reconciled")

    await eventually(ready)
    found = await api.get(ROUTE, key)
    assert found is not None
    assert found["status"]["address"] == "127.0.0.1"
    return str(found["status"]["host"])


async def answers(
    edge: Edge, host: str, status: int, path: str = "/", *, tls: bool, **headers: str
) -> tuple[str, str]:
    """Wait for this status (Traefik takes up an Ingress a moment after it says so); body and Location."""

    async def ask() -> tuple[str, str] | None:
        found, body, location = await asyncio.to_thread(edge.ask, host, path, tls=tls, **headers)
        return (body or "-", location) if found == status else None

    found: tuple[str, str] = await eventually(ask)
    return found


async def test_t17_an_editor_takes_neither_the_platforms_host_nor_anothers(
    api: Cluster, cluster: ApiServer, edge: Edge, project: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(policies, cluster, tmp_path)
    # The platform's own Ingress, with the test's server behind it.
    await api.apply(edge.service("paas-system", "shop"), manager="test")
    port = edge.backend.server_port
    own = ingress("the-platforms", "paas-system", f"paas.{DOMAIN}", class_name=CLASS, port=port)
    await api.apply(own, manager="paas-install")
    theirs = await publish(api, project, host=f"www.{project}.example")
    mine = await make_project(api, "attacker")
    # What would get the stolen requests has no pods, and so answers otherwise than the test's server.
    await api.create(empty(Key(mine, "shop")), manager="test")
    await answers(edge, f"paas.{DOMAIN}", 200, "/git/x", tls=False)
    priority = {"annotations": {"traefik.ingress.kubernetes.io/router.priority": "100000"}}
    tries = [
        ingress("a", mine, f"paas.{DOMAIN}", "/git", class_name=CLASS, **priority),
        ingress("b", mine, theirs, "/secret", class_name=CLASS, **priority),
        ingress("c", mine, None, "/git", class_name=CLASS, **priority),
    ]
    async with await editor(api, cluster, Key(mine, "developer"), tmp_path / "developer") as door:
        for attempt in tries:
            with pytest.raises(DeniedByPolicy):
                await door.create(attempt, manager="somebody")
    for asked, path in ((f"paas.{DOMAIN}", "/git/x"), (theirs, "/secret")):
        await answers(edge, asked, 200, path, tls=False)
    # The same by somebody who may: it would have worked, so that it is the policy that keeps them out.
    await api.create(tries[0], manager="test")
    await answers(edge, f"paas.{DOMAIN}", 503, "/git/x", tls=False)
    await api.delete(INGRESS, Key(mine, "a"))
    await answers(edge, f"paas.{DOMAIN}", 200, "/git/x", tls=False)
    await api.delete(INGRESS, key_of(own))  # other tests of this API server have one for the same host


def policies(cluster: ApiServer, folder: Path) -> None:
    asyncio.run(install_policies(cluster, Settings(domain=DOMAIN, ingress_class=CLASS), folder))


def empty(key: Key) -> Manifest:
    """A Service without pods."""
    ports = [{"port": 80}]
    metadata = {"namespace": key.namespace, "name": key.name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


async def test_redirect_leads_to_the_external_https_port_and_never_in_circles(
    api: Cluster, edge: Edge, project: str
) -> None:
    host = await publish(api, project, tls=TLS["Redirect"])
    _, location = await answers(edge, f"{host}:{edge.http_port}", 302, "/a/b?c=d", tls=False)
    assert location == f"https://{host}:{edge.https_port}/a/b?c=d"
    _, location = await answers(edge, host, 302, "/", tls=False)  # a client that left the port out
    assert location == f"https://{host}:{edge.https_port}/"
    for named in (host, f"{host}:{edge.https_port}", f"{host}:443"):
        body, _ = await answers(edge, named, 200, "/a/b?c=d", tls=True)
        assert body == f"{named}/a/b?c=d"
    # nobody gets around it by claiming to have come by https
    await answers(edge, host, 302, "/", tls=False, **{"X-Forwarded-Proto": "https"})


async def test_none_serves_https_only(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, tls=TLS["None"])
    await answers(edge, host, 200, tls=True)
    await answers(edge, host, 404, tls=False)


async def test_the_default_policy_is_none(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, tls={"termination": "edge"})
    await answers(edge, host, 200, tls=True)
    await answers(edge, host, 404, tls=False)


async def test_allow_serves_both(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, tls=TLS["Allow"])
    await answers(edge, host, 200, tls=True)
    await answers(edge, host, 200, tls=False)


async def test_without_tls_only_plain_http_is_served(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project)
    await answers(edge, host, 200, tls=False)
    await answers(edge, host, 404, tls=True)


async def test_a_changed_policy_takes_effect(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, tls=TLS["Redirect"])
    await answers(edge, host, 302, tls=False)
    for policy, status in (("Allow", 200), ("None", 404), ("Redirect", 302)):
        patch = {"spec": {"tls": {"insecureEdgeTerminationPolicy": policy}}}
        await api.patch(ROUTE, Key(project, "shop"), patch, manager="test")
        await answers(edge, host, status, tls=False)
        await answers(edge, host, 200, tls=True)


async def test_a_path_is_a_prefix_of_whole_parts(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, path="/api", tls=TLS["None"])
    await answers(edge, host, 200, "/api", tls=True)
    await answers(edge, host, 200, "/api/v1?x=1", tls=True)
    await answers(edge, host, 404, "/", tls=True)
    await answers(edge, host, 404, "/apis", tls=True)


async def test_a_deeper_host_is_served_with_a_certificate_of_its_own(
    api: Cluster, edge: Edge, project: str
) -> None:
    host = f"deep.{project}.{DOMAIN}"  # which the wildcard does not cover: asking verifies the certificate
    await publish(api, project, host=host, tls=TLS["Redirect"])

    async def verified() -> bool:
        try:
            status, _, _ = await asyncio.to_thread(edge.ask, host, tls=True)
        except ssl.SSLCertVerificationError:
            return False
        return status == 200

    await eventually(verified)


async def test_a_deleted_route_is_no_longer_served(api: Cluster, edge: Edge, project: str) -> None:
    host = await publish(api, project, tls=TLS["Redirect"])
    await answers(edge, host, 200, tls=True)
    await api.delete(ROUTE, Key(project, "shop"))

    async def gone() -> bool:
        found = [await asyncio.to_thread(edge.ask, host, tls=tls) for tls in (True, False)]
        return [status for status, _, _ in found] == [404, 404]

    await eventually(gone, seconds=60)  # the garbage collector learns of a new kind every 30 s
