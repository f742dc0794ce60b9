"""Runs commands of `paas` in this process, as a person with a kubeconfig and a home of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from paas.api import names
from paas.api.resources import Manifest
from paas.cli.main import run
from paas.install.apply import apply_crds
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists

T = TypeVar("T")
URL = "https://paas.apps.localhost:8443"
CA = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    def ok(self) -> Said:
        assert self.code == 0, f"exit code {self.code}\n{self.out}{self.err}"
        return self


@dataclass
class Person:
    """Somebody at a terminal, working in one project."""

    kubeconfig: Path
    home: Path
    project: str
    env: dict[str, str] = field(default_factory=dict)

    def paas(self, *arguments: str) -> Said:
        """Run `paas ARGUMENTS -n PROJECT`."""
        out, err = io.StringIO(), io.StringIO()
        given = [*arguments, "-n", self.project, "--kubeconfig", str(self.kubeconfig)]
        with self._environment(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(given)
        assert "Traceback" not in err.getvalue()
        return Said(code, out.getvalue(), err.getvalue())

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        wanted = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"), **self.env}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)

    def cluster(self, work: Callable[[Cluster], Awaitable[T]]) -> T:
        """Do something at the API server, beside the command line."""

        async def connected() -> T:
            async with await Cluster.connect(self.kubeconfig) as cluster:
                return await work(cluster)

        return asyncio.run(connected())

    def create(self, *manifests: Manifest) -> list[Manifest]:
        async def work(cluster: Cluster) -> list[Manifest]:
            return [await cluster.create(manifest, manager="test") for manifest in manifests]

        return self.cluster(work)

    def status(self, manifest: Manifest, status: dict[str, Any]) -> Manifest:
        """Write a status, as a controller would."""
        from paas.api.resources import key_of, resource_of

        async def work(cluster: Cluster) -> Manifest:
            resource, key = resource_of(manifest), key_of(manifest)
            return await cluster.patch(
                resource, key, {"status": status}, manager="test", subresource="status"
            )

        return self.cluster(work)


def install(kubeconfig: Path) -> None:
    """CRDs and what clients read of the platform; no process of it runs."""

    async def work() -> None:
        async with await Cluster.connect(kubeconfig) as cluster:
            await apply_crds(cluster)
            info = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "paas-info", "namespace": names.SYSTEM_NAMESPACE},
                "data": {
                    "url": URL, "ca.crt": CA, "domain": "apps.localhost", "https-port": "8443",
                    "http-port": "8080",
                },
            }  # fmt: skip
            for manifest in (namespace(names.SYSTEM_NAMESPACE), info):
                with contextlib.suppress(AlreadyExists):
                    await cluster.create(manifest, manager="test")

    asyncio.run(work())


def namespace(name: str, **labels: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def project(name: str) -> list[Manifest]:
    """A project as the projects controller leaves it, as far as the command line looks."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "pusher", "namespace": name},
    }
    return [namespace(name, **{names.LABEL_PROJECT: "true"}), account]
