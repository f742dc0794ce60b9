"""`/registry/token`: the registry sends clients here to show who they are and fetch a token.

GET with Basic authentication is what every client speaks; POST with a form is what containerd tries first.
Every refusal of an identity is the same 401, whether the user, the password or the Build is wrong; a Build
that has ended has no identity any more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from paas.api.build import TERMINAL
from paas.api.project import is_project
from paas.api.resources import Key, Manifest
from paas.auth.credentials import (
    REGISTRY,
    matches,
    platform_credential,
    project_credential,
    verify_build_credential,
)
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile.conditions import timestamp
from paas.registry.reference import target
from paas.registry.signer import Signer
from paas.registry.token import (
    LIFETIME,
    BuildUser,
    PlatformUser,
    ProjectUser,
    User,
    claims,
    granted,
    parse_scopes,
    parse_user,
)
from paas.web import basic

logger = logging.getLogger(__name__)

MAX_BODY = 8192
"""Bytes of a token request's form."""


@dataclass(frozen=True)
class TokenDependencies:
    """What the endpoint needs of others."""

    signer: Signer
    service: str
    """The registry's name for itself (`Settings.registry_service`): the audience of the tokens."""
    credential_key: bytes
    find_build: Callable[[Key], Awaitable[Manifest | None]]
    """The Build as the API server has it now, or None."""
    find_namespace: Callable[[str], Awaitable[Manifest | None]]
    """The Namespace of that name, or None."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def token_router(needs: TokenDependencies) -> APIRouter:
    """The router of the token endpoint."""
    router = APIRouter()

    @router.get("/registry/token")
    async def get(request: Request) -> Response:
        user, password = basic.user_and_password(basic.decoded(request.headers.get("Authorization", "")))
        query = request.query_params
        return await _answer(needs, user, password, query.get("service"), query.getlist("scope"))

    @router.post("/registry/token")
    async def post(request: Request) -> Response:
        form = await _form(request)
        if form is None:
            return JSONResponse({"error": "invalid_request"}, status_code=413)
        if form.get("grant_type", [""])[0] != "password":
            # Refresh tokens are not handed out; clients fall back to GET.
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=405)
        # clients may have taken the colon of our user names for the separator
        login = f"{form.get('username', [''])[0]}:{form.get('password', [''])[0]}"
        user, password = basic.user_and_password(login)
        service = form["service"][0] if "service" in form else None
        return await _answer(needs, user, password, service, form.get("scope", []))

    return router


async def identify(needs: TokenDependencies, user: str, password: str) -> User | None:
    """Who this is, when the password fits and, for a build, the Build has not ended; else None."""
    claimed = parse_user(user)
    match claimed:
        case PlatformUser():
            return claimed if matches(platform_credential(needs.credential_key), password) else None
        case ProjectUser(namespace):
            found = await needs.find_namespace(namespace)
            if found is None or not is_project(found):
                return None
            expected = project_credential(needs.credential_key, found["metadata"]["uid"])
            return claimed if matches(expected, password) else None
        case BuildUser(namespace, name):
            build = await needs.find_build(Key(namespace, name))
            if build is None or not verify_build_credential(
                needs.credential_key, build["metadata"]["uid"], REGISTRY, password
            ):
                return None
            to = target(build)
            if to is None or (build.get("status") or {}).get("phase") in TERMINAL:
                return None
            return BuildUser(namespace, name, to.stream)
    return None


async def _answer(
    needs: TokenDependencies, user: str, password: str, service: str | None, scopes: Sequence[str]
) -> Response:
    if service not in (None, needs.service):
        return JSONResponse(
            {"error": "invalid_request", "error_description": f"tokens here are for {needs.service}"},
            status_code=400,
        )
    try:
        who = await identify(needs, user, password) if user else None
    except (ApiError, ClusterUnreachable) as problem:
        # Neither yes nor no: a 401 would end a build or a pull for good, this one is tried again.
        logger.warning("a registry token could not be decided: %s", problem)
        return JSONResponse({"error": "unavailable"}, status_code=503, headers={"Retry-After": "2"})
    if who is None:
        return JSONResponse(
            {
                "error": "unauthorized",
                "error_description": "unknown user, wrong password, or a build that has ended",
            },
            status_code=401,
            headers={"WWW-Authenticate": f'Basic realm="{needs.service}"'},
        )
    now = needs.clock()
    grants = granted(who, parse_scopes(scopes))
    token = needs.signer.sign(claims(user, grants, service=needs.service, now=now, identifier=uuid4().hex))
    body = {
        "token": token,
        "access_token": token,
        "expires_in": LIFETIME,
        "issued_at": timestamp(now),
        "token_type": "Bearer",
        "scope": " ".join(f"repository:{s.name}:{','.join(sorted(s.actions))}" for s in grants),
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


async def _form(request: Request) -> dict[str, list[str]] | None:
    """The url-encoded form of the body; None when it is longer than MAX_BODY."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            return None
    return parse_qs(data.decode(errors="replace"), max_num_fields=64)
