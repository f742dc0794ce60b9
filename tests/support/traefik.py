"""A real Traefik that reads a real API server, as the embedded cluster starts it, on ports of its own.

What answers behind it is a small server of the test, by an ExternalName Service.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from paas.api.resources import INGRESSCLASS, Key, Manifest
from paas.node import build as components
from paas.node.config import middlewares
from paas.routes.certificates import Authority, issue
from paas.settings import Settings
from tests.support.authority import new_authority
from tests.support.rooms import connect

DOMAIN = "apps.test"
CLASS = "traefik-of-the-test"
INSIDE = "paas.paas.internal"


class Echo(BaseHTTPRequestHandler):
    """Answers with the host and path it was asked for, and notes each request."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Backend)
        self.server.seen.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = f"{self.headers['Host']}{self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


class Backend(ThreadingHTTPServer):
    """The server of the test; it serves until `close`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.seen: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


@dataclass(frozen=True)
class Edge:
    """Where Traefik listens, and what answers behind it."""

    http_port: int
    https_port: int
    folder: Path
    backend: Backend = field(default_factory=Backend)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def settings(self) -> Settings:
        """The platform's, with this Traefik before it."""
        return Settings(
            domain=DOMAIN,
            http_port=self.http_port,
            https_port=self.https_port,
            ingress_class=CLASS,
            retry_middleware="paas-retry@file",
            ca_file=self.ca_file,
            ca_key_file=self.folder / "ca.key",
        )

    def service(self, namespace: str, name: str, backend: Backend | None = None) -> Manifest:
        """A Service that leads to the backend, or to another one."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"name": "http", "port": (backend or self.backend).server_port}],
            },
        }

    def ask(
        self, host: str, path: str = "/", *, tls: bool, method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, str, str]:
        """Status, body and Location of one request, on a connection of its own."""
        port = self.https_port if tls else self.http_port
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            connection = http.client.HTTPConnection(host)
            if tls:
                context = ssl.create_default_context(cafile=str(self.ca_file))
                connection.sock = context.wrap_socket(plain, server_hostname=host.partition(":")[0])
            else:
                connection.sock = plain
            connection.request(method, path, body=body or None, headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers.get("Location") or ""


@contextlib.contextmanager
def traefik(kubeconfig: Path, folder: Path) -> Iterator[Edge]:
    """Traefik, its certificates and the backend, until the block ends."""
    now = datetime.now(UTC)
    ca, ca_key = new_authority([DOMAIN, "paas.internal"], now=now)
    certificate, key = issue(Authority.load(ca, ca_key), [f"*.{DOMAIN}", INSIDE], now=now)
    for name, content in (("ca.crt", ca), ("ca.key", ca_key), ("tls.crt", certificate), ("tls.key", key)):
        (folder / name).write_bytes(content)
    found = Edge(free_port(), free_port(), folder)
    binaries = components.ensure(["traefik"], progress=lambda line: print(line, file=sys.stderr))
    with (folder / "traefik.log").open("wb") as log:
        process = subprocess.Popen(
            command(folder, binaries, found), env={"KUBECONFIG": str(kubeconfig)}, stdout=log, stderr=log
        )
    try:
        yield found
        assert process.poll() is None, (folder / "traefik.log").read_text()
    finally:
        process.terminate()
        process.wait(15)
        found.backend.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def command(folder: Path, binaries: Path, found: Edge) -> list[str]:
    """As the embedded cluster starts it, on other ports."""
    certificate = {"certFile": str(folder / "tls.crt"), "keyFile": str(folder / "tls.key")}
    dynamic = {
        "tls": {"stores": {"default": {"defaultCertificate": certificate}}},
        "http": {"middlewares": middlewares(https_port=found.https_port)},
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
