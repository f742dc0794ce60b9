"""The objects of every project, as manifests: identities, the right to pull, limits and isolation."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from paas.api import names
from paas.api.project import PUSHER_ROLE, SECRETS_ROLE, WEBHOOKS_ROLE
from paas.api.resources import (
    LIMITRANGE,
    NETWORKPOLICY,
    ROLEBINDING,
    SECRET,
    SERVICEACCOUNT,
    Manifest,
    Resource,
)
from paas.auth.credentials import project_user
from paas.kube.network_peers import peers
from paas.settings import Settings

LIMITS: Final = "paas-defaults"
ISOLATION: Final = "paas-isolation"
BUILD_ISOLATION: Final = "paas-builds"

NAMES: Final[tuple[tuple[Resource, str], ...]] = (
    (ROLEBINDING, SECRETS_ROLE),
    (SERVICEACCOUNT, names.SERVICE_ACCOUNT_BUILDER),
    (SERVICEACCOUNT, names.SERVICE_ACCOUNT_PUSHER),
    (SECRET, names.PULL_SECRET),
    (ROLEBINDING, PUSHER_ROLE),
    (ROLEBINDING, WEBHOOKS_ROLE),
    (LIMITRANGE, LIMITS),
    (NETWORKPOLICY, ISOLATION),
    (NETWORKPOLICY, BUILD_ISOLATION),
)
"""Resource and name of everything that `default_objects` makes, in its order: the operator's own right to a
project's Secrets comes before the Secret."""

PRIVATE_NETWORKS: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
"""Addresses that no build reaches: the cluster's own, the API server's, and a cloud's metadata service."""
PRIVATE_NETWORKS_V6: Final = ("::1/128", "fc00::/7", "fe80::/10")


def default_objects(namespace: Manifest, *, pull_password: str, settings: Settings) -> list[Manifest]:
    """The manifests of `NAMES`, owned by the Namespace. `pull_password` belongs to this project's pods."""
    project = namespace["metadata"]["name"]
    specs: list[dict[str, Any]] = [
        _binding(SECRETS_ROLE, names.SYSTEM_NAMESPACE, names.SERVICE_ACCOUNT_OPERATOR),
        {"imagePullSecrets": [{"name": names.PULL_SECRET}], "automountServiceAccountToken": False},
        {"automountServiceAccountToken": False},
        {
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": _docker_config(settings.registry_pull, project, pull_password)},
        },
        _binding(PUSHER_ROLE, project, names.SERVICE_ACCOUNT_PUSHER),
        _binding(
            WEBHOOKS_ROLE,
            names.SYSTEM_NAMESPACE,
            names.SERVICE_ACCOUNT_SERVER,
            names.SERVICE_ACCOUNT_FRONT,
        ),
        {"spec": _limits()},
        {"spec": _isolation(settings)},
        {"spec": _build_isolation(settings)},
    ]
    return [
        {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "namespace": project,
                "name": name,
                "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY},
                "ownerReferences": [_owner(namespace)],
            },
            **spec,
        }
        for (resource, name), spec in zip(NAMES, specs, strict=True)
    ]


def _owner(namespace: Manifest) -> Manifest:
    # Without blockOwnerDeletion, for which one would need a right on the finalizers of all namespaces.
    metadata = namespace["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def _binding(role: str, namespace: str, *accounts: str) -> dict[str, Any]:
    """Of a ClusterRole, in the project, to ServiceAccounts of a namespace."""
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [
            {"kind": "ServiceAccount", "name": account, "namespace": namespace} for account in accounts
        ],
    }


def _docker_config(registry: str, project: str, password: str) -> str:
    user = project_user(project)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    config = {"auths": {registry: {"username": user, "password": password, "auth": auth}}}
    return base64.b64encode(json.dumps(config, sort_keys=True).encode()).decode()


def _limits() -> Manifest:
    """For containers that say nothing themselves; enough to start anything, not enough to take a node."""
    return {
        "limits": [
            {
                "type": "Container",
                "default": {"memory": "1Gi"},
                "defaultRequest": {"cpu": "10m", "memory": "64Mi"},
            }
        ]
    }


def _ingress_controllers(settings: Settings) -> list[Manifest]:
    """Where requests from outside come from, and the platform itself, as the peers of a NetworkPolicy."""
    return peers(namespaces=_namespaces(settings), networks=settings.ingress_networks)


def _namespaces(settings: Settings) -> set[str]:
    return {names.SYSTEM_NAMESPACE, *settings.ingress_namespaces}


def _builds(operator: str) -> Manifest:
    return {"matchExpressions": [{"key": names.LABEL_BUILD, "operator": operator}]}


def _isolation(settings: Settings) -> Manifest:
    """Pods are reached from their own project and from the ingress controller."""
    return {
        "podSelector": _builds("DoesNotExist"),
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}, *_ingress_controllers(settings)]}],
    }


def _build_isolation(settings: Settings) -> Manifest:
    """Nobody reaches a build; it reaches DNS, the platform, what the settings add, and public addresses."""
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    platform = peers(namespaces=_namespaces(settings), networks=settings.build_networks)
    public = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE_NETWORKS)}},
        {"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_NETWORKS_V6)}},
    ]
    return {
        "podSelector": _builds("Exists"),
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"ports": dns}, {"to": [*platform, *public]}],
    }
