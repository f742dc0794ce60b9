"""A real API server takes every manifest of `deploy/` as it is, and drops no field of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from paas.api import names
from paas.api.resources import NAMESPACE, Key
from paas.install.apply import apply_crds, shipped_manifests
from paas.install.manifests import Keys, manifests
from paas.settings import Settings
from tests.support.rooms import connect

pytestmark = pytest.mark.integration


async def test_every_manifest_is_accepted_and_kept(cluster_kubeconfig: Path) -> None:
    async with await connect(cluster_kubeconfig) as api:
        await apply_crds(api)
        if await api.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
            namespace = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": names.SYSTEM_NAMESPACE},
            }
            await api.create(namespace, manager="test")
        made = manifests(shipped_manifests("deploy"), Settings(), Keys("a", "b", "c"), credentials_key="d")
        for manifest in made:
            stored = await api.apply(manifest, manager="test", dry_run=True)
            assert _missing(manifest, stored) == [], manifest["metadata"]["name"]


def _missing(wanted: object, stored: object, path: str = "") -> list[str]:
    """Paths of what is wanted and not stored; the API server adds, and writes quantities its own way."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        return [
            miss
            for key, value in wanted.items()
            for miss in (
                _missing(value, stored[key], f"{path}.{key}") if key in stored else [f"{path}.{key}"]
            )
        ]
    if isinstance(wanted, list) and isinstance(stored, list) and len(wanted) == len(stored):
        pairs = enumerate(zip(wanted, stored, strict=True))
        return [miss for at, (a, b) in pairs for miss in _missing(a, b, f"{path}[{at}]")]
    return [] if wanted == stored else [f"{path}: {wanted!r} is {stored!r}"]
