"""A real registry on loopback whose tokens come from the platform's endpoint, served by a real uvicorn.

Everything speaks TLS by an authority of the test's own. Builds and Namespaces are looked up at the real API
server.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from ssl import SSLContext, create_default_context

import uvicorn
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from paas.api.resources import BUILD, NAMESPACE, Key, Manifest
from paas.front.cluster import collecting
from paas.kube.cluster import Cluster
from paas.registry.http import TokenDependencies, TokenHttp
from paas.registry.signer import Signer
from paas.routes.certificates import Authority, issue
from tests.support.authority import new_authority

SERVICE = "registry.test"


@dataclass(frozen=True)
class Registry:
    """Where it is, and what a test needs to speak to it."""

    address: str
    token_url: str
    ca_file: Path
    binaries: Path
    folder: Path
    signer: Signer
    process: subprocess.Popen[bytes]

    @property
    def tls(self) -> SSLContext:
        return create_default_context(cafile=str(self.ca_file))

    def crane(self, *args: str, user: str = "", password: str = "") -> subprocess.CompletedProcess[str]:
        """Run crane, a client of the distribution API, with this credential (none: anonymous)."""
        config = self.folder / f"config-{abs(hash((user, password)))}"
        config.mkdir(exist_ok=True)
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        auths = {self.address: {"auth": auth}} if user else {}
        (config / "config.json").write_text(json.dumps({"auths": auths}))
        return subprocess.run(
            [str(self.binaries / "crane"), *args],
            env={
                "PATH": os.environ["PATH"],
                "DOCKER_CONFIG": str(config),
                "SSL_CERT_FILE": str(self.ca_file),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def push(self, repository: str, tag: str, *, user: str = "", password: str = ""):
        """Push an image of one small layer."""
        layer = self.folder / "layer.tar"
        if not layer.exists():
            with tarfile.open(layer, "w") as tar:
                info = tarfile.TarInfo("hello.txt")
                info.size = 6
                tar.addfile(info, BytesIO(b"hello\n"))
        target = f"{self.address}/{repository}:{tag}"
        return self.crane(
            "append", "--oci-empty-base", "-f", str(layer), "-t", target, user=user, password=password
        )


@contextlib.contextmanager
def serving(
    folder: Path, *, binaries: Path, kubeconfig: Path, credential_key: bytes, by_name_until: str = ""
) -> Iterator[Registry]:
    """A registry and its token endpoint, until the block ends."""
    now = datetime.now(UTC)
    ca, ca_key = new_authority(["localhost"], now=now)
    certificate, key = issue(Authority.load(ca, ca_key), ["localhost"], now=now)
    for name, content in (("ca.crt", ca), ("tls.crt", certificate), ("tls.key", key)):
        (folder / name).write_bytes(content)
    signer = Signer(new_signing_key())
    (folder / "jwks.json").write_text(json.dumps(signer.jwks))
    with _token_endpoint(folder, signer, kubeconfig, credential_key, by_name_until) as port:
        token_url = f"https://localhost:{port}/registry/token"
        registry_port = _free_port()
        process = _start(folder, binaries, registry_port, token_url)
        try:
            registry = Registry(
                f"localhost:{registry_port}", token_url, folder / "ca.crt", binaries, folder, signer, process
            )
            _wait_answering(registry)
            yield registry
        finally:
            process.terminate()
            process.wait(10)


def new_signing_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _start(folder: Path, binaries: Path, port: int, token_url: str) -> subprocess.Popen[bytes]:
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")},
        },
        "auth": {
            "token": {
                "realm": token_url,
                "service": SERVICE,
                "issuer": "paas",
                "jwks": str(folder / "jwks.json"),
                "signingalgorithms": ["ES256"],
            }
        },
    }
    (folder / "registry.yaml").write_text(yaml.safe_dump(config))
    log = (folder / "registry.log").open("ab")
    return subprocess.Popen(
        [str(binaries / "registry"), "serve", str(folder / "registry.yaml")], stdout=log, stderr=log
    )


def _wait_answering(registry: Registry) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert registry.process.poll() is None, (registry.folder / "registry.log").read_text()
        try:
            urllib.request.urlopen(f"https://{registry.address}/v2/", context=registry.tls, timeout=5)
        except urllib.error.HTTPError as answer:
            if answer.code == 401:
                return  # it asks for a token
            raise
        except OSError:
            assert time.monotonic() < deadline, "the registry did not answer in 20 s"
            time.sleep(0.05)


@contextlib.contextmanager
def _token_endpoint(
    folder: Path, signer: Signer, kubeconfig: Path, credential_key: bytes, by_name_until: str
) -> Iterator[int]:
    doors: list[Cluster] = []

    async def door() -> Cluster:
        if not doors:
            doors.append(await Cluster.connect(kubeconfig))
        return doors[0]

    async def find_build(key: Key) -> Manifest | None:
        return await (await door()).get(BUILD, key)

    async def find_namespace(name: str) -> Manifest | None:
        return await (await door()).get(NAMESPACE, Key("", name))

    async def is_collecting() -> bool:
        return await collecting(await door())

    app = TokenHttp(
        TokenDependencies(
            signer=signer,
            service=SERVICE,
            credential_key=credential_key,
            find_build=find_build,
            find_namespace=find_namespace,
            collecting=is_collecting,
            by_name_until=by_name_until,
        )
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            ssl_certfile=str(folder / "tls.crt"),
            ssl_keyfile=str(folder / "tls.key"),
        )
    )

    async def main() -> None:
        await server.serve(sockets=[listening])
        for opened in doors:
            await opened.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
