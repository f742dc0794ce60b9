"""The real server against a real API server, under the role that deploy/ gives it, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from paas.api import names
from paas.api.resources import BUILD, Manifest
from paas.front import cluster as front_cluster
from paas.front.app import Front
from paas.install.apply import apply_crds
from paas.kube.cluster import Cluster
from paas.projects.default_objects import default_objects
from paas.routes.certificates import Authority, issue
from paas.server.app import Server
from paas.server.cluster import dependencies_of
from paas.settings import BuildSettings, Settings
from paas.web.dispatch import ByPath
from paas.web.serving import beside, serving
from tests.support.authority import new_authority
from tests.support.git_server import wait_for
from tests.support.rooms import token_of

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS_KEY = "0123456789abcdef0123456789abcdef"


def build_config(project: str, name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "BuildConfig",
        "metadata": {"namespace": project, "name": name},
        "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": f"{name}:latest"}}, **spec},
    }


def account(project: str, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": project, "name": name}}


def bound(project: str, account_name: str, role: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"namespace": project, "name": f"{account_name}-{role}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": project, "name": account_name}],
    }


@dataclass
class Platform:
    """The real server in a thread of its own, and an administrator's access to the API server."""

    kubeconfig: Path
    folder: Path
    port: int = 0
    tls_port: int = 0
    health_port: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    answers_lost: int = 0
    """How many of the next builds by hand are made without an answer: who asks gets a proxy's 502."""

    @property
    def authority(self) -> str:
        """PEM of what the certificate at `address` is checked by."""
        return (self.folder / "ca.crt").read_text()

    @property
    def address(self) -> str:
        return f"https://paas.apps.localhost:{self.tls_port}"

    def do(self, work: Callable[[Cluster], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with await Cluster.connect(self.kubeconfig) as cluster:
                return await work(cluster)

        return asyncio.run(connected())

    def apply(self, *manifests: Manifest) -> list[Manifest]:
        async def work(cluster: Cluster) -> list[Manifest]:
            return [await cluster.apply(manifest, manager="test") for manifest in manifests]

        return self.do(work)

    def token(self, project: str, name: str, *, audience: str = names.TOKEN_AUDIENCE) -> str:
        return self.do(lambda cluster: token_of(cluster, project, name, audience=audience))

    def project(self) -> str:
        """The name of a new project with the rights in it that the projects controller gives."""
        name = f"push-{secrets.token_hex(3)}"
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {names.LABEL_PROJECT: "true"}},
        }
        (made,) = self.apply(namespace)
        defaults = default_objects(made, pull_password="unused", settings=Settings())
        rights = [manifest for manifest in defaults if manifest["kind"] == "RoleBinding"]
        self.apply(account(name, "pusher"), *rights)
        return name

    def builds(self, project: str) -> list[Manifest]:
        found = self.do(lambda cluster: cluster.list(BUILD, project))
        return sorted(found, key=lambda build: int(build["spec"]["number"]))

    def url(self, project: str, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/git/{project}/{name}.git"

    async def serve(self, stop: threading.Event, ready: threading.Event) -> None:
        """Serve as the ServiceAccounts `server` and `front` until `stop`, at one address."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "token.key").write_bytes(pem)
        (self.folder / "credentials.key").write_text(CREDENTIALS_KEY + "\n")
        settings = Settings(
            repositories=self.folder / "repositories",
            credentials_key_file=self.folder / "credentials.key",
            registry_token_key_file=self.folder / "token.key",
            builds=BuildSettings(stop_wait_seconds=1),
            **self.settings,
        )
        async with await Cluster.connect(self.kubeconfig) as admin:
            tokens = [
                await token_of(admin, names.SYSTEM_NAMESPACE, name, seconds=3600)
                for name in ("server", "front")
            ]
        async with (
            await Cluster.connect(self.kubeconfig, token=tokens[0]) as cluster,
            await Cluster.connect(self.kubeconfig, token=tokens[1]) as of_front,
        ):
            server = Server(dependencies_of(cluster, settings))
            front = Front(front_cluster.dependencies_of(of_front, settings))
            app = ByPath({"/webhooks/": front.app, "/registry/": front.app}, server.app)
            plain = serving(app, on_stop=server.receiver.stop_following, host="127.0.0.1", port=0)
            secure = serving(self._losing(app), on_stop=lambda: None, host="127.0.0.1", port=0)
            secure.config.lifespan = "off"  # it is the same server once more
            secure.config.ssl_certfile, secure.config.ssl_keyfile = self._certificate()
            running = []
            for uvicorn in (plain, secure):
                running.append(asyncio.create_task(uvicorn.serve()))
                while not uvicorn.started:
                    await asyncio.sleep(0.01)
                    assert not running[-1].done(), running[-1].result()
            self.port, self.tls_port = (
                uvicorn.servers[0].sockets[0].getsockname()[1] for uvicorn in (plain, secure)
            )
            async with beside(server.health, host="127.0.0.1", port=0) as self.health_port:
                ready.set()
                await asyncio.to_thread(stop.wait)
            secure.should_exit = True
            await running[1]
            plain.should_exit = True
            await running[0]

    def _certificate(self) -> tuple[Path, Path]:
        """Files of a certificate for the address, and of its key."""
        now = datetime.now(UTC)
        authority = new_authority(["apps.localhost"], now=now)
        (self.folder / "ca.crt").write_bytes(authority[0])
        issued = issue(Authority.load(*authority), ["paas.apps.localhost"], now=now)
        paths = self.folder / "tls.crt", self.folder / "tls.key"
        for path, content in zip(paths, issued, strict=True):
            path.write_bytes(content)
        return paths

    def _losing(self, app: Any) -> Any:
        async def losing(scope: Any, receive: Any, send: Any) -> None:
            if not scope["path"].endswith("/instantiate") or self.answers_lost == 0:
                await app(scope, receive, send)
                return
            self.answers_lost -= 1

            async def lost(_message: Any) -> None: ...

            await app(scope, receive, lost)
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": b"Bad Gateway"})

        return losing


@contextlib.contextmanager
def served(kubeconfig: Path, folder: Path, **settings: Any) -> Iterator[Platform]:
    """The server with these settings, as long as the context lasts."""
    made = Platform(kubeconfig, folder, settings=settings)
    made.do(apply_crds)
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.SYSTEM_NAMESPACE}}
    made.apply(system, *yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text()))
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(stop, ready)))
    thread.start()
    try:
        wait_for(lambda: ready.is_set() or not thread.is_alive(), "the server serves", seconds=60)
        assert ready.is_set()
        yield made
    finally:
        stop.set()
        thread.join(60)
