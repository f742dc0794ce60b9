"""Passwords that need no store: an HMAC of the platform's key over who holds it and what for.

Those who have the key (operator, server and front) can make and check them; nothing is written down, and a
password says nothing about another. A build's password is of its UID, so it cannot outlive the Build: who
checks it looks the Build up first and refuses one that has ended.

The key is at least 32 characters of randomness, mounted as `Settings.credentials_key_file`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

REGISTRY: Final = "registry"
"""Purpose of a build's password at the registry."""
SOURCE: Final = "source"
"""Purpose of a build's password at the server, to fetch its source."""

PLATFORM_USER: Final = "platform"
BUILD_USER_PREFIX: Final = "build:"
PROJECT_USER_PREFIX: Final = "project:"


def key_of(text: str) -> bytes:
    """The key as the key file's text says it. Raises ValueError when it is none, such as an empty file."""
    return _checked(text.strip().encode())


def build_credential(key: bytes, build_uid: str, purpose: str) -> str:
    """The password of one Build for one purpose: 64 hex digits."""
    return _password(key, "build", build_uid, purpose)


def verify_build_credential(key: bytes, build_uid: str, purpose: str, presented: str) -> bool:
    """Whether `presented` is that password, compared in constant time."""
    return matches(build_credential(key, build_uid, purpose), presented)


def project_credential(key: bytes, namespace_uid: str) -> str:
    """The password by which a project's pods pull its images: 64 hex digits."""
    return _password(key, "project", namespace_uid, "pull")


def platform_credential(key: bytes) -> str:
    """The platform's own password at the registry: 64 hex digits."""
    return _password(key, "platform", "", REGISTRY)


def build_user(namespace: str, name: str) -> str:
    """The user name that goes with a build's password."""
    return f"{BUILD_USER_PREFIX}{namespace}/{name}"


def project_user(namespace: str) -> str:
    """The user name that goes with a project's password."""
    return f"{PROJECT_USER_PREFIX}{namespace}"


def matches(expected: str, presented: str) -> bool:
    """Constant-time comparison; `presented` may be any text."""
    return hmac.compare_digest(expected.encode(), presented.encode(errors="surrogatepass"))


def _password(key: bytes, *parts: str) -> str:
    # Lengths keep the parts apart whatever they contain.
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(_checked(key), b"paas.dev/credential/v1" + message, hashlib.sha256).hexdigest()


def _checked(key: bytes) -> bytes:
    if len(key) < 32:
        raise ValueError("the platform's credential key must have at least 32 characters")
    return key
