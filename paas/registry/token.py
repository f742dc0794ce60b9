"""Which access to the registry is due to whom, and the token that says so.

    registry ──401, scope asked──▶ client ──user, password, scope──▶ GET /registry/token ──▶ token: what is
    asked ∩ what is due

Due are: to a build its own repository and cache (push and pull) and the runtime images (pull); to a project
the images of its own streams and the runtime images (pull); to the platform everything to pull, and its own
images to push. Which repositories are a project's own is in `repositories`. Nothing is due to strangers. A
grant that comes out empty is not an error here: the registry refuses the request that the token does not
cover.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from paas.auth.credentials import BUILD_USER_PREFIX, PLATFORM_USER, PROJECT_USER_PREFIX
from paas.registry.reference import is_repository
from paas.registry.repositories import Repositories

ISSUER: Final = "paas"
"""`iss` of every token; the registry is configured with it."""
LIFETIME: Final = 300
"""Seconds that a token is good for (the registry adds a minute of leeway). Clients ask again."""
PLATFORM_IMAGES: Final = "paas"
"""First part of the repositories of the platform's own images, which every project may pull."""

PULL: Final = "pull"
PUSH: Final = "push"
_MAX_SCOPES = 32


@dataclass(frozen=True)
class BuildUser:
    """A build that pushes; `stream` is where its output goes. That and its project's repositories (None: it
    is no project) are known once Build and Namespace were looked up."""

    namespace: str
    name: str
    stream: str = ""
    repositories: Repositories | None = None


@dataclass(frozen=True)
class ProjectUser:
    """The pods of a project, pulling from its repositories, which are known once it was looked up."""

    namespace: str
    repositories: Repositories | None = None


@dataclass(frozen=True)
class PlatformUser:
    """Operator, server and installer."""


User = BuildUser | ProjectUser | PlatformUser


@dataclass(frozen=True)
class Scope:
    """One `repository:name:action,action` of a request or a grant."""

    name: str
    actions: frozenset[str]


def parse_user(text: str) -> User | None:
    """Who a user name claims to be; None when it is none of ours."""
    if text == PLATFORM_USER:
        return PlatformUser()
    if text.startswith(BUILD_USER_PREFIX):
        namespace, slash, name = text.removeprefix(BUILD_USER_PREFIX).partition("/")
        return BuildUser(namespace, name) if _is_name(namespace) and slash and _is_name(name) else None
    if text.startswith(PROJECT_USER_PREFIX):
        namespace = text.removeprefix(PROJECT_USER_PREFIX)
        return ProjectUser(namespace) if _is_name(namespace) else None
    return None


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes asked for. Each text may hold several, parted by spaces; what is no scope of a repository
    is passed over, since nothing is due for it."""
    found = []
    for text in (part for whole in texts for part in whole.split(" ")):
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository" and is_repository(name):
            found.append(Scope(name, frozenset(actions.split(","))))
    return tuple(found[:_MAX_SCOPES])


def due(user: User, repository: str) -> frozenset[str]:
    """The actions that are due to `user` on a repository."""
    first, _, rest = repository.partition("/")
    if not rest:
        return frozenset()
    match user:
        case PlatformUser():
            return frozenset({PULL, PUSH} if first == PLATFORM_IMAGES else {PULL})
        case BuildUser(stream=stream, repositories=Repositories() as own):
            if repository in own.of_build(stream):
                return frozenset({PULL, PUSH})
        case ProjectUser(repositories=Repositories() as own):
            if own.pulled(repository):
                return frozenset({PULL})
    return frozenset({PULL} if first == PLATFORM_IMAGES else ())


def granted(user: User, asked: Iterable[Scope]) -> tuple[Scope, ...]:
    """What is asked for, as far as this user may have it."""
    grants = []
    for scope in asked:
        actions = scope.actions & due(user, scope.name)
        if actions:
            grants.append(Scope(scope.name, actions))
    return tuple(grants)


def claims(
    subject: str, grants: Iterable[Scope], *, service: str, now: datetime, identifier: str
) -> dict[str, Any]:
    """Claims of the token for the registry `service`, valid from `now` for `LIFETIME` seconds."""
    issued = int(now.timestamp())
    return {
        "iss": ISSUER,
        "sub": subject,
        "aud": service,
        "exp": issued + LIFETIME,
        "nbf": issued,
        "iat": issued,
        "jti": identifier,
        "access": [
            {"type": "repository", "name": scope.name, "actions": sorted(scope.actions)} for scope in grants
        ],
    }


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 253 and is_repository(text) and "/" not in text
