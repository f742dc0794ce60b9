"""One at a time: a coordination.k8s.io Lease, held while working (the operator, a collection of images) and
released at the end.

The client library's leader election cannot release a lease, and it goes on renewing after the work it
guards has ended; so the four requests that it takes are made here. Every write carries the resourceVersion
that was read, so two candidates cannot both win. A candidate that finds the lease of another must have
watched it stay unrenewed for its whole duration on its own monotonic clock: clocks of two machines are
never compared.

    renewed at ──HELD──▶ not ours any more, as far as we know ──DURATION - HELD──▶ another may take it

Whoever holds it counts from before the last request that renewed it, so that an answer that comes late, or
never, does not stretch what is left.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from paas.api.resources import LEASE, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable

logger = logging.getLogger(__name__)

DURATION: Final = 15
"""Seconds that the lease holds unrenewed for all others."""
HELD = 10.0
"""Seconds that it holds for its holder. The rest is for what was sent before and is still under way."""
RENEW_EVERY, RETRY_EVERY = 4.0, 1.0
"""Seconds from one renewal to the next, and after one that failed; how often candidates look."""
ATTEMPT = 3.0
"""Seconds that one renewal may take: a connection whose other side is silent leaves time for a new one."""


class LeaseLost(Exception):
    """The lease is not ours, or may not be ours any more: stop working at once."""


class Lease:
    """A candidate for the Lease `key` under `identity`, which must be unique to this pod."""

    def __init__(self, cluster: Cluster, key: Key, *, identity: str) -> None:
        self._cluster, self._key, self.identity = cluster, key, identity
        self._held_until = float("-inf")  # on the clock of the event loop

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        observed: tuple[str, float] = ("", 0.0)
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout(ATTEMPT):
                    started = clock()
                    lease = await self._cluster.get(LEASE, self._key)
                    version = lease["metadata"]["resourceVersion"] if lease else ""
                    if version != observed[0]:
                        observed = (version, clock())
                    duration = _spec(lease).get("leaseDurationSeconds") or DURATION
                    if _holder(lease) in ("", self.identity) or clock() - observed[1] > duration:
                        await self._write(lease, holder=self.identity)
                        self._held_until = started + HELD
                        logger.info("holding the lease %s as %s", self._key, self.identity)
                        return
            except (ApiError, ClusterUnreachable, TimeoutError) as problem:
                logger.info("lease %s: %s", self._key, str(problem) or "no answer in time")
            await asyncio.sleep(RETRY_EVERY)

    async def hold(self) -> None:
        """Renew for ever. Raises LeaseLost when another has it, or no renewal came through in time."""
        clock = asyncio.get_running_loop().time
        pause = RENEW_EVERY
        while True:
            await asyncio.sleep(min(pause, max(0.0, self._held_until - clock())))
            self.check()
            try:
                async with asyncio.timeout_at(min(clock() + ATTEMPT, self._held_until)):
                    await self._renew()
                pause = RENEW_EVERY
            except (ApiError, ClusterUnreachable, TimeoutError) as problem:
                pause = RETRY_EVERY
                logger.warning(
                    "the lease %s was not renewed: %s", self._key, str(problem) or "no answer in time"
                )

    def check(self) -> None:
        """Raises LeaseLost unless the lease is certainly ours now. To be asked before each write: a process
        that stood still finds out too late otherwise."""
        left = self._held_until - asyncio.get_running_loop().time()
        if left <= 0:
            raise LeaseLost(f"the lease {self._key} is not held: it was not renewed in time")

    async def release(self) -> None:
        """Let the next candidate have it at once."""
        self._held_until = float("-inf")
        try:
            async with asyncio.timeout(ATTEMPT):
                lease = await self._cluster.get(LEASE, self._key)
                if lease is not None and _holder(lease) == self.identity:
                    await self._write(lease, holder="")
        except (ApiError, ClusterUnreachable, TimeoutError) as problem:
            logger.warning("the lease %s was not released and runs out by itself: %s", self._key, problem)

    async def _renew(self) -> None:
        started = asyncio.get_running_loop().time()
        lease = await self._cluster.get(LEASE, self._key)
        if lease is not None and _holder(lease) != self.identity:
            self._held_until = float("-inf")
            raise LeaseLost(f"{_holder(lease) or 'nobody'} has the lease {self._key}")
        await self._write(lease, holder=self.identity)
        self._held_until = started + HELD

    async def _write(self, lease: Manifest | None, *, holder: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {**_spec(lease), "holderIdentity": holder, "renewTime": now}
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
        if _holder(lease) != holder:
            spec |= {"acquireTime": now, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        path = LEASE.path(self._key.namespace, self._key.name)
        await self._cluster.request("PUT", path, body={**lease, "spec": spec})


def _spec(lease: Manifest | None) -> Manifest:
    """The API lets a Lease have none."""
    return dict((lease or {}).get("spec") or {})


def _holder(lease: Manifest | None) -> str:
    return str(_spec(lease).get("holderIdentity") or "")
