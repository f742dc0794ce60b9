"""People and processes with less than all rights, on a real API server of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from paas.api.resources import ROLE, Key, Manifest
from paas.kube.cluster import Cluster
from paas.node.apiserver import ApiServer
from tests.support.rooms import token_of

RBAC = "rbac.authorization.k8s.io"


async def kubeconfig_of(api: Cluster, cluster: ApiServer, account: Key, path: Path) -> Path:
    """A kubeconfig with a token of a ServiceAccount, written to `path`."""
    token = await token_of(api, account.namespace, account.name, seconds=3600)
    reached = {"server": cluster.url, "certificate-authority": str(cluster.authority)}
    context = {"cluster": "c", "user": "u", "namespace": account.namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": reached}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": context}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def make_account(api: Cluster, account: Key, *, cluster_role: str | None = None) -> None:
    """A ServiceAccount, bound to a ClusterRole in its own namespace."""
    metadata = {"namespace": account.namespace, "name": account.name}
    await api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, manager="test")
    if cluster_role is not None:
        await bind(api, account, {"kind": "ClusterRole", "name": cluster_role})


async def grant(api: Cluster, account: Key, *rules: dict[str, Any]) -> None:
    """Further rights of a ServiceAccount in its own namespace."""
    name = f"{account.name}-{len(await api.list(ROLE, account.namespace))}"
    metadata = {"namespace": account.namespace, "name": name}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)}
    await api.create(role, manager="test")
    await bind(api, account, {"kind": "Role", "name": name})


async def bind(api: Cluster, account: Key, role: dict[str, str]) -> None:
    metadata = {"namespace": account.namespace, "name": f"{account.name}-{role['name']}"}
    binding: Manifest = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, **role},
        "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}],
    }
    await api.create(binding, manager="test")
