"""The platform's own address through a real Traefik, by the very Ingresses of `deploy/`: https is served, and
plain http is answered before anything of ours reads the request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from paas.api import names
from paas.api.resources import INGRESS, NAMESPACE, SERVICE, Key, Manifest, key_of
from paas.install.apply import shipped_manifests
from paas.install.manifests import Keys, manifests
from paas.kube.cluster import Cluster
from tests.support.rooms import eventually
from tests.support.traefik import DOMAIN, INSIDE, Backend, Edge, make_class, traefik

pytestmark = pytest.mark.integration

HOST = f"paas.{DOMAIN}"
PATHS = [
    ("GET", "/git/demo/shop.git/info/refs?service=git-receive-pack"),
    ("POST", "/git/demo/shop.git/git-receive-pack"),
    ("GET", "/git/demo/shop/archive/0123456789012345678901234567890123456789.tar"),
    ("POST", "/webhooks/demo/shop/github"),
    ("GET", "/registry/token?service=registry.test"),
    ("POST", "/registry/token"),
    ("POST", "/apis/paas.dev/v1/namespaces/demo/buildconfigs/shop/instantiate"),
    ("GET", "/metrics"),
    ("GET", "/"),
]


@pytest.fixture(scope="module")
def edge(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    asyncio.run(make_class(cluster_kubeconfig))
    with traefik(cluster_kubeconfig, tmp_path_factory.mktemp("traefik")) as found:
        yield found


@pytest.fixture
def front() -> Iterator[Backend]:
    """What answers in the front's place; in the server's it is the edge's own backend."""
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture
async def installed(api: Cluster, edge: Edge, front: Backend) -> AsyncIterator[list[Manifest]]:
    """The platform's Ingresses, whose Services lead to the test's backends."""
    if await api.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SYSTEM_NAMESPACE}}
        await api.create(namespace, manager="test")
    made = manifests(shipped_manifests("deploy"), edge.settings, Keys("", "", ""), credentials_key="")
    ingresses = [manifest for manifest in made if manifest["kind"] == "Ingress"]
    services = {key_of(manifest).name for manifest in made if manifest["kind"] == "Service"}
    assert services == {"server", "front"}
    led = {"server": edge.backend, "front": front}
    for manifest in [
        *(edge.service(names.SYSTEM_NAMESPACE, name, led[name]) for name in services),
        *ingresses,
    ]:
        await api.apply(manifest, manager="test")

    async def served() -> bool:
        found = [await asyncio.to_thread(edge.ask, HOST, path, tls=True) for path in ("/", "/registry/token")]
        return [status for status, _, _ in found] == [200, 200] and bool(front.seen)

    await eventually(served)
    yield ingresses
    for manifest in ingresses:
        await api.delete(INGRESS, key_of(manifest))
    for name in services:
        await api.delete(SERVICE, Key(names.SYSTEM_NAMESPACE, name))


async def test_plain_http_is_redirected_before_a_credential_is_read(
    edge: Edge, installed: list[Manifest]
) -> None:
    async def redirected() -> bool:
        found = await asyncio.to_thread(edge.ask, HOST, tls=False)
        return found[0] == 302

    await eventually(redirected)  # Traefik takes up one Ingress after the other
    edge.backend.seen.clear()
    for method, path in PATHS:
        for host in (HOST, f"{HOST}:{edge.http_port}"):
            status, _, location = await asyncio.to_thread(
                edge.ask,
                host,
                path,
                tls=False,
                method=method,
                body=b"x" if method == "POST" else b"",
                Authorization="Basic cGFhczpzZWNyZXQ=",
                **{"X-Forwarded-Proto": "https"},
            )
            assert (status, location) == (
                302 if method == "GET" else 307,
                f"https://{HOST}:{edge.https_port}{path}",
            )
    assert edge.backend.seen == [], "nothing of the platform saw a request"


async def test_plain_http_is_refused_inside_the_cluster(edge: Edge, installed: list[Manifest]) -> None:
    edge.backend.seen.clear()
    for method, path in PATHS:
        status, _, location = await asyncio.to_thread(edge.ask, INSIDE, path, tls=False, method=method)
        assert (status, location) == (404, "")
    assert edge.backend.seen == []


async def test_tokens_and_webhooks_go_to_the_front_and_all_else_to_the_server(
    edge: Edge, front: Backend, installed: list[Manifest]
) -> None:
    for host in (HOST, INSIDE):
        front.seen.clear()
        edge.backend.seen.clear()
        for method, path in PATHS:
            await asyncio.to_thread(edge.ask, host, path, tls=True, method=method)
        of_front = [f"{m} {p}" for m, p in PATHS if p.startswith(("/registry/", "/webhooks/"))]
        assert front.seen == of_front
        assert edge.backend.seen == [f"{m} {p}" for m, p in PATHS if f"{m} {p}" not in of_front]


async def test_https_is_served_outside_and_inside(edge: Edge, installed: list[Manifest]) -> None:
    for host in (HOST, INSIDE):
        for method, path in PATHS:
            status, body, _ = await asyncio.to_thread(edge.ask, host, path, tls=True, method=method)
            assert (status, body) == (200, f"{host}{path}")


async def test_a_pod_that_takes_no_connection_is_asked_again(
    edge: Edge, front: Backend, installed: list[Manifest]
) -> None:
    """With two pods the next attempt goes to the other one; here there is none, so it takes its pauses."""
    front.close()
    began = time.monotonic()
    status, _, _ = await asyncio.to_thread(edge.ask, HOST, "/registry/token", tls=True)
    assert status == 502
    assert time.monotonic() - began > 0.3
