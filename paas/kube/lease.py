"""One active operator: a coordination.k8s.io Lease, held while working and released at the end.

The client library's leader election cannot release a lease, and it goes on renewing after the work it
guards has ended; so the four requests that it takes are made here. Every write carries the resourceVersion
that was read, so two candidates cannot both win. A candidate that finds the lease of another must have
watched it stay unrenewed for its whole duration on its own monotonic clock: clocks of two machines are
never compared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from paas.api.resources import LEASE, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable

logger = logging.getLogger(__name__)

DURATION, RENEW_EVERY, RETRY_EVERY = 15, 5.0, 1.0
"""Seconds: how long a lease holds unrenewed, how often it is renewed, how often candidates look."""


class LeaseLost(Exception):
    """The lease could not be renewed in time: stop working at once."""


class Lease:
    """A candidate for the Lease `key` under `identity`, which must be unique to this pod."""

    def __init__(self, cluster: Cluster, key: Key, *, identity: str) -> None:
        self._cluster, self._key, self.identity = cluster, key, identity

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        observed: tuple[str, float] = ("", 0.0)
        clock: Callable[[], float] = asyncio.get_running_loop().time
        while True:
            try:
                lease = await self._cluster.get(LEASE, self._key)
                version = lease["metadata"]["resourceVersion"] if lease else ""
                if version != observed[0]:
                    observed = (version, clock())
                holder = (lease["spec"].get("holderIdentity") or "") if lease else ""
                duration = lease["spec"].get("leaseDurationSeconds") or DURATION if lease else DURATION
                if holder in ("", self.identity) or clock() - observed[1] > duration:
                    await self._write(lease, holder=self.identity)
                    logger.info("holding the lease %s as %s", self._key, self.identity)
                    return
            except (ApiError, ClusterUnreachable) as problem:
                logger.info("lease %s: %s", self._key, problem)
            await asyncio.sleep(RETRY_EVERY)

    async def hold(self) -> None:
        """Renew for ever. Raises LeaseLost when another has it, or no renewal came through in time."""
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(RENEW_EVERY if clock() - renewed < RENEW_EVERY else RETRY_EVERY)
            try:
                started = clock()
                lease = await self._cluster.get(LEASE, self._key)
                if lease is not None and (lease["spec"].get("holderIdentity") or "") != self.identity:
                    raise LeaseLost(f"{lease['spec'].get('holderIdentity')} has the lease {self._key}")
                await self._write(lease, holder=self.identity)
                renewed = started
            except (ApiError, ClusterUnreachable) as problem:
                logger.warning("the lease %s was not renewed: %s", self._key, problem)
            if clock() - renewed > DURATION - RENEW_EVERY:
                raise LeaseLost(f"the lease {self._key} was not renewed for {clock() - renewed:.0f} s")

    async def release(self) -> None:
        """Let the next candidate have it at once."""
        try:
            lease = await self._cluster.get(LEASE, self._key)
            if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
                await self._write(lease, holder="")
        except (ApiError, ClusterUnreachable) as problem:
            logger.warning("the lease %s was not released and runs out by itself: %s", self._key, problem)

    async def _write(self, lease: Manifest | None, *, holder: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {**((lease or {}).get("spec") or {}), "holderIdentity": holder, "renewTime": now}
        spec["leaseDurationSeconds"] = DURATION
        if lease is None:
            body = {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.kind,
                "metadata": {"name": self._key.name, "namespace": self._key.namespace},
                "spec": {**spec, "acquireTime": now},
            }
            await self._cluster.create(body, manager="paas-operator")
            return
        if lease["spec"].get("holderIdentity") != holder:
            spec |= {"acquireTime": now, "leaseTransitions": (lease["spec"].get("leaseTransitions") or 0) + 1}
        path = LEASE.path(self._key.namespace, self._key.name)
        await self._cluster.request("PUT", path, body={**lease, "spec": spec})
