"""Deliveries of strangers: what they cost, and that they keep no genuine delivery out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from paas.api.build_request import BuildRequest, Instantiated
from paas.api.buildconfig_status import Delivery, SourceHead
from paas.api.resources import Key, Manifest
from paas.fetch.head import HeadReport
from paas.webhooks import http
from paas.webhooks.http import WebhookHttp
from paas.webhooks.source_builds import SourceBuilds
from tests.support.asgi import Answer, Arriving, ask, settled
from tests.support.deliveries import payload

SECRET = b"of the hook"
BODY = json.dumps(payload()).encode()
ADDRESS = "203.0.113.7"


def config(name: str, *secrets: str) -> Manifest:
    triggers = [{"type": "GitHub", "github": {"secretReference": {"name": secret}}} for secret in secrets]
    source = {"git": {"uri": "https://git.example/team/shop.git"}}
    return {
        "metadata": {"namespace": "demo", "name": name, "uid": f"uid-{name}"},
        "spec": {"source": source, "triggers": triggers},
    }


CONFIGS = {
    "shop": config("shop", "hook"),
    "two": config("two", "hook", "other"),
    "plain": config("plain"),
    "missing": config("missing", "nothing"),
    # whose host must be asked which push is the newer one
    "asking": config("asking", "hook")
    | {
        "status": {
            "head": {
                "uri": "https://git.example/team/shop.git",
                "ref": "main",
                "commit": "c" * 40,
                "build": "asking-1",
            }
        }
    },
}


class Endpoint:
    """The endpoint, and what it read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.counted: set[tuple[str, str]] = set()
        self.now = 0.0
        self.host: asyncio.Event | None = None
        """Set while a git host answers nothing."""
        self.waiting = 0
        source_builds = SourceBuilds(
            find_config=self.find_config,
            find_builds=self.find_builds,
            instantiate=self.instantiate,
            ask_head=self.ask_head,
        )
        self.app = WebhookHttp(
            find_config=self.find_config,
            find_secret=self.find_secret,
            source_builds=source_builds,
            record=self.record,
            counted=lambda host, decision: self.counted.add((host, decision)),
            clock=lambda: self.now,
        )

    async def find_config(self, key: Key) -> Manifest | None:
        self.reads.append(f"config {key.name}")
        return CONFIGS.get(key.name)

    async def find_secret(self, key: Key) -> Manifest | None:
        self.reads.append(f"secret {key.name}")
        if key.name != "hook":
            return None
        return {"data": {"WebHookSecretKey": base64.b64encode(SECRET).decode()}}

    async def find_builds(self, key: Key) -> list[Manifest]:
        return []

    async def ask_head(self, config: Manifest, ref: str | None) -> HeadReport:
        assert self.host is not None, "the host is asked though nothing was built before"
        self.waiting += 1
        await self.host.wait()
        self.waiting -= 1
        return HeadReport(problem="no answer")

    async def record(self, key: Key, delivery: Delivery | None, head: SourceHead | None) -> None: ...

    async def instantiate(self, key: Key, request: BuildRequest) -> Instantiated:
        return Instantiated({"metadata": {"name": f"{key.name}-1"}}, created=True)

    async def deliver(
        self,
        name: str = "shop",
        *,
        project: str = "demo",
        secret: bytes = SECRET,
        host: str = "github",
        body: Any = BODY,
    ) -> Answer:
        signed = body if isinstance(body, bytes) else BODY
        about = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": "sha256=" + hmac.new(secret, signed, hashlib.sha256).hexdigest(),
            "X-Forwarded-For": ADDRESS,
        }
        return await ask(self.app, "POST", f"/webhooks/{project}/{name}/{host}", headers=about, body=body)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


async def test_a_genuine_delivery_is_taken_whatever_came_from_its_address(endpoint: Endpoint) -> None:
    statuses = [(await endpoint.deliver(secret=b"guess")).status for _ in range(500)]
    assert set(statuses) == {401, 429}
    statuses = [(await endpoint.deliver(f"guess-{number}")).status for number in range(500)]
    assert set(statuses) == {429}
    assert (await endpoint.deliver()).status == 202


async def test_refusals_cost_the_same_whatever_is_wrong(endpoint: Endpoint) -> None:
    answers = {}
    for name in ("shop", "plain", "missing", "unknown"):
        endpoint.reads.clear()
        answer = await endpoint.deliver(name, secret=b"wrong")
        answers[name] = (answer.status, answer.body, len(endpoint.reads))
    assert len(set(answers.values())) == 1, answers
    assert answers["unknown"][0] == 401


async def test_a_name_is_read_once_however_often_it_is_tried(endpoint: Endpoint) -> None:
    for _ in range(300):
        await endpoint.deliver(secret=b"wrong")
        await endpoint.deliver("unknown")
    assert len(endpoint.reads) == 4


async def test_slow_deliveries_keep_no_genuine_one_out(endpoint: Endpoint) -> None:
    """Ten times as much as there is room for, none of it ever complete."""
    slow = []
    for _ in range(10 * http.MEMORY // 2**20):
        arriving = Arriving()
        arriving.send(b"x" * (2**20 - 1))
        slow.append(asyncio.create_task(endpoint.deliver(body=arriving)))
    await settled()
    assert sum(not task.done() for task in slow) <= http.MEMORY // 2**20
    assert (await endpoint.deliver()).status == 202
    for task in slow:
        if not task.done():
            task.cancel()
        else:
            assert (await task).status == 503
    await settled()
    assert endpoint.app._budget.held == 0


async def test_no_word_of_a_request_becomes_a_label(endpoint: Endpoint) -> None:
    for number in range(20_000):
        endpoint.now += 0.1
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        await ask(endpoint.app, "POST", f"/webhooks/demo/shop/{letters}")
        await ask(endpoint.app, "GET", f"/webhooks/demo/shop/{letters}")
        if number % 4 == 0:
            await ask(endpoint.app, f"M{number}", f"/webhooks/p{number}/github")
    assert endpoint.counted == {("unknown", "refused")}
    await endpoint.deliver()
    assert endpoint.counted == {("unknown", "refused"), ("github", "build")}


async def test_deliveries_that_wait_for_their_host_keep_no_others_out(endpoint: Endpoint) -> None:
    endpoint.host = asyncio.Event()
    large = json.dumps(payload() | {"commits": ["x" * 2**19]}).encode()
    waiting = [
        asyncio.create_task(endpoint.deliver("asking", body=large)) for _ in range(2 * http.MOST_OF_PROJECT)
    ]
    await settled()
    assert endpoint.waiting == http.MOST_OF_PROJECT
    assert endpoint.app._budget.held == 0, "what waits has no body any more"
    answered = [task.result() for task in waiting if task.done()]
    assert {(answer.status, answer.headers["retry-after"]) for answer in answered} == {(503, "60")}
    assert len(answered) == http.MOST_OF_PROJECT
    assert (await endpoint.deliver(project="other")).status == 202
    endpoint.host.set()
    await asyncio.gather(*waiting)
    assert (await endpoint.deliver()).status == 202, "and the project's own are taken again"


async def test_a_genuine_delivery_that_is_not_understood_is_told(endpoint: Endpoint) -> None:
    answer = await endpoint.deliver(body=b"[")
    assert (answer.status, answer.json["reason"]) == (400, "the body is not JSON")
