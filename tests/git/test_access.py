"""Who may push, fetch and take a build's source, whatever the protocol; a table for every refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from paas.api.build import TERMINAL, Phase
from paas.api.resources import Key, Manifest
from paas.auth import credentials
from paas.git.access import Access, NoRepository, NotAllowed, Service, Unknown
from paas.git.repositories import Repositories, Repository
from paas.kube.cluster import UserInfo
from paas.kube.errors import ClusterUnreachable

SHOP = Key("demo", "shop")
ALICE = UserInfo("alice")
KEY = b"0123456789abcdef0123456789abcdef"
COMMIT = "3f2c9ab" + "0" * 33


class Stored:
    """Repositories that are names only; `uids` are those that exist."""

    def __init__(self) -> None:
        self.uids = {"uid-shop"}

    def get(self, uid: str) -> Repository | None:
        return Repository(Path(uid), uid, SHOP) if uid in self.uids else None

    async def open(self, uid: str, key: Key) -> Repository:
        self.uids.add(uid)
        return Repository(Path(uid), uid, key)


class World:
    """One BuildConfig, one Build of it, and Alice, who may do what `rights` says."""

    def __init__(self) -> None:
        self.config: Manifest | None = {
            "metadata": {"namespace": "demo", "name": "shop", "uid": "uid-shop"},
            "spec": {"source": {"git": {}}},
        }
        self.build: Manifest | None = {
            "metadata": {"namespace": "demo", "name": "shop-1", "uid": "uid-build"},
            "spec": {
                "buildConfig": "shop",
                "buildConfigUid": "uid-shop",
                "revision": {"git": {"commit": COMMIT}},
            },
            "status": {"phase": "Running"},
        }
        self.rights = {("create", "instantiate"), ("get", "source")}
        self.asked: list[Key] = []
        self.stored = Stored()
        self.answers = True

    async def authenticate(self, token: str) -> UserInfo | None:
        if not self.answers:
            raise ClusterUnreachable("no answer")
        return ALICE if token == "good" else None

    async def authorize(self, user: UserInfo, verb: str, subresource: str, key: Key) -> bool:
        return user == ALICE and key == SHOP and (verb, subresource) in self.rights

    async def find_config(self, key: Key) -> Manifest | None:
        return self.config if key == SHOP else None

    async def find_build(self, key: Key) -> Manifest | None:
        self.asked.append(key)
        return self.build if key == Key("demo", "shop-1") else None

    def access(self) -> Access:
        return Access(
            cast(Repositories, self.stored),
            authenticate=self.authenticate,
            authorize=self.authorize,
            find_config=self.find_config,
            find_build=self.find_build,
            credential_key=KEY,
        )

    async def of_build(self, **other: Any) -> Repository:
        given = {
            "user": credentials.build_user("demo", "shop-1"),
            "password": credentials.build_credential(KEY, "uid-build", credentials.SOURCE),
            "key": SHOP,
            "commit": COMMIT,
        }
        return await self.access().open_for_build(**{**given, **other})


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_says_who_asks(world: World) -> None:
    assert await world.access().user("good") == ALICE


@pytest.mark.parametrize(("token", "why"), [("", "No token came"), ("bad", "not valid (any more)")])
async def test_without_a_valid_token_nobody_asks(world: World, token: str, why: str) -> None:
    with pytest.raises(Unknown, match=re.escape(why)) as raised:
        await world.access().user(token)
    assert "git-credential" in str(raised.value)


async def test_without_a_token_the_cluster_is_not_asked_and_its_silence_is_no_refusal(world: World) -> None:
    world.answers = False
    with pytest.raises(Unknown):
        await world.access().user("")
    with pytest.raises(ClusterUnreachable):
        await world.access().user("good")


@pytest.mark.parametrize("service", list(Service))
async def test_a_repository_is_the_one_of_its_buildconfig_s_uid(world: World, service: Service) -> None:
    found = await world.access().open(ALICE, service, SHOP)
    assert (found.uid, found.key) == ("uid-shop", SHOP)


@pytest.mark.parametrize(
    ("service", "lacking", "said"),
    [
        (Service.PUSH, ("create", "instantiate"), ("may not push to demo/shop", "edit-for-git", "=edit")),
        (Service.FETCH, ("get", "source"), ("may not fetch from demo/shop", "view-for-git", "=view")),
    ],
)
async def test_each_service_needs_its_own_right(
    world: World, service: Service, lacking: tuple[str, str], said: tuple[str, ...]
) -> None:
    world.rights.remove(lacking)
    with pytest.raises(NotAllowed) as raised:
        await world.access().open(ALICE, service, SHOP)
    for part in said:
        assert part in str(raised.value)
    other = Service.FETCH if service is Service.PUSH else Service.PUSH
    assert (await world.access().open(ALICE, other, SHOP)).uid == "uid-shop"


async def test_who_may_not_hears_the_same_whether_the_application_exists_or_not(world: World) -> None:
    world.rights.clear()
    heard = []
    for config in (world.config, None):
        world.config = config
        with pytest.raises(NotAllowed) as raised:
            await world.access().open(ALICE, Service.FETCH, SHOP)
        heard.append(str(raised.value))
    assert heard[0] == heard[1]


async def test_there_is_no_repository_without_a_buildconfig_or_for_one_that_is_going(world: World) -> None:
    assert world.config is not None
    world.config["metadata"]["deletionTimestamp"] = "2026-03-04T12:00:00Z"
    for config in (world.config, None):
        world.config = config
        with pytest.raises(NoRepository, match="There is no application shop in project demo"):
            await world.access().open(ALICE, Service.PUSH, SHOP)


async def test_a_source_that_is_elsewhere_is_not_opened(world: World) -> None:
    assert world.config is not None
    world.config["spec"]["source"]["git"]["uri"] = "https://git.example/shop.git"
    with pytest.raises(NoRepository, match=r"built from https://git.example/shop.git"):
        await world.access().open(ALICE, Service.PUSH, SHOP)
    assert world.stored.uids == {"uid-shop"}


async def test_a_buildconfig_that_says_no_source_is_hosted(world: World) -> None:
    assert world.config is not None
    world.config["spec"] = {}
    assert (await world.access().open(ALICE, Service.PUSH, SHOP)).uid == "uid-shop"


@pytest.mark.parametrize("phase", [None, *(phase for phase in Phase if phase not in TERMINAL)])
async def test_a_build_that_is_not_over_gets_its_source(world: World, phase: str | None) -> None:
    assert world.build is not None
    world.build["status"] = {"phase": phase} if phase else None
    assert (await world.of_build()).uid == "uid-shop"


def password(uid: str = "uid-build", purpose: str = credentials.SOURCE) -> str:
    return credentials.build_credential(KEY, uid, purpose)


@pytest.mark.parametrize(
    "presented",
    [
        {"password": ""},
        {"password": "x" * 64},
        {"password": password(purpose=credentials.REGISTRY)},
        {"password": password("uid-another")},
        {"user": "demo/shop-1"},
        {"user": "project:demo/shop-1"},
        {"user": "build:other/shop-1"},
        {"user": "build:demo/shop-2"},
        {"user": "build:demo/shop-2", "password": password("unknown")},
        {"key": Key("demo", "other")},
        {"key": Key("other", "shop")},
        {"commit": "c" * 40},
        {"commit": ""},
    ],
    ids=str,
)
async def test_nothing_but_the_build_s_own_credential_opens_its_source(
    world: World, presented: dict[str, Any]
) -> None:
    with pytest.raises(Unknown, match=r"^This credential is not of a running build of this commit$"):
        await world.of_build(**presented)


@pytest.mark.parametrize("name", ["", "../shop-1", "shop-1/log", "Shop-1", "shop-1\n", "a" * 64])
async def test_a_name_that_no_build_has_is_not_looked_up(world: World, name: str) -> None:
    with pytest.raises(Unknown):
        await world.of_build(user=f"build:demo/{name}")
    assert world.asked == []


@pytest.mark.parametrize("phase", sorted(TERMINAL))
async def test_the_credential_ends_with_its_build(world: World, phase: str) -> None:
    assert world.build is not None
    world.build["status"]["phase"] = phase
    with pytest.raises(Unknown):
        await world.of_build()


async def test_the_credential_ends_with_the_deletion_of_its_build_and_with_the_repository(
    world: World,
) -> None:
    assert world.build is not None
    world.build["metadata"]["deletionTimestamp"] = "2026-03-04T12:00:00Z"
    with pytest.raises(Unknown):
        await world.of_build()
    del world.build["metadata"]["deletionTimestamp"]
    world.stored.uids.clear()
    with pytest.raises(Unknown):
        await world.of_build()
    assert world.stored.uids == set(), "no build makes a repository"


async def test_a_build_without_a_commit_gets_none(world: World) -> None:
    assert world.build is not None
    world.build["spec"]["revision"] = None
    with pytest.raises(Unknown):
        await world.of_build()
