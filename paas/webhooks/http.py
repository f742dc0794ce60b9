"""POST /webhooks/<project>/<buildconfig>/<host>: from a delivery to an answer.

    secrets ─▶ body (at most 1 MiB) ─▶ genuine? ─▶ event ─▶ decision ─▶ order ─▶ 202 with a Build,
                                                                          │        200 and why not
                                                                          └▶ status.deliveries

Until the signature is checked every refusal is the same 401, whether the name is unknown, the type is not
enabled, the Secret is missing or the signature is wrong; an HMAC is computed in every case, and as many reads
are waited for. What is correctly signed is taken, whatever else came from the same address.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from paas.api.build_request import InstantiateError
from paas.api.buildconfig_status import Delivery, SourceHead
from paas.api.resources import Key, Manifest
from paas.git.push import FindConfig
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile.conditions import timestamp
from paas.web.body import BodyRefused, Disconnected, Receive, Send
from paas.web.body_budget import BodyBudget
from paas.web.failures import FailureLimit
from paas.web.refused import Refused
from paas.web.request import Request, Scope
from paas.webhooks.decision import decide, decide_asked
from paas.webhooks.github import GitHub
from paas.webhooks.host import Asked, Event, GitHost, Ignored, MalformedDelivery, Ping, Pushed
from paas.webhooks.hosts import HOSTS
from paas.webhooks.order import delivery_trigger
from paas.webhooks.record import Record, cause_refused, why_refused
from paas.webhooks.secrets import SignedConfig, TriggerSecrets
from paas.webhooks.source_builds import SourceBuilds

log = logging.getLogger(__name__)

LARGEST_BODY: Final = 2**20
MEMORY: Final = 64 * 2**20
"""Bytes of all bodies that are arriving."""
MOST_OF_PROJECT: Final = 32
"""Genuine deliveries of one project that are handled at once; those of a slow host wait for seconds."""
FAILURES_ALLOWED: Final = 120
FAILURES_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 60
"""After which a delivery that could not be handled may be repeated."""
_NAME: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_PATH: Final = re.compile(rf"/webhooks/({_NAME})/({_NAME})/([a-z]+)")
_DUMMY: Final = secrets.token_bytes(32)
"""Checked against when there is no secret, so that time does not tell it."""


@dataclass(frozen=True)
class Answer:
    """What a delivery led to."""

    status: int
    decision: str
    reason: str
    build: str | None = None
    cause: str | None = None
    """Why the cluster refuses the Build."""
    push: Pushed | Asked | None = None
    head: SourceHead | None = None
    """To be recorded."""

    @property
    def content(self) -> dict[str, str]:
        """The body, as JSON data."""
        return {"decision": self.decision, "reason": self.reason} | (
            {"build": self.build} if self.build else {}
        )


class WebhookHttp:
    """The ASGI application of everything under /webhooks/."""

    def __init__(
        self,
        *,
        find_config: FindConfig,
        find_secret: FindConfig,
        source_builds: SourceBuilds,
        record: Record,
        counted: Callable[[str, str], None] = lambda _host, _decision: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secrets = TriggerSecrets(find_config=find_config, find_secret=find_secret, clock=clock)
        self._failures = FailureLimit(FAILURES_ALLOWED, seconds=FAILURES_SECONDS, clock=clock)
        self._source_builds, self._record, self._counted = source_builds, record, counted
        self._budget = BodyBudget(MEMORY)
        self._handled: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        headers = None
        try:
            request.require("POST")
            answer = await self._deliver(request)
            if answer.status == 401:
                self._slow_down(request.client())
        except Refused as refusal:
            answer, headers = Answer(refusal.status, "refused", refusal.message), refusal.headers
        except Disconnected:
            return
        except (ClusterUnreachable, ApiError) as problem:
            log.warning("webhook %s: %s", request.path, problem)
            reason = "the cluster does not answer at the moment; deliver this again later"
            answer = Answer(503, "retry", reason)
        if answer.status == 503 and headers is None:
            headers = [(b"retry-after", str(RETRY_SECONDS).encode())]
        match = _PATH.fullmatch(request.path)
        # a label's value is one of ours, never a word of the request
        host = match[3] if match and match[3] in HOSTS and answer.status != 401 else "unknown"
        self._counted(host, answer.decision)
        await request.json(answer.status, answer.content, headers)

    def _slow_down(self, client: str) -> None:
        """Count one refusal. Raises Refused when this client has had too many."""
        blocked = self._failures.blocked(client)
        self._failures.failed(client)
        if blocked:
            wait = [(b"retry-after", str(int(FAILURES_SECONDS)).encode())]
            raise Refused(429, "too many refused deliveries; try again later", wait)

    async def _deliver(self, request: Request) -> Answer:
        if request.header("content-encoding"):
            raise BodyRefused(415, "a compressed body is not accepted")
        match = _PATH.fullmatch(request.path)
        key, host = (Key(match[1], match[2]), HOSTS.get(match[3])) if match else (None, None)
        taken = await self._take(request, key, host)
        if key is None or host is None or taken is None:
            return Answer(401, "refused", "unknown address or wrong signature")
        # The body is gone by now: what follows may wait for the git host, and the room is for what arrives.
        config, event = taken
        # of a host that gives no id each delivery is one of its own
        id_, about = host.named(request.headers)
        id_ = id_ or secrets.token_hex(16)
        with self._one_of(key.namespace):
            answer = await self._act(key, config, request, event, id_)
            await self._record(key, _delivery(id_, about, answer), answer.head)
        return answer

    async def _take(
        self, request: Request, key: Key | None, host: GitHost | None
    ) -> tuple[Manifest, Event | MalformedDelivery] | None:
        """Read the body: the BuildConfig and what the delivery tells; None when it is not genuine."""
        with self._budget.share() as share:
            arriving = request.body(limit=LARGEST_BODY, idle=10, total=30, share=share)
            # before the body is held, so that what is held is never kept by a read
            signed = await self._secrets.of(key, host) if key and host else SignedConfig(None)
            body = await arriving.read()
            headers = _with_secret(request, host)
            genuine = (host or GitHub()).is_genuine(headers, body, signed.secrets or [_DUMMY])
            if key is None or host is None or signed.config is None or not signed.secrets or not genuine:
                return None
            self._secrets.prove(key, host)
            try:
                return signed.config, host.event(request.headers, body)
            except MalformedDelivery as problem:
                return signed.config, problem.with_traceback(None)  # a traceback would keep the body

    @contextlib.contextmanager
    def _one_of(self, project: str) -> Iterator[None]:
        """Count a delivery among those of its project. Raises Refused when there are too many."""
        if self._handled[project] >= MOST_OF_PROJECT:
            wait = [(b"retry-after", str(RETRY_SECONDS).encode())]
            raise Refused(
                503, f"{MOST_OF_PROJECT} deliveries of this project are being handled; repeat it", wait
            )
        self._handled[project] += 1
        try:
            yield
        finally:
            self._handled[project] -= 1
            if not self._handled[project]:
                del self._handled[project]

    async def _act(
        self, key: Key, config: Manifest, request: Request, event: Event | MalformedDelivery, id_: str
    ) -> Answer:
        if isinstance(event, MalformedDelivery):
            return Answer(400, "refused", str(event))
        if isinstance(event, Ping):
            return Answer(200, "ignored", f"ping: the hook of {key.name} works; pushes will make builds")
        if isinstance(event, Ignored):
            return Answer(200, "ignored", event.reason)
        if isinstance(event, Asked):
            decided = decide_asked(config, event, trigger_id=delivery_trigger(id_))
        else:
            decided = decide(config, event)
        if isinstance(decided, Ignored):
            return Answer(200, "ignored", decided.reason, push=event)
        try:
            if isinstance(event, Asked):
                made = await self._source_builds.asked(key, decided)
            else:
                made = await self._source_builds.pushed(key, event, decided)
        except InstantiateError as problem:
            return Answer(200, "ignored", str(problem), push=event)
        except ApiError as problem:
            log.warning("webhook %s: %s", request.path, problem)
            # the sender has the secret, so it may read why: for instance a quota that is used up
            reason = f"{why_refused(problem)}; deliver this again later"
            return Answer(503, "retry", reason, cause=cause_refused(problem), push=event)
        log.info("webhook for %s: build %s%s", key, made.build, "" if made.created else " (made before)")
        reason = "; ".join((made.reason, *event.notes))
        if not made.created:
            return Answer(200, "ignored", reason, made.build, push=event, head=made.head)
        return Answer(202, "build", reason, made.build, push=event, head=made.head)


def _with_secret(request: Request, host: GitHost | None) -> Mapping[str, str]:
    """The headers, and a secret that was sent in the address as the header that it stands for."""
    given = request.query("secret")
    if host is None or not host.secret_in_query or not given:
        return request.headers
    # as a header's bytes come
    return {**request.headers, "authorization": f"Bearer {given.encode(errors='replace').decode('latin-1')}"}


def _delivery(id_: str, event: str, answer: Answer) -> Delivery:
    """What the BuildConfig's status says of it. Whoever signs may write what it likes into a header."""
    push = answer.push
    return Delivery(
        id=id_[:1024],
        time=timestamp(datetime.now(UTC)),
        event=event[:63],
        ref=push.branch[:1024] or None if push else None,
        commit=push.commit or None if push else None,
        decision=answer.decision,
        reason=answer.reason[:1024],
        cause=answer.cause,
        build=answer.build,
    )
