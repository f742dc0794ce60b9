"""A project whose plans are applied at once, as the API server would have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paas.api.names import PULL_SECRET
from paas.api.project import SECRETS_ROLE
from paas.api.resources import Manifest, resource_of
from paas.projects.plan import GrantPull, Observed, plan
from paas.reconcile.plan import Apply, Event, Plan, Requeue
from paas.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(registry_pull="registry.test:5000", build_networks=("192.168.7.0/24",))


def namespace(name: str = "demo", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "uid": f"{name}-uid",
            "labels": {"paas.dev/project": "true", "kubernetes.io/metadata.name": name, **labels},
        },
    }


def account(name: str = "default", *secrets: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": "demo", "name": name, "uid": f"sa-{name}"},
        **({"imagePullSecrets": [{"name": secret} for secret in secrets]} if secrets else {}),
    }


def observed(**changes) -> Observed:
    return replace(Observed(namespace(), "s3cret", {}, account()), **changes)


def planned(cluster: Observed) -> Plan:
    return plan(cluster, now=NOW, settings=SETTINGS)


def applied(result: Plan, cluster: Observed) -> Observed:
    """The cluster after a plan, as the API server would have it."""
    children, bound = dict(cluster.children), cluster.may_write_secrets
    for action in result.actions:
        match action:
            case Apply(manifest) if manifest["kind"] == "Namespace":
                metadata = dict(cluster.namespace["metadata"])
                for part in ("labels", "annotations"):
                    metadata[part] = {**metadata.get(part, {}), **manifest["metadata"].get(part, {})}
                cluster = replace(cluster, namespace={**cluster.namespace, "metadata": metadata})
            case Apply(manifest, uid):
                key = resource_of(manifest), manifest["metadata"]["name"]
                live = children.get(key)
                assert uid == (live["metadata"]["uid"] if live else None), "only what was seen is forced"
                children[key] = {
                    **manifest,
                    "metadata": {
                        "creationTimestamp": (live or {"metadata": {}})["metadata"].get("creationTimestamp")
                        or NOW.isoformat(),
                        **manifest["metadata"],
                        "uid": uid or f"uid-{key[1]}",
                    },
                }
                if manifest["kind"] == "Secret":
                    assert cluster.may_write_secrets
                if key[1] == SECRETS_ROLE:
                    bound = True
            case GrantPull("demo", "default"):
                before = cluster.default_account or {}
                secrets = [*before.get("imagePullSecrets", ()), {"name": PULL_SECRET}]
                cluster = replace(cluster, default_account={**before, "imagePullSecrets": secrets})
            case Event() | Requeue():
                pass
            case _:
                pytest.fail(f"a project's plan has no {action}")
    return replace(cluster, children=children, may_write_secrets=bound)


def settled(cluster: Observed) -> Observed:
    """After its plans, until the last of them writes nothing."""
    for _ in range(3):
        cluster = applied(planned(cluster), cluster)
    assert not planned(cluster).writes
    return cluster


def given_all() -> Observed:
    return settled(observed())
