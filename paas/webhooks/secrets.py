"""The secrets that a BuildConfig's webhooks are signed with.

BuildConfig and Secrets are remembered for moments, and those who ask at the same time share one read, so
that a burst of deliveries is not a burst of reads.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Key, Manifest
from paas.git.push import FindConfig
from paas.web.ttl_cache import TtlCache
from paas.webhooks.host import GitHost

SECRET_KEY: Final = "WebHookSecretKey"
"""Key in the Secret that a trigger names."""
REMEMBERED_SECONDS: Final = 2.0
"""A secret that was changed works this much longer."""
LONGEST_SECRET: Final = 4096
"""Bytes; a longer one counts as none, so that those who choose secrets do not choose our memory."""
MOST_READS: Final = 16
"""Reads of the API server at the same time, so that guessing names burdens nobody else."""


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
        self._known: TtlCache[tuple[Key, str], SignedConfig] = TtlCache(4096, clock=clock)
        self._reading: dict[tuple[Key, str], asyncio.Future[SignedConfig]] = {}
        self._reads = asyncio.Semaphore(MOST_READS)

    async def of(self, key: Key, host: GitHost) -> SignedConfig:
        """The BuildConfig and its secrets for this host. Raises what the cluster raises."""
        about = (key, host.name)
        if (known := self._known.get(about)) is not None:
            return known
        reading = self._reading.get(about)
        if reading is None:
            reading = asyncio.ensure_future(self._read(key, host))
            self._reading[about] = reading
            reading.add_done_callback(lambda _: self._reading.pop(about, None))
        found = await asyncio.shield(reading)
        self._known.put(about, found, REMEMBERED_SECONDS)
        return found

    async def _read(self, key: Key, host: GitHost) -> SignedConfig:
        async with self._reads:
            config = await self._find_config(key)
            if config is None or config["metadata"].get("deletionTimestamp"):
                return SignedConfig(None)
            secrets = []
            for trigger in config["spec"].get("triggers") or ():
                reference = (trigger.get(host.name) or {}).get("secretReference") or {}
                if trigger.get("type") == host.trigger_type and reference.get("name"):
                    secrets.append(_secret(await self._find_secret(Key(key.namespace, reference["name"]))))
            return SignedConfig(_decisive(config), tuple(secret for secret in secrets if secret))


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
