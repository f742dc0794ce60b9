"""Routes through a real Traefik: what https and plain http answer for every policy, and how it is certified.

Traefik reads the real API server. The pods are a small server of the test, behind an ExternalName Service.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from paas.api.resources import INGRESSCLASS, ROUTE, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.node import build as components
from paas.routes.certificates import Authority, issue
from paas.routes.controller import RoutesController
from paas.settings import Settings
from tests.support.authority import new_authority
from tests.support.operating import operating
from tests.support.rooms import condition, connect, eventually, make_project, prepare

pytestmark = pytest.mark.integration

DOMAIN = "apps.test"
CLASS = "traefik-of-the-test"
TLS = {
    policy: {"termination": "edge", "insecureEdgeTerminationPolicy": policy}
    for policy in ("None", "Allow", "Redirect")
}


class Echo(BaseHTTPRequestHandler):
    """Answers with the host and path it was asked for."""

    def do_GET(self) -> None:
        body = f"{self.headers['Host']}{self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Edge:
    """Where Traefik listens, and what answers behind it."""

    http_port: int
    https_port: int
    backend_port: int
    ca_file: Path

    def ask(self, host: str, path: str = "/", *, tls: bool, **headers: str) -> tuple[int, str, str]:
        """Status, body and Location of one GET, on a connection of its own."""
        port = self.https_port if tls else self.http_port
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            connection = http.client.HTTPConnection(host)
            if tls:
                context = ssl.create_default_context(cafile=str(self.ca_file))
                connection.sock = context.wrap_socket(plain, server_hostname=host.partition(":")[0])
            else:
                connection.sock = plain
            connection.request("GET", path, headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers.get("Location") or ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def edge(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("traefik")
    now = datetime.now(UTC)
    ca, ca_key = new_authority([DOMAIN], now=now)
    certificate, key = issue(Authority.load(ca, ca_key), [f"*.{DOMAIN}"], now=now)
    for name, content in (("ca.crt", ca), ("ca.key", ca_key), ("tls.crt", certificate), ("tls.key", key)):
        (folder / name).write_bytes(content)
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    found = Edge(free_port(), free_port(), backend.server_port, folder / "ca.crt")
    asyncio.run(prepare(cluster_kubeconfig))
    asyncio.run(make_class(cluster_kubeconfig))
    binaries = components.ensure(["traefik"], progress=lambda line: print(line, file=sys.stderr))
    with (folder / "traefik.log").open("wb") as log:
        process = subprocess.Popen(
            command(folder, binaries, found),
            env={"KUBECONFIG": str(cluster_kubeconfig)},
            stdout=log,
            stderr=log,
        )
    settings = Settings(
        domain=DOMAIN,
        http_port=found.http_port,
        https_port=found.https_port,
        ingress_class=CLASS,
        ca_file=folder / "ca.crt",
        ca_key_file=folder / "ca.key",
    )

    def make(cluster: Cluster, view: View, chosen: Settings) -> list[RoutesController]:
        return [RoutesController(cluster=cluster, view=view, settings=chosen)]

    try:
        with operating(cluster_kubeconfig, make, settings=settings):
            yield found
            assert process.poll() is None, (folder / "traefik.log").read_text()
    finally:
        process.terminate()
        process.wait(15)
        backend.shutdown()
        backend.server_close()


def command(folder: Path, binaries: Path, found: Edge) -> list[str]:
    """As the embedded cluster starts it, on other ports."""
    certificate = {"certFile": str(folder / "tls.crt"), "keyFile": str(folder / "tls.key")}
    redirect = {"scheme": "https", "port": str(found.https_port), "permanent": False}
    dynamic = {
        "tls": {"stores": {"default": {"defaultCertificate": certificate}}},
        "http": {"middlewares": {"paas-redirect": {"redirectScheme": redirect}}},
    }
    (folder / "dynamic.yaml").write_text(yaml.safe_dump(dynamic))
    return [
        str(binaries / "traefik"),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=INFO",
        f"--entrypoints.web.address=127.0.0.1:{found.http_port}",
        f"--entrypoints.websecure.address=127.0.0.1:{found.https_port}",
        "--entrypoints.websecure.http.tls=true",
        "--providers.providersthrottleduration=100ms",
        f"--providers.file.filename={folder / 'dynamic.yaml'}",
        "--providers.kubernetesingress=true",
        f"--providers.kubernetesingress.ingressclass={CLASS}",
        "--providers.kubernetesingress.allowemptyservices=true",
        "--providers.kubernetesingress.allowexternalnameservices=true",
        "--providers.kubernetesingress.strictprefixmatching=true",
        "--providers.kubernetesingress.ingressendpoint.ip=127.0.0.1",
    ]


async def make_class(kubeconfig: Path) -> None:
    async with await connect(kubeconfig) as api:
        if await api.get(INGRESSCLASS, Key("", CLASS)) is None:
            manifest = {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": CLASS},
                "spec": {"controller": "traefik.io/ingress-controller"},
            }
            await api.create(manifest, manager="test")


@pytest.fixture
async def project(api: Cluster, edge: Edge) -> str:
    name = await make_project(api, "edge")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": name},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": edge.backend_port}]},
    }
    await api.create(service, manager="test")
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
