"""The secrets that a BuildConfig's webhooks are signed with.

BuildConfig and Secrets are remembered for moments, and those who ask at the same time share one read, so
that a burst of deliveries is not a burst of reads.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paas.api.resources import SECRET, Key, Manifest
from paas.api.webhook_addresses import SECRET_KEY
from paas.git.push import FindConfig
from paas.kube.cluster import Cluster
from paas.kube.errors import Forbidden
from paas.web.lookups import Lookups
from paas.webhooks.host import GitHost

log = logging.getLogger(__name__)
REMEMBERED_SECONDS: Final = 2.0
"""A secret that was changed works this much longer."""
LONGEST_SECRET: Final = 4096
"""Bytes; a longer one counts as none, so that those who choose secrets do not choose our memory."""


async def secret_of_project(cluster: Cluster, key: Key) -> Manifest | None:
    """The Secret, or None when there is none that we may read: outside of projects we may read none, and an
    error would tell strangers that such a BuildConfig exists."""
    try:
        return await cluster.get(SECRET, key)
    except Forbidden as problem:
        log.warning("Secret %s counts as missing, as it may not be read: %s", key, problem)
        return None


@dataclass(frozen=True)
class SignedConfig:
    """What a decision needs of a BuildConfig, None when there is none, and the secrets of its triggers of one
    host."""

    config: Manifest | None
    secrets: tuple[bytes, ...] = ()


class TriggerSecrets:
    """Looks BuildConfigs up, together with the secrets of their webhook triggers."""

    def __init__(
        self, *, find_config: FindConfig, find_secret: FindConfig, clock: Callable[[], float]
    ) -> None:
        self._find_config, self._find_secret = find_config, find_secret
        self._lookups: Lookups[tuple[Key, GitHost], SignedConfig] = Lookups(
            self._read, most=1, seconds=REMEMBERED_SECONDS, clock=clock
        )

    async def of(self, key: Key, host: GitHost) -> SignedConfig:
        """The BuildConfig and its secrets for this host. Raises what the cluster raises."""
        return await self._lookups.of((key, host))

    def prove(self, key: Key, host: GitHost) -> None:
        """A delivery was genuine: strangers no longer keep those of this BuildConfig waiting."""
        self._lookups.prove((key, host))

    async def _read(self, about: tuple[Key, GitHost]) -> SignedConfig:
        key, host = about
        config = await self._find_config(key)
        known = config is not None and not config["metadata"].get("deletionTimestamp")
        names = _secrets_of(config, host) if config is not None and known else []
        if not names:
            # as long as reading a Secret takes, so that time does not tell which names there are
            await self._find_config(key)
        found = await asyncio.gather(*(self._find_secret(Key(key.namespace, name)) for name in names))
        if config is None or not known:
            return SignedConfig(None)
        secrets = (_secret(manifest) for manifest in found)
        return SignedConfig(_decisive(config), tuple(secret for secret in secrets if secret))


def _secrets_of(config: Manifest, host: GitHost) -> list[str]:
    """Names of the Secrets of the triggers of this host."""
    triggers = config["spec"].get("triggers") or ()
    references = (
        (trigger.get(host.name) or {}).get("secretReference") or {}
        for trigger in triggers
        if trigger.get("type") == host.trigger_type
    )
    return [str(reference["name"]) for reference in references if reference.get("name")]


def _decisive(config: Manifest) -> Manifest:
    """The part of a BuildConfig that `decide` reads: the whole may have a megabyte, and anybody can make the
    server remember thousands."""
    about, source = config["metadata"], config["spec"].get("source") or {}
    return {
        "metadata": {"name": about["name"], "uid": about["uid"]},
        "spec": {"source": {"git": source.get("git") or {}}},
    }


def _secret(manifest: Manifest | None) -> bytes:
    encoded = ((manifest or {}).get("data") or {}).get(SECRET_KEY) or ""
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:
        return b""
    return secret if len(secret) <= LONGEST_SECRET else b""
