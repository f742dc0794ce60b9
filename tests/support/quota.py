"""A ResourceQuota that is full, on an API server beside which no quota controller runs."""

from __future__ import annotations

from paas.api.resources import Manifest
from paas.kube.cluster import Cluster


class Quota:
    """A ResourceQuota that has no room for any object of some kind."""

    def __init__(self, api: Cluster, namespace: str, counted: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        self._hard = {f"count/{counted}": "0"}

    async def fill(self) -> None:
        quota: Manifest = {"metadata": {"name": "small"}, "spec": {"hard": self._hard}}
        await self._api.request("POST", self._path, body=quota)
        # no quota controller runs here: its part, which admission looks at
        status = {"status": {"hard": self._hard, "used": self._hard}}
        await self._api.request(
            "PATCH", f"{self._path}/small/status", body=status, content_type="application/merge-patch+json"
        )

    async def lift(self) -> None:
        await self._api.request("DELETE", f"{self._path}/small")
