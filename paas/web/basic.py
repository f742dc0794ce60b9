"""HTTP's Basic authentication: a user and a password in one header."""

from __future__ import annotations

import base64


def encoded(user: str, password: str) -> str:
    """The Authorization header of this user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def decoded(header: str) -> str:
    """`user:password` of an Authorization header; '' when it is no Basic authentication."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode()
    except ValueError:
        return ""


def user_and_password(credential: str) -> tuple[str, str]:
    """The two parts of `user:password`. The platform's user names hold a colon (`build:demo/shop-7`) and its
    passwords hold none, so the last colon is the separator."""
    user, _, password = credential.rpartition(":")
    return user, password


def token(header: str) -> str:
    """A bearer token, also one that is sent as the password of Basic authentication, as git does; '' for
    none. Here the first colon is the separator: a token may hold one, the user that git sends does not."""
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else decoded(header).partition(":")[2]
