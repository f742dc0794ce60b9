"""Which repository a Build's credential opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paas.api.resources import Key, Manifest
from paas.auth import credentials
from paas.git.access import Access, Unknown
from paas.git.repositories import Repositories
from paas.kube.cluster import UserInfo

CREDENTIAL_KEY = b"k" * 32
COMMIT = "c" * 40
SHOP, BANK = Key("demo", "shop"), Key("bank", "core")


async def nobody(_token: str) -> UserInfo | None:
    return None


async def never(_user: UserInfo, _verb: str, _subresource: str, _key: Key) -> bool:
    return False


def access(root: Path, *, config: str | None = "uid-shop", **spec: Any) -> Access:
    """With repositories of two applications, and one running Build of `demo/shop`, whose BuildConfig has the
    UID `config`."""
    for uid, key in (("uid-shop", SHOP), ("uid-core", BANK)):
        (root / uid).mkdir()
        (root / uid / "paas.json").write_text(json.dumps({"project": key.namespace, "name": key.name}))

    async def find_build(key: Key) -> Manifest | None:
        given = {"buildConfig": "shop", "buildConfigUid": "uid-shop", "revision": {"git": {"commit": COMMIT}}}
        build = {"metadata": {"uid": "uid-1"}, "spec": given | spec, "status": {"phase": "Running"}}
        return build if key == Key("demo", "shop-1") else None

    async def find_config(key: Key) -> Manifest | None:
        found = {SHOP: config, BANK: "uid-core"}.get(key)
        return {"metadata": {"uid": found}} if found else None

    return Access(
        Repositories(root),
        authenticate=nobody,
        authorize=never,
        find_config=find_config,
        find_build=find_build,
        credential_key=CREDENTIAL_KEY,
    )


def login(uid: str = "uid-1") -> tuple[str, str]:
    password = credentials.build_credential(CREDENTIAL_KEY, uid, credentials.SOURCE)
    return credentials.build_user("demo", "shop-1"), password


async def test_a_running_build_reads_its_own_repository(tmp_path: Path) -> None:
    repository = await access(tmp_path).open_for_build(*login(), SHOP, COMMIT)
    assert (repository.uid, repository.key) == ("uid-shop", SHOP)


@pytest.mark.parametrize("config", [None, "uid-of-the-shop-made-again"])
async def test_t18_the_repository_of_a_buildconfig_that_is_gone_is_nobodys(
    tmp_path: Path, config: str | None
) -> None:
    """It is kept for a week under its UID; that in a Build of the project made again opens nothing."""
    with pytest.raises(Unknown):
        await access(tmp_path, config=config).open_for_build(*login(), SHOP, COMMIT)


@pytest.mark.parametrize("key", [SHOP, BANK, Key("demo", "core"), Key("bank", "shop")])
@pytest.mark.parametrize("config", ["shop", "core"])
async def test_a_build_that_names_the_repository_of_another_project_gets_nothing(
    tmp_path: Path, key: Key, config: str
) -> None:
    forged = access(tmp_path, buildConfig=config, buildConfigUid="uid-core")
    with pytest.raises(Unknown):
        await forged.open_for_build(*login(), key, COMMIT)
