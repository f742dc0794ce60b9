"""POST /webhooks/<project>/<buildconfig>/<host>: from a delivery to an answer.

    body (at most 1 MiB) ─▶ signature ─▶ what it tells ─▶ decision ─▶ 202 with a Build, 200 and why not

Until the signature is checked every refusal is the same 401, whether the name is unknown, the type is not
enabled, the Secret is missing or the signature is wrong; an HMAC is computed in every case. BuildConfig
and Secret are remembered for moments, so that a burst of deliveries is not a burst of reads.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import re
import secrets as random_secrets
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from paas.api.build_request import Instantiate, InstantiateError
from paas.api.resources import Key, Manifest
from paas.git.push import FindConfig
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.web.body import Body, BodyRefused, Disconnected, Receive, Send
from paas.webhooks import github
from paas.webhooks.decision import Ignored, NotUnderstood, Ping, Pushed, decide

log = logging.getLogger(__name__)

HOSTS: Final = {"github": github}
LARGEST_BODY: Final = 2**20
SECRET_KEY: Final = "WebHookSecretKey"
REMEMBERED_SECONDS: Final = 2.0
"""A secret that was changed works this much longer."""
MOST_REMEMBERED: Final = 4096
MOST_READS: Final = 16
"""Reads of the API server at the same time, so that guessing names burdens nobody else."""
FAILURES_ALLOWED: Final = 120
FAILURES_SECONDS: Final = 60.0
_NAME: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_PATH: Final = re.compile(rf"/webhooks/({_NAME})/({_NAME})/(github|gitlab|gitea|bitbucket|generic)")
_DUMMY: Final = random_secrets.token_bytes(32)


class WebhookFront:
    """The ASGI application of everything under /webhooks/."""

    def __init__(
        self,
        *,
        find: FindConfig,
        find_secret: FindConfig,
        instantiate: Instantiate,
        counted: Callable[[str, str], None] = lambda _host, _decision: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._find_secret, self._instantiate = find, find_secret, instantiate
        self._counted, self._clock = counted, clock
        self._known: dict[tuple[Key, str], tuple[float, Manifest | None, list[bytes]]] = {}
        self._asking: dict[tuple[Key, str], asyncio.Future[tuple[Manifest | None, list[bytes]]]] = {}
        self._reads = asyncio.Semaphore(MOST_READS)
        self._failures: dict[str, list[float]] = {}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, "refused", "only POST is answered here", headers=[(b"allow", b"POST")])
            return
        peer = _peer(scope)
        if self._blocked(peer):
            wait = [(b"retry-after", str(int(FAILURES_SECONDS)).encode())]
            await _answer(send, 429, "refused", "too many refused deliveries; try again later", headers=wait)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            status, decision, reason, build = await self._deliver(scope["path"], headers, receive)
        except BodyRefused as refusal:
            status, decision, reason, build = refusal.status, "refused", refusal.message, None
        except Disconnected:
            return
        except (ClusterUnreachable, ApiError) as problem:
            log.warning("webhook %s: %s", scope["path"], problem)
            status, decision, build = 503, "retry", None
            reason = "the cluster does not answer at the moment; deliver this again later"
        if status == 401:
            self._failures.setdefault(peer, []).append(self._clock())
        self._counted(scope["path"].rpartition("/")[2] if status != 401 else "unknown", decision)
        await _answer(send, status, decision, reason, build=build)

    async def _deliver(
        self, path: str, headers: Mapping[str, str], receive: Receive
    ) -> tuple[int, str, str, str | None]:
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > LARGEST_BODY:
            raise BodyRefused(413, "the delivery is larger than 1 MiB")
        if headers.get("content-encoding"):
            raise BodyRefused(415, "a compressed body is not taken")
        body = await Body(receive, limit=LARGEST_BODY, idle=10, total=30).read()
        match = _PATH.fullmatch(path)
        key, host = (Key(match[1], match[2]), match[3]) if match else (None, "")
        known = await self._lookup(key, host) if key is not None and host in HOSTS else (None, [])
        config, secrets = known
        genuine = HOSTS.get(host, github).is_genuine(headers, body, secrets or [_DUMMY])
        if config is None or not secrets or not genuine or key is None:
            return 401, "refused", "unknown address or wrong signature", None
        return await self._act(key, config, HOSTS[host], headers, body)

    async def _act(
        self, key: Key, config: Manifest, host: Any, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str, str, str | None]:
        try:
            told: Ping | Pushed | Ignored = host.read(headers, body)
        except NotUnderstood as problem:
            return 400, "refused", str(problem), None
        if isinstance(told, Ping):
            return 200, "ignored", f"ping: the hook of {key.name} works; pushes will make builds", None
        if isinstance(told, Ignored):
            return 200, "ignored", told.reason, None
        wanted = decide(config, told)
        if isinstance(wanted, Ignored):
            return 200, "ignored", wanted.reason, None
        try:
            made = await self._instantiate(key, wanted)
        except InstantiateError as problem:
            return 200, "ignored", str(problem), None
        log.info("webhook for %s: build %s%s", key, made.name, "" if made.created else " (made before)")
        if not made.created:
            return 200, "ignored", f"this push was built before as {made.name}", made.name
        return 202, "build", f"push to {told.branch} at {told.commit[:12]}", made.name

    # -- BuildConfig and secrets -----------------------------------------------------------------------

    async def _lookup(self, key: Key, host: str) -> tuple[Manifest | None, list[bytes]]:
        """The BuildConfig and the secrets of its triggers of this host; one read for all who ask."""
        about = (key, host)
        found = self._known.get(about)
        if found is not None and found[0] > self._clock():
            return found[1], found[2]
        asking = self._asking.get(about)
        if asking is None:
            asking = asyncio.ensure_future(self._read(key, HOSTS[host].TRIGGER, HOSTS[host].FIELD))
            self._asking[about] = asking
            asking.add_done_callback(lambda _: self._asking.pop(about, None))
        config, secrets = await asyncio.shield(asking)
        self._known.pop(about, None)
        self._known[about] = (self._clock() + REMEMBERED_SECONDS, config, secrets)
        while len(self._known) > MOST_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return config, secrets

    async def _read(self, key: Key, trigger: str, field: str) -> tuple[Manifest | None, list[bytes]]:
        async with self._reads:
            config = await self._find(key)
            if config is None or config["metadata"].get("deletionTimestamp"):
                return None, []
            secrets = []
            for declared in config["spec"].get("triggers") or ():
                reference = (declared.get(field) or {}).get("secretReference") or {}
                if declared.get("type") == trigger and reference.get("name"):
                    secrets.append(_secret(await self._find_secret(Key(key.namespace, reference["name"]))))
            return config, [secret for secret in secrets if secret]

    # -- guessing --------------------------------------------------------------------------------------

    def _blocked(self, peer: str) -> bool:
        since = self._clock() - FAILURES_SECONDS
        recent = [moment for moment in self._failures.pop(peer, ()) if moment > since]
        if recent:
            self._failures[peer] = recent
        while len(self._failures) > MOST_REMEMBERED:
            self._failures.pop(next(iter(self._failures)))
        return len(recent) >= FAILURES_ALLOWED


def _secret(manifest: Manifest | None) -> bytes:
    encoded = ((manifest or {}).get("data") or {}).get(SECRET_KEY) or ""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _peer(scope: Mapping[str, Any]) -> str:
    """Who sends: the ingress controller appends whom it saw to X-Forwarded-For."""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            return str(value.decode("latin-1").rpartition(",")[2].strip()[:64])
    return str((scope.get("client") or ("unknown",))[0])


async def _answer(
    send: Send,
    status: int,
    decision: str,
    reason: str,
    *,
    build: str | None = None,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    content = {"decision": decision, "reason": reason} | ({"build": build} if build else {})
    body = json.dumps(content).encode() + b"\n"
    about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
