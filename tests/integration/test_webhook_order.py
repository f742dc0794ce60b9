"""Deliveries that come late, twice or never: a real git host, the real server, a real API server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.api.resources import BUILD, BUILDCONFIG, Key, Manifest
from paas.kube.cluster import Cluster
from paas.server.cluster import dependencies_of
from paas.settings import Settings, SourceSettings
from paas.webhooks import heads, poll, record
from paas.webhooks.decision import decide
from paas.webhooks.github import GitHub
from paas.webhooks.host import Pushed
from paas.webhooks.source_builds import SourceBuilds
from tests.support import git_host
from tests.support.git_host import GitHost, git
from tests.support.git_server import wait_for
from tests.support.served_platform import Platform, build_config, served

pytestmark = pytest.mark.integration
SECRET = "s3cret"
HOOK = {"type": "GitHub", "github": {"secretReference": {"name": "hook"}}}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with git_host.serving(tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture(scope="module")
def platform(
    cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory, host: GitHost
) -> Iterator[Platform]:
    patch = pytest.MonkeyPatch()
    patch.setattr(poll, "FIRST_SECONDS", 0.0)
    patch.setattr(poll, "LIST_SECONDS", 0.5)
    patch.setattr(heads, "ANSWER_SECONDS", 45.0)  # nobody waits for the answer to a delivery here
    sources = SourceSettings(allowed_addresses=("127.0.0.0/8",))
    folder = tmp_path_factory.mktemp("platform")
    with served(cluster_kubeconfig, folder, ca_file=host.ca_file, sources=sources) as made:
        yield made
    patch.undo()


@dataclass
class Shop:
    """An application whose source is at the git host, and what GitHub would deliver about it."""

    platform: Platform
    project: str
    uri: str
    clone: Path
    pushes: list[dict[str, Any]] = field(default_factory=list)

    def push(self) -> int:
        """Push a commit to the host; the number of the push. Nothing is delivered by that."""
        before = self.pushes[-1]["after"] if self.pushes else "0" * 40
        git(self.clone, "commit", "-q", "--allow-empty", "-m", f"Push {len(self.pushes)}")
        git(self.clone, "push", "-q", str(self.clone.parent / "remote"), "main")
        self.pushes.append(
            {
                "ref": "refs/heads/main",
                "before": before,
                "after": git(self.clone, "rev-parse", "HEAD"),
                "repository": {
                    "clone_url": self.uri,
                    "default_branch": "main",
                    "pushed_at": 1700000000 + len(self.pushes),
                },
            }
        )
        return len(self.pushes) - 1

    def commit(self, number: int) -> str:
        return str(self.pushes[number]["after"])

    def deliver(self, number: int, *, id_: str = "") -> tuple[int, dict[str, str]]:
        body = json.dumps(self.pushes[number]).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": id_ or secrets.token_hex(8),
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }
        answered: list[tuple[int, dict[str, str]]] = []

        def taken() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", self.platform.port, timeout=60)
            connection.request("POST", f"/webhooks/{self.project}/shop/github", body=body, headers=headers)
            answer = connection.getresponse()
            answered.append((answer.status, json.loads(answer.read())))
            # an API server that has just learned its kinds may say that their storage is not ready yet
            return answer.status != 503

        wait_for(taken, "the delivery is taken", seconds=60)
        return answered[-1]

    def built(self) -> list[str]:
        """Commits of the Builds in order of their numbers."""
        return [b["spec"]["revision"]["git"]["commit"] for b in self.platform.builds(self.project)]

    def status(self) -> Manifest:
        found = self.platform.do(lambda c: c.get(BUILDCONFIG, Key(self.project, "shop")))
        return dict((found or {}).get("status") or {})


@pytest.fixture
def shop(platform: Platform, host: GitHost, tmp_path: Path) -> Shop:
    project, name = platform.project(), f"shop-{secrets.token_hex(3)}"
    (tmp_path / "remote").symlink_to(host.repository(name))
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "-q", "-b", "main")
    hook = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": project, "name": "hook"},
        "stringData": {"WebHookSecretKey": SECRET},
    }
    uri = f"{host.url}/{name}.git"
    platform.apply(hook, build_config(project, "shop", source={"git": {"uri": uri}}, triggers=[HOOK]))
    return Shop(platform, project, uri, clone)


def test_an_older_push_is_never_built_after_a_newer_one(shop: Shop) -> None:
    """R13, W3, and after everything that a Build remembers was pruned."""
    first, second, third = (shop.push() for _ in range(3))
    assert shop.deliver(third) == (
        202,
        {"decision": "build", "reason": f"push to main at {shop.commit(third)[:12]}", "build": "shop-1"},
    )
    for number in (second, first, third, second, third):
        status, told = shop.deliver(number)
        assert (status, told["decision"], told["build"]) == (200, "ignored", "shop-1"), told
    assert shop.built() == [shop.commit(third)]
    assert shop.platform.do(lambda c: c.delete(BUILD, Key(shop.project, "shop-1")))
    for number in (first, second, third):
        assert shop.deliver(number)[0] == 200
    assert shop.built() == []


def test_a_lost_delivery_is_made_good_by_the_next_that_asks(shop: Shop) -> None:
    first, second = shop.push(), shop.push()
    assert shop.deliver(second)[0] == 202
    lost = shop.push()
    status, told = shop.deliver(first)
    assert (status, told["reason"]) == (202, f"main is at {shop.commit(lost)[:12]} by now")
    assert shop.deliver(lost)[1]["decision"] == "ignored"
    assert shop.built() == [shop.commit(second), shop.commit(lost)]


def test_what_was_delivered_is_in_the_status(shop: Shop) -> None:
    first, second = shop.push(), shop.push()
    shop.platform.do(
        lambda c: c.patch(
            BUILDCONFIG,
            Key(shop.project, "shop"),
            {"status": {"lastVersion": 7}},
            manager="somebody",
            subresource="status",
        )
    )
    shop.deliver(second, id_="delivery-2")
    shop.deliver(first, id_="delivery-1")
    newest, oldest = shop.status()["deliveries"]
    assert (oldest["id"], oldest["event"], oldest["ref"]) == ("delivery-2", "push", "main")
    assert (oldest["commit"], oldest["decision"], oldest["build"]) == (
        shop.commit(second),
        "build",
        "shop-8",
    )
    assert (newest["id"], newest["decision"]) == ("delivery-1", "ignored")
    assert "this push is over: main is at" in newest["reason"]
    assert shop.status()["head"]["commit"] == shop.commit(second)
    for number in range(25):
        shop.deliver(second, id_=f"again-{number}")
    kept = shop.status()
    assert [each["id"] for each in kept["deliveries"]] == [f"again-{n}" for n in range(24, 4, -1)]
    assert kept["lastVersion"] == 7
    config = shop.platform.do(lambda c: c.get(BUILDCONFIG, Key(shop.project, "shop")))
    assert config is not None
    ours = [m for m in config["metadata"]["managedFields"] if m["manager"] == record.MANAGER]
    assert [(m["operation"], set(m["fieldsV1"]["f:status"])) for m in ours] == [
        ("Apply", {"f:deliveries", "f:head"})
    ]


def test_a_poll_finds_what_was_never_delivered(shop: Shop) -> None:
    """R12"""
    first = shop.push()
    interval = {"spec": {"source": {"git": {"pollIntervalSeconds": 60}}}}
    shop.platform.do(lambda c: c.patch(BUILDCONFIG, Key(shop.project, "shop"), interval, manager="test"))
    wait_for(lambda: shop.built() == [shop.commit(first)], "the poll builds the head", seconds=120)
    (build,) = shop.platform.builds(shop.project)
    assert build["spec"]["trigger"]["type"] == "Poll"
    assert shop.deliver(first)[1]["build"] == "shop-1"
    assert len(shop.built()) == 1
    wait_for(lambda: "head" in shop.status(), "it is recorded")
    assert shop.status()["deliveries"][-1]["event"] == "poll"


def test_servers_that_find_the_same_push_at_the_same_time_make_one_build(shop: Shop, host: GitHost) -> None:
    number = shop.push()
    event = GitHub().event(
        {"content-type": "application/json", "x-github-event": "push"},
        json.dumps(shop.pushes[number]).encode(),
    )
    assert isinstance(event, Pushed)
    told = event
    folder = shop.platform.folder
    settings = Settings(
        credentials_key_file=folder / "credentials.key",
        registry_token_key_file=folder / "token.key",
        ca_file=host.ca_file,
        sources=SourceSettings(allowed_addresses=("127.0.0.0/8",)),
    )
    key = Key(shop.project, "shop")

    async def race(admin: Cluster) -> None:
        config = await admin.get(BUILDCONFIG, key)
        assert config is not None
        request = decide(config, told)
        assert isinstance(request, BuildRequest)
        async with await Cluster.connect(shop.platform.kubeconfig) as other:
            servers = []
            for cluster in (admin, other):
                needs = dependencies_of(cluster, settings)
                servers.append(
                    SourceBuilds(
                        find_config=needs.find_config,
                        find_builds=needs.find_builds,
                        instantiate=needs.instantiate,
                        ask_head=needs.ask_head,
                    )
                )
            tasks: list[Any] = [server.polled(key) for server in servers]
            tasks += [server.pushed(key, told, request) for server in servers for _ in range(4)]
            await asyncio.gather(*tasks)

    shop.platform.do(race)
    (build,) = shop.platform.builds(shop.project)
    assert build["spec"]["trigger"]["type"] in (TriggerType.WEBHOOK, TriggerType.POLL)
    assert shop.built() == [shop.commit(number)]
