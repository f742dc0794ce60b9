"""Users, passwords and tokens in one header."""

from __future__ import annotations

import base64

import pytest

from paas.web import basic


def header(credential: str) -> str:
    return "Basic " + base64.b64encode(credential.encode()).decode()


def test_what_is_encoded_is_decoded() -> None:
    credential = basic.decoded(basic.encoded("build:demo/shop-7", "0a1b"))
    assert basic.user_and_password(credential) == ("build:demo/shop-7", "0a1b")


@pytest.mark.parametrize("text", ["", "Basic", "Basic %%%", "Basic /w==", "Bearer YTpi", "Digest x"])
def test_what_is_no_basic_authentication_names_nobody(text: str) -> None:
    assert basic.user_and_password(basic.decoded(text)) == ("", "")


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        (header("paas:abc"), "abc"),
        (header(":abc:def"), "abc:def"),
        (header("abc"), ""),
        ("", ""),
    ],
)
def test_a_token_comes_as_bearer_or_as_a_password(text: str, token: str) -> None:
    assert basic.token(text) == token


def test_what_is_not_base64_to_its_end_is_no_credential() -> None:
    good = basic.encoded("alice", "secret")
    assert basic.decoded(good) == "alice:secret"
    assert basic.decoded(good[:10] + "!" + good[10:]) == ""
