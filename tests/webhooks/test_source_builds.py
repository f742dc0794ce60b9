"""Several servers, a real git host that is really asked, and pushes that are told late, twice or never."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.api.buildconfig_status import Delivery
from paas.api.resources import Key, Manifest
from paas.webhooks import heads
from paas.webhooks.decision import decide
from paas.webhooks.heads import Heads
from paas.webhooks.host import Pushed
from paas.webhooks.order import delivery_trigger
from paas.webhooks.source_builds import Made, SourceBuilds
from tests.support.git_host import GitHost, git, serving
from tests.support.git_server import FakeCluster

pytestmark = pytest.mark.integration
KEY = Key("demo", "shop")
IDS = itertools.count()


@dataclass
class Shop:
    """An application whose source is at the git host, and two servers that are told of its pushes."""

    host: GitHost
    clone: Path
    cluster: FakeCluster
    config: Manifest
    pushes: list[Pushed] = field(default_factory=list)

    def __post_init__(self) -> None:
        def server() -> SourceBuilds:
            return SourceBuilds(
                find_config=self.cluster.find_config,
                find_builds=self.cluster.find_builds,
                instantiate=self.cluster.instantiate,
                ask_head=Heads(
                    find_secret=self.cluster.find_secret,
                    authority=self.host.ca_file.read_text(),
                    allowed_addresses=("127.0.0.0/8",),
                ),
            )

        self.servers = (server(), server())

    def push(self) -> int:
        """Push a commit to the host; the number of the push. Nobody is told by that."""
        before = self.pushes[-1].commit if self.pushes else "0" * 40
        git(self.clone, "commit", "-q", "--allow-empty", "-m", f"Push {len(self.pushes)}")
        git(self.clone, "push", "-q", str(self.host.root / "shop.git"), "main")
        commit, at = git(self.clone, "rev-parse", "HEAD"), 1700000000 + len(self.pushes)
        self.pushes.append(Pushed("main", commit, before, at, "main", "", "alice", None, None, ""))
        return len(self.pushes) - 1

    async def tell(self, number: int, *, server: int = 0) -> Made:
        push = self.pushes[number]
        request = decide(self.config, push)
        assert isinstance(request, BuildRequest)
        made = await self.servers[server].pushed(KEY, push, request)
        await self.cluster.record(KEY, None, made.head)
        return made

    def built(self) -> list[int]:
        """Numbers of the pushes whose commits were built, in the order of the Builds."""
        commits = [push.commit for push in self.pushes]
        return [commits.index(commit) for commit in self.cluster.commits("shop")]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(heads, "ANSWER_SECONDS", 120.0)  # no delivery waits here
    with serving(tmp_path) as host:
        host.repository("shop")
        clone = tmp_path / "clone"
        clone.mkdir()
        git(clone, "init", "-q", "-b", "main")
        cluster = FakeCluster(tmp_path / "cluster")
        config = cluster.add_config("shop", uri=f"{host.url}/shop.git")
        yield Shop(host, clone, cluster, config)


async def test_an_older_push_is_never_built_after_a_newer_one(shop: Shop) -> None:
    """R13, W3"""
    for _ in range(3):
        shop.push()
    assert (await shop.tell(2)).created
    for number in (1, 0, 2, 1, 2):
        assert not (await shop.tell(number, server=number % 2)).created
    assert shop.built() == [2]
    assert "this push is over: main is at" in (await shop.tell(0)).reason


async def test_what_got_lost_is_built_when_the_host_is_asked(shop: Shop) -> None:
    for _ in range(2):
        shop.push()
    await shop.tell(1)
    lost = shop.push()
    made = await shop.tell(0)
    assert (made.created, made.commit) == (True, shop.pushes[lost].commit)
    assert not (await shop.tell(lost)).created
    assert shop.built() == [1, lost]


async def test_a_poll_finds_what_was_never_told(shop: Shop) -> None:
    """R12"""
    shop.push()
    found = await shop.servers[0].polled(KEY)
    assert isinstance(found, Made)
    assert found.created
    await shop.cluster.record(KEY, None, found.head)
    assert await shop.servers[1].polled(KEY) is None
    assert not (await shop.tell(0)).created
    assert shop.built() == [0]
    (build,) = shop.cluster.builds("shop")
    assert build["spec"]["trigger"]["type"] == "Poll"


async def test_a_host_that_does_not_tell_is_named(shop: Shop) -> None:
    shop.push()
    shop.host.login = ("ann", "secret")
    found = await shop.servers[0].polled(KEY)
    assert isinstance(found, str)
    assert "wants a login" in found
    await shop.tell(0)
    assert shop.built() == [0], "a delivery needs no answer"


async def test_all_that_find_the_same_push_at_the_same_time_make_one_build(shop: Shop) -> None:
    shop.push()
    await shop.tell(0)
    newest = shop.push()
    told = [shop.tell(number, server=server) for number in (0, newest) for server in (0, 1)]
    await asyncio.gather(*told, *(server.polled(KEY) for server in shop.servers))
    assert shop.built() == [0, newest]


def asked(commit: str | None = None) -> BuildRequest:
    return BuildRequest(f"generic-{next(IDS)}", TriggerType.MANUAL, commit=commit)


def triggers(shop: Shop) -> list[str]:
    return [build["spec"]["trigger"]["type"] for build in shop.cluster.builds("shop")]


async def test_what_is_asked_for_is_new_source_if_there_is_some(shop: Shop) -> None:
    """And the same again if there is none: which releases no rollback."""
    shop.push()
    made = await shop.servers[0].asked(KEY, asked())
    await shop.cluster.record(KEY, None, made.head)
    assert (made.created, shop.built()) == (True, [0])
    again = await shop.servers[1].asked(KEY, asked())
    assert (again.created, again.build) == (True, "shop-2")
    shop.push()
    newer = await shop.servers[0].asked(KEY, asked())
    assert (newer.created, newer.commit) == (True, shop.pushes[1].commit)
    assert triggers(shop) == ["WebHook", "Manual", "WebHook"]


async def test_a_delivery_that_is_repeated_makes_no_second_build_of_what_it_found(shop: Shop) -> None:
    """Its Build is one of the source's change, and is not found by the delivery."""
    shop.push()
    request = BuildRequest(delivery_trigger("job-17"), TriggerType.MANUAL)
    made = await shop.servers[0].asked(KEY, request)
    about = {"time": "2026-11-26T11:00:00Z", "event": "generic", "decision": "build", "reason": made.reason}
    delivery = Delivery.model_validate({"id": "job-17", "build": made.build, **about})
    await shop.cluster.record(KEY, delivery, made.head)
    again = await shop.servers[1].asked(KEY, request)
    assert (made.created, again.created, again.build) == (True, False, made.build)
    assert triggers(shop) == ["WebHook"]


async def test_a_delivery_that_comes_twice_at_the_same_time_makes_one_build(shop: Shop) -> None:
    """To both pods of the front, by a sender that does not wait long."""
    shop.push()
    request = asked()
    both = await asyncio.gather(*(server.asked(KEY, request) for server in shop.servers))
    assert sorted(made.created for made in both) == [False, True]
    assert triggers(shop) == ["WebHook"]


async def test_what_is_asked_for_is_built_when_the_host_does_not_tell(shop: Shop) -> None:
    shop.push()
    shop.host.login = ("ann", "secret")
    assert (await shop.servers[0].asked(KEY, asked())).created
    assert triggers(shop) == ["Manual"]


async def test_a_commit_that_is_asked_for_is_built_whatever_is_newer(shop: Shop) -> None:
    for _ in range(2):
        shop.push()
    await shop.tell(1)
    older = await shop.servers[0].asked(KEY, asked(shop.pushes[0].commit))
    assert (older.created, triggers(shop)) == (True, ["WebHook", "Manual"])
    assert shop.built() == [1, 0]
