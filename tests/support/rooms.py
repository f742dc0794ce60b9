"""What the integration tests of images, routes and projects share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from paas.api.names import LABEL_PROJECT
from paas.api.resources import NAMESPACE, SERVICEACCOUNT, Key, Manifest, Resource
from paas.install.apply import apply_crds
from paas.kube.cluster import Cluster
from paas.reconcile.conditions import timestamp
from paas.registry.repositories import Repositories, repositories_of
from paas.settings import Settings
from tests.support.authority import new_authority

KEY = "0123456789abcdef0123456789abcdef"
"""The credentials key of the tests."""
API_SERVER = "https://kubernetes.default.svc"
"""Audience of tokens for the API server itself."""


def settings_in(folder: Path, **more: Any) -> Settings:
    """Settings of a platform with a CA for apps.test and a credentials key, whose files are in `folder`."""
    certificate, key = new_authority(["apps.test"], now=datetime.now(UTC))
    files = {"ca.crt": certificate, "ca.key": key, "credentials.key": f"{KEY}\n".encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    given: dict[str, Any] = {
        "domain": "apps.test",
        "ca_file": folder / "ca.crt",
        "ca_key_file": folder / "ca.key",
        "credentials_key_file": folder / "credentials.key",
    }
    return Settings(**{**given, **more})


async def connect(kubeconfig: Path) -> Cluster:
    """The API server with the platform's kinds on it."""
    api = await Cluster.connect(kubeconfig)
    await apply_crds(api)
    return api


async def prepare(kubeconfig: Path) -> None:
    """Put the platform's kinds on the API server, for those who watch them."""
    async with await connect(kubeconfig):
        pass


async def make_project(api: Cluster, prefix: str) -> str:
    """A namespace of its own with the project label."""
    name = f"{prefix}-{uuid4().hex[:6]}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {LABEL_PROJECT: "true"}},
    }
    await api.create(manifest, manager="test")
    return name


async def repositories(api: Cluster, project: str, *, by_name_until: str = "") -> Repositories:
    """The repositories of a project in the registry."""
    namespace = await api.get(NAMESPACE, Key("", project))
    assert namespace is not None
    found = repositories_of(namespace, by_name_until=by_name_until)
    assert found is not None
    return found


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """The first true answer of `check`, asked every 20 ms."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (answer := await check()):
        assert asyncio.get_running_loop().time() < deadline, f"it did not happen in {seconds} s"
        await asyncio.sleep(0.02)
    return answer


async def after_second(moment: str) -> None:
    """Wait until what is made is younger than `moment` (RFC 3339), as the API server's times are."""

    async def passed() -> bool:
        return timestamp(datetime.now(UTC)) > moment

    await eventually(passed)


async def condition(api: Cluster, resource: Resource, key: Key, type_: str) -> tuple[str, str]:
    """Status and reason of a condition; two empty texts when it is not there."""
    obj = await api.get(resource, key)
    for found in ((obj or {}).get("status") or {}).get("conditions") or ():
        if found["type"] == type_:
            return found["status"], found["reason"]
    return "", ""


async def token_of(
    api: Cluster, namespace: str, account: str, *, audience: str = API_SERVER, seconds: int = 600
) -> str:
    """A bound token of a ServiceAccount (TokenRequest), valid for `seconds` (at least 600)."""
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": seconds},
    }
    answer = await api.request("POST", SERVICEACCOUNT.path(namespace, account, "token"), body=body)
    return str(answer["status"]["token"])


async def set_status(api: Cluster, obj: Manifest, status: Manifest, *, manager: str = "test") -> Manifest:
    """Write a status as another controller would."""
    body = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {"name": obj["metadata"]["name"], "namespace": obj["metadata"]["namespace"]},
        "status": status,
    }
    return await api.apply(body, manager=manager, subresource="status")
