"""What is looked up, and remembered, for a delivery that anybody may send."""

from __future__ import annotations

import base64

import pytest

from paas.api.resources import Key, Manifest, Resource
from paas.kube.errors import Forbidden
from paas.webhooks.decision import decide
from paas.webhooks.github import GitHub
from paas.webhooks.host import Pushed
from paas.webhooks.secrets import LONGEST_SECRET, SignedConfig, TriggerSecrets, secret_of_project

KEY = Key("demo", "shop")
PUSHED = Pushed("main", "c" * 40, "", 0, "main", "https://git.example/shop.git", "", None, None, "")
CONFIG: Manifest = {
    "metadata": {"name": "shop", "uid": "1", "annotations": {"note": "x" * 200_000}},
    "spec": {
        "source": {"git": {"uri": "https://git.example/shop.git"}, "dockerfile": "FROM scratch\n" * 4000},
        "triggers": [{"type": "GitHub", "github": {"secretReference": {"name": "hook"}}}],
    },
}


async def looked_up(secret: bytes) -> SignedConfig:
    async def find_config(key: Key) -> Manifest | None:
        return CONFIG

    async def find_secret(key: Key) -> Manifest | None:
        return {"data": {"WebHookSecretKey": base64.b64encode(secret).decode()}}

    return await TriggerSecrets(find_config=find_config, find_secret=find_secret, clock=lambda: 0.0).of(
        KEY, GitHub()
    )


async def test_what_is_remembered_is_small_and_decides_as_the_whole_does() -> None:
    found = await looked_up(b"s" * LONGEST_SECRET)
    assert found.config is not None
    assert len(str(found)) < 2 * LONGEST_SECRET
    assert decide(found.config, PUSHED) == decide(CONFIG, PUSHED)
    assert found.secrets == (b"s" * LONGEST_SECRET,)


@pytest.mark.parametrize("secret", [b"", b"s" * (LONGEST_SECRET + 1)])
async def test_no_secret_and_one_without_measure_sign_nothing(secret: bytes) -> None:
    assert (await looked_up(secret)).secrets == ()


class OutsideOfProjects:
    """What the API server answers where no binding of a project lets us read."""

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        raise Forbidden(403, "Forbidden", f'secrets "{key.name}" is forbidden')


async def test_a_secret_that_may_not_be_read_counts_as_missing() -> None:
    assert await secret_of_project(OutsideOfProjects(), KEY) is None  # type: ignore[arg-type]
