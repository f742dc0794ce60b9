"""Which access to the registry is due to whom."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from paas.registry.repositories import Repositories
from paas.registry.signer import Signer
from paas.registry.token import (
    BuildUser,
    PlatformUser,
    ProjectUser,
    Scope,
    claims,
    due,
    granted,
    parse_scopes,
    parse_user,
)

OWN = Repositories("demo", "uid_0123456789ab")
OLDER = Repositories("demo", "uid_0123456789ab", by_name=True)
BUILD = BuildUser("demo", "shop-7", "shop", OWN)
PROJECT = ProjectUser("demo", OWN)
PLATFORM = PlatformUser()
SHOP = "demo/uid_0123456789ab/shop"
PULL, BOTH, NOTHING = {"pull"}, {"pull", "push"}, set()


@pytest.mark.parametrize(
    ("user", "repository", "expected"),
    [
        (BUILD, "demo/uid_0123456789ab/shop", BOTH),
        (BUILD, "demo/uid_0123456789ab/shop/cache", BOTH),
        (BUILD, "demo/shop", NOTHING),
        (BUILD, "demo/shop/cache", NOTHING),
        (BUILD, "demo/uid_ba9876543210/shop", NOTHING),
        (BUILD, "demo/uid_ba9876543210/shop/cache", NOTHING),
        (BUILD, "demo/uid_0123456789ab/other", NOTHING),
        (BUILD, "paas/runtime-python", PULL),
        (BUILD, "demo/other", NOTHING),
        (BUILD, "demo/shop/else", NOTHING),
        (BUILD, "demo/shopping", NOTHING),
        (BUILD, "other/shop", NOTHING),
        (BUILD, "other/shop/cache", NOTHING),
        (BUILD, "shop", NOTHING),
        (BUILD, "paas", NOTHING),
        (BuildUser("demo", "shop-7", "shop", OLDER), "demo/shop", BOTH),
        (BuildUser("demo", "shop-7", "shop", OLDER), "demo/shop/cache", BOTH),
        (BuildUser("demo", "shop-7", "shop", OLDER), "demo/uid_0123456789ab/shop/cache", BOTH),
        (BuildUser("demo", "shop-7", "shop", OLDER), "demo/uid_ba9876543210/shop/cache", NOTHING),
        (BuildUser("demo", "shop-7", repositories=OWN), "demo/cache", NOTHING),
        (BuildUser("paas", "runtime-python-1", "runtime-python"), "paas/runtime-python", PULL),
        (BuildUser("kube-system", "x-1", "x"), "kube-system/x", NOTHING),
        (PROJECT, "demo/uid_0123456789ab/shop", PULL),
        (PROJECT, "demo/uid_0123456789ab/shop/cache", PULL),
        (PROJECT, "demo/shop", NOTHING),
        (PROJECT, "demo/uid_ba9876543210/shop", NOTHING),
        (PROJECT, "demo/uid_0123456789ab", NOTHING),
        (PROJECT, "demo/uid_0123456789abc/shop", NOTHING),
        (ProjectUser("demo", OLDER), "demo/shop", PULL),
        (ProjectUser("demo", OLDER), "demo/uid_0123456789ab/shop", PULL),
        (ProjectUser("demo", OLDER), "demo/uid_ba9876543210/shop", NOTHING),
        (ProjectUser("demo", OLDER), "demos/shop", NOTHING),
        (PROJECT, "paas/runtime-python", PULL),
        (PROJECT, "demos/shop", NOTHING),
        (PROJECT, "other/shop", NOTHING),
        (PROJECT, "demo", NOTHING),
        (ProjectUser("default"), "default/shop", NOTHING),
        (PLATFORM, "demo/shop", PULL),
        (PLATFORM, "paas/runtime-python", BOTH),
    ],
)
def test_what_is_due(user, repository, expected):
    assert due(user, repository) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("platform", PLATFORM),
        ("build:demo/shop-7", BuildUser("demo", "shop-7")),
        ("project:demo", ProjectUser("demo")),
        ("build:demo", None),
        ("build:demo/", None),
        ("build:/shop-7", None),
        ("build:demo/shop/7", None),
        ("build:../shop-7", None),
        ("project:", None),
        ("project:demo/x", None),
        ("project:" + "a" * 300, None),
        ("admin", None),
        ("Platform", None),
        ("", None),
    ],
)
def test_who_a_user_name_claims_to_be(text, expected):
    assert parse_user(text) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["repository:demo/shop:pull,push"], [Scope("demo/shop", frozenset(BOTH))]),
        (
            ["repository:a/b:pull repository:c/d:push"],
            [Scope("a/b", frozenset(PULL)), Scope("c/d", frozenset({"push"}))],
        ),
        (["registry:catalog:*"], []),
        (["repository:Demo/Shop:pull"], []),
        (["repository:a/../b:pull"], []),
        (["repository:pull"], []),
        ([""], []),
    ],
)
def test_scopes_asked_for(texts, expected):
    assert list(parse_scopes(texts)) == expected


def test_the_grant_is_the_intersection_of_asked_and_due():
    asked = parse_scopes(
        [f"repository:{SHOP}:push", "repository:other/shop:pull,push", "repository:paas/x:*"]
    )
    assert granted(BUILD, asked) == (Scope(SHOP, frozenset({"push"})),)
    assert granted(BUILD, parse_scopes([f"repository:{SHOP}:delete"])) == ()


@given(
    st.sampled_from([BUILD, PROJECT, PLATFORM]),
    st.lists(
        st.from_regex(
            r"repository:([a-z]{1,5}(/[a-z]{1,5}){0,2}|demo/uid_0123456789ab/shop(/cache)?):[a-z,*]{0,12}",
            fullmatch=True,
        ),
        max_size=5,
    ),
)
def test_nothing_is_ever_granted_that_was_not_asked_or_is_not_due(user, texts):
    asked = parse_scopes(texts)
    for grant in granted(user, asked):
        assert grant.actions <= due(user, grant.name)
        assert any(grant.name == scope.name and grant.actions <= scope.actions for scope in asked)


def test_a_token_is_signed_so_that_the_public_key_verifies_it():
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = Signer(pem)
    content = claims(
        "build:demo/shop-7",
        [Scope("demo/shop", frozenset(BOTH))],
        service="registry.test",
        now=datetime(2026, 1, 1, tzinfo=UTC),
        identifier="1",
    )
    header, payload, signature = signer.sign(content).split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)]
    assert decoded[0] == {"typ": "JWT", "alg": "ES256", "kid": signer.jwks["keys"][0]["kid"]}
    assert decoded[1] == {
        "iss": "paas",
        "sub": "build:demo/shop-7",
        "aud": "registry.test",
        "iat": 1767225600,
        "nbf": 1767225600,
        "exp": 1767225900,
        "jti": "1",
        "access": [{"type": "repository", "name": "demo/shop", "actions": ["pull", "push"]}],
    }
    raw = base64.urlsafe_b64decode(signature + "==")
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.public_key().verify(der, f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))  # raises if not


def test_another_kind_of_key_is_refused():
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="P-256"):
        Signer(pem)
