"""When git hosts are looked at, and what is written down of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paas.api.build_request import BuildConfigNotFound
from paas.api.buildconfig_status import Delivery, SourceHead
from paas.api.resources import Key, Manifest
from paas.kube.errors import ApiError, ClusterUnreachable, Forbidden
from paas.webhooks import poll
from paas.webhooks.poll import Poller
from paas.webhooks.record import recorded
from paas.webhooks.source_builds import Made
from tests.support.asgi import settled


def config(name: str, *, project: str = "demo", **git: Any) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": project, "uid": f"uid-{name}"},
        "spec": {"source": {"git": git}},
    }


class Host:
    """In place of SourceBuilds: answers by name."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[str]()

    async def polled(self, key: Key) -> Made | str | None:
        self.asked.append(key.name)
        answer = self.answers.get(key.name)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer


class Polling:
    """A clock, BuildConfigs, and what was recorded."""

    def __init__(self, host: Host, *configs: Manifest) -> None:
        self.now, self.configs, self.recorded = 0.0, list(configs), list[tuple[str, Delivery | None]]()
        self.poller = Poller(
            list_configs=self.list,
            source_builds=host,  # type: ignore[arg-type]
            record=self.record,
            clock=lambda: self.now,
        )

    async def list(self) -> list[Manifest]:
        return self.configs

    async def record(self, key: Key, delivery: Delivery | None, _head: SourceHead | None) -> None:
        self.recorded.append((key.name, delivery))

    async def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += poll.LIST_SECONDS
            await self.poller.once()
            await settled()


URI = "https://git.example/shop.git"
QUOTA = Forbidden(403, "Forbidden", "exceeded quota: count/builds.paas.dev=1")


async def test_what_asks_for_it_is_polled_in_its_interval_and_nothing_else() -> None:
    host = Host()
    polling = Polling(
        host,
        config("often", uri=URI, pollIntervalSeconds=60),
        config("seldom", uri=URI, pollIntervalSeconds=600),
        config("never", uri=URI),
        config("hosted"),
    )
    await polling.run(60)
    assert set(host.asked) == {"often", "seldom"}, "all within the shortest interval of a start"
    host.asked.clear()
    await polling.run(600)
    assert 10 <= host.asked.count("often") <= 15
    assert host.asked.count("seldom") == 1
    polling.configs.clear()
    host.asked.clear()
    await polling.run(600)
    assert host.asked == []


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (None, None),
        ("git.example wants a login", "retry"),
        (Made(True, "a" * 40, "shop-2", "main was found at aaaaaaaaaaaa"), "build"),
        (Made(False, "a" * 40, "shop-2", "this push was built before as shop-2"), "ignored"),
        (BuildConfigNotFound("gone"), "ignored"),
        (ClusterUnreachable("no answer"), "retry"),
        (QUOTA, "retry"),
        (OSError("no more files"), "retry"),
    ],
)
async def test_what_a_poll_leads_to_is_written_down(answer: Any, decision: str | None) -> None:
    host = Host(shop=answer)
    polling = Polling(host, config("shop", uri=URI, pollIntervalSeconds=60), config("b", uri=URI))
    polling.configs[1]["spec"]["source"]["git"]["pollIntervalSeconds"] = 60
    await polling.run(60)
    assert {"shop", "b"} == set(host.asked), "one that fails does not keep the others"
    found = {delivery.decision for _, delivery in polling.recorded if delivery}
    assert found == ({decision} if decision else set())


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (QUOTA, f"the API server does not allow the build: {QUOTA.message}; the next poll tries again"),
        (
            ApiError(503, "ServiceUnavailable", "etcd is away"),
            "the API server cannot take the build now: etcd is away; the next poll tries again",
        ),
    ],
)
async def test_what_the_api_server_refuses_is_told_once(problem: ApiError, reason: str) -> None:
    polling = Polling(Host(shop=problem), config("shop", uri=URI, pollIntervalSeconds=60))
    await polling.run(300)
    assert len(polling.recorded) > 1
    stored: dict[str, Any] = {}
    written = 0
    for _, delivery in polling.recorded:
        assert delivery is not None
        status = recorded(stored, delivery, None)
        stored, written = status or stored, written + (status is not None)
    (entry,) = stored["deliveries"]
    assert (entry["decision"], entry["reason"], entry["event"]) == ("retry", reason, "poll")
    assert entry.get("cause") == ("Quota" if problem is QUOTA else None), "a busy server refuses nothing"
    assert written == 1, "the same again is no news"


async def test_silent_hosts_of_a_project_delay_no_poll_of_another() -> None:
    answers = {f"silent-{number}": asyncio.Event() for number in range(20)}
    host = Host(**answers)
    silent = [config(name, uri=URI, pollIntervalSeconds=60) for name in answers]
    polling = Polling(host, *silent, config("shop", project="other", uri=URI, pollIntervalSeconds=60))
    await polling.run(600)
    assert 10 <= host.asked.count("shop") <= 15
    assert len(host.asked) - host.asked.count("shop") == 1, "a project has one poll at a time"
    for answer in answers.values():
        answer.set()
    await polling.run(120)
    assert set(answers) < set(host.asked), "and none of its own is left out for ever"


async def test_no_poll_goes_on_when_the_poller_ends() -> None:
    host = Host(shop=asyncio.Event())
    polling = Polling(host, config("shop", uri=URI, pollIntervalSeconds=60))
    await polling.run(60)
    assert host.asked == ["shop"]
    running = asyncio.create_task(polling.poller.run())
    await settled()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert polling.poller._rounds == {}


async def test_a_generic_trigger_is_polled_unless_it_says_when() -> None:
    host = Host()
    configs = [
        config("unsaid", uri=URI),
        config("said", uri=URI, pollIntervalSeconds=86400),
        config("hosted"),
    ]
    for each in configs:
        each["spec"]["triggers"] = [{"type": "Generic", "generic": {"secretReference": {"name": "hook"}}}]
    polling = Polling(host, *configs, config("github", uri=URI))
    await polling.run(60)
    assert sorted(host.asked) == ["said", "unsaid"]
    host.asked.clear()
    await polling.run(3600)
    assert set(host.asked) == {"unsaid"}
    assert 5 <= len(host.asked) <= 7
