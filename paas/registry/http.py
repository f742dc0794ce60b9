"""`/registry/token`: the registry sends clients here to show who they are and fetch a token.

GET with Basic authentication is what every client speaks; POST with a form is what containerd tries first.
Every refusal of an identity is the same 401, whether the user, the password or the Build is wrong, and takes
as many reads and comparisons; a Build that has ended has no identity any more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

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
from paas.registry.collection import RETRY_AFTER
from paas.registry.reference import target
from paas.registry.repositories import Repositories, repositories_of
from paas.registry.signer import Signer
from paas.registry.token import (
    LIFETIME,
    PUSH,
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
from paas.web.body import Disconnected, Receive, Send
from paas.web.body_budget import BodyBudget
from paas.web.lookups import Lookups
from paas.web.refused import Headers, Refused
from paas.web.request import Request, Scope, fields

logger = logging.getLogger(__name__)

PATH: Final = "/registry/token"
MAX_BODY: Final = 8192
"""Bytes of a token request's form."""
MEMORY: Final = 16 * 2**20
"""Bytes of all forms that are arriving."""
READS: Final = 3
READS_SECONDS: Final = 0.5
"""So often a Build or a Namespace is read in so many seconds, whoever asks. No pod asks as early as that
after its Build was made, so what is remembered of a name that did not exist harms nobody."""
NOBODY: Final = "nobody"
"""The UID of what does not exist: its password is compared, so that time does not tell."""


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
    collecting: Callable[[], Awaitable[bool]]
    """Whether unused images are being collected, as the API server has it now: nobody pushes then."""
    by_name_until: str = ""
    """`Settings.repositories_by_name_until`."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class TokenHttp:
    """The ASGI application of the token endpoint."""

    def __init__(self, needs: TokenDependencies) -> None:
        self._needs = needs
        self._budget = BodyBudget(MEMORY)
        self._builds = Lookups(needs.find_build, most=READS, seconds=READS_SECONDS)
        self._namespaces = Lookups(needs.find_namespace, most=READS, seconds=READS_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            if request.path != PATH:
                raise Refused(404, "tokens are at /registry/token")
            request.require("GET", "POST")
            await (self._get(request) if request.method == "GET" else self._post(request))
        except Refused as refusal:
            content = {"error": "invalid_request", "error_description": refusal.message}
            await request.json(refusal.status, content, refusal.headers)
        except Disconnected:
            return
        except (ApiError, ClusterUnreachable) as problem:
            # Neither yes nor no: a 401 would end a build or a pull for good, this one is tried again.
            logger.warning("a registry token could not be decided: %s", problem)
            await request.json(503, {"error": "unavailable"}, [(b"retry-after", b"2")])

    async def _get(self, request: Request) -> None:
        asked = request.fields()
        service = asked["service"][0] if "service" in asked else None
        user, password = request.login()
        await self._answer(request, user, password, service, asked.get("scope", ()))

    async def _post(self, request: Request) -> None:
        with self._budget.share() as share:
            body = await request.body(limit=MAX_BODY, idle=5, total=10, share=share).read()
        form = fields(body.decode(errors="replace"))
        if form.get("grant_type", [""])[0] != "password":
            # Refresh tokens are not handed out; clients fall back to GET.
            await request.json(405, {"error": "unsupported_grant_type"})
            return
        # clients may have taken the colon of our user names for the separator
        login = f"{form.get('username', [''])[0]}:{form.get('password', [''])[0]}"
        user, password = basic.user_and_password(login)
        service = form["service"][0] if "service" in form else None
        await self._answer(request, user, password, service, form.get("scope", ()))

    async def identify(self, user: str, password: str) -> User | None:
        """Who this is, when the password fits and, for a build, the Build has not ended; else None."""
        key = self._needs.credential_key
        match claimed := parse_user(user):
            case PlatformUser():
                return claimed if matches(platform_credential(key), password) else None
            case ProjectUser(namespace):
                found = await self._namespaces.of(namespace)
                uid = found["metadata"]["uid"] if found is not None else NOBODY
                if not matches(project_credential(key, uid), password) or found is None:
                    return None
                self._namespaces.prove(namespace)
                return ProjectUser(namespace, self._repositories(found)) if is_project(found) else None
            case BuildUser(namespace, name):
                of = Key(namespace, name)
                build = await self._builds.of(of)
                uid = build["metadata"]["uid"] if build is not None else NOBODY
                if not verify_build_credential(key, uid, REGISTRY, password) or build is None:
                    return None
                self._builds.prove(of)
                to = target(build)
                if to is None or (build.get("status") or {}).get("phase") in TERMINAL:
                    return None
                self._namespaces.prove(namespace)
                own = self._repositories(await self._namespaces.of(namespace))
                return BuildUser(namespace, name, to.stream, own)
        return None

    def _repositories(self, namespace: Manifest | None) -> Repositories | None:
        if namespace is None:
            return None
        return repositories_of(namespace, by_name_until=self._needs.by_name_until)

    async def _answer(
        self, request: Request, user: str, password: str, service: str | None, scopes: Sequence[str]
    ) -> None:
        needs = self._needs
        if service not in (None, needs.service):
            raise Refused(400, f"tokens here are for {needs.service}")
        who = await self.identify(user, password) if user else None
        if who is None:
            challenge: Headers = [(b"www-authenticate", f'Basic realm="{needs.service}"'.encode())]
            why = "unknown user, wrong password, or a build that has ended"
            await request.json(401, {"error": "unauthorized", "error_description": why}, challenge)
            return
        now = needs.clock()
        grants = granted(who, parse_scopes(scopes))
        if any(PUSH in grant.actions for grant in grants) and await needs.collecting():
            # not refused: what was pushed would be collected, and the client may ask again
            later: Headers = [(b"retry-after", str(RETRY_AFTER).encode())]
            raise Refused(503, "unused images are being collected; push again in a moment", later)
        token = needs.signer.sign(
            claims(user, grants, service=needs.service, now=now, identifier=uuid4().hex)
        )
        body = {
            "token": token,
            "access_token": token,
            "expires_in": LIFETIME,
            "issued_at": timestamp(now),
            "token_type": "Bearer",
            "scope": " ".join(f"repository:{s.name}:{','.join(sorted(s.actions))}" for s in grants),
        }
        await request.json(200, body, [(b"cache-control", b"no-store")])
