"""Who a token belongs to, asked of the API server and remembered for moments."""

from __future__ import annotations

from typing import Any

import pytest

from paas.api.resources import Key
from paas.auth.review import ALLOWED_SECONDS, DENIED_SECONDS, KNOWN_SECONDS, UNKNOWN_SECONDS, Auth
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable

KEY = Key("demo", "shop")


class Answering:
    """An API server that knows tokens by audience, and counts what it is asked."""

    def __init__(self, tokens: dict[tuple[str, str | None], UserInfo], allowed: bool = True) -> None:
        self.tokens, self.is_allowed = tokens, allowed
        self.reviews: list[tuple[str, str | None]] = []
        self.asked: list[dict[str, Any]] = []
        self.problem: Exception | None = None

    async def token_review(self, token: str, *, audience: str | None = None) -> UserInfo | None:
        if self.problem:
            raise self.problem
        self.reviews.append((token, audience))
        return self.tokens.get((token, audience))

    async def allowed(self, user: UserInfo, **attributes: Any) -> bool:
        self.asked.append(attributes)
        return self.is_allowed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


ALICE = UserInfo("alice", uid="1", groups=("devs",))


async def test_a_token_made_for_us_and_one_of_a_kubeconfig() -> None:
    cluster = Answering({("ours", "paas.dev"): ALICE, ("kubeconfig", None): ALICE})
    auth = Auth(cluster)  # type: ignore[arg-type]
    assert await auth.authenticate("ours") == ALICE
    assert cluster.reviews == [("ours", "paas.dev")]
    assert await auth.authenticate("kubeconfig") == ALICE
    assert cluster.reviews[1:] == [("kubeconfig", "paas.dev"), ("kubeconfig", None)]
    assert await auth.authenticate("nobody's") is None


async def test_answers_are_remembered_for_moments_only() -> None:
    cluster, clock = Answering({("ours", "paas.dev"): ALICE}), Clock()
    auth = Auth(cluster, clock=clock)  # type: ignore[arg-type]
    for _ in range(3):
        await auth.authenticate("ours")
        await auth.authenticate("nobody's")
    assert len(cluster.reviews) == 3
    del cluster.tokens[("ours", "paas.dev")]
    clock.now = KNOWN_SECONDS + UNKNOWN_SECONDS
    assert await auth.authenticate("ours") is None


async def test_rights_are_asked_by_name_and_remembered() -> None:
    cluster, clock = Answering({}, allowed=False), Clock()
    auth = Auth(cluster, clock=clock)  # type: ignore[arg-type]
    assert not await auth.authorize(ALICE, "create", "instantiate", KEY)
    assert cluster.asked[0] == {
        "verb": "create", "resource": "buildconfigs", "group": "paas.dev",
        "namespace": "demo", "name": "shop", "subresource": "instantiate",
    }  # fmt: skip
    cluster.is_allowed = True
    assert not await auth.authorize(ALICE, "create", "instantiate", KEY)
    clock.now += DENIED_SECONDS
    assert await auth.authorize(ALICE, "create", "instantiate", KEY)
    assert len(cluster.asked) == 2
    assert await auth.authorize(ALICE, "get", "source", KEY)
    assert await auth.authorize(UserInfo("alice", uid="1"), "create", "instantiate", KEY)
    assert len(cluster.asked) == 4
    clock.now += ALLOWED_SECONDS
    cluster.is_allowed = False
    assert not await auth.authorize(ALICE, "create", "instantiate", KEY)


@pytest.mark.parametrize("token", ["x" * 20_000, "a\nb", "ü", "\0"])
async def test_what_cannot_be_a_token_is_not_asked_about(token: str) -> None:
    cluster = Answering({})
    assert await Auth(cluster).authenticate(token) is None  # type: ignore[arg-type]
    assert cluster.reviews == []


async def test_not_knowing_is_no_refusal() -> None:
    cluster = Answering({})
    cluster.problem = ClusterUnreachable("no answer")
    with pytest.raises(ClusterUnreachable):
        await Auth(cluster).authenticate("ours")  # type: ignore[arg-type]
    cluster.problem = ApiError(500, "InternalError", "x")
    with pytest.raises(ApiError):
        await Auth(cluster).authenticate("ours")  # type: ignore[arg-type]
    cluster.problem = ApiError(400, "BadRequest", "x")
    assert await Auth(cluster).authenticate("ours") is None  # type: ignore[arg-type]
