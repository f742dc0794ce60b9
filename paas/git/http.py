"""The git front: smart HTTP for developers, archives for build pods.

    /git/<project>/<buildconfig>.git/info/refs?service=…     who, may they, is it there: answered here
    /git/<project>/<buildconfig>.git/git-receive-pack        a push
    /git/<project>/<buildconfig>.git/git-upload-pack         a fetch
    /git/<project>/<buildconfig>/archive/<commit>.tar        the source of one Build, for its pod

Refusals are text/plain, the only body that git shows. Whoever may not push or fetch an application hears
the same whether it exists or not. Paths are matched whole, and the directory of a repository comes from
the API server, never from the path.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from paas.api.build import TERMINAL
from paas.api.resources import Key
from paas.auth import credentials
from paas.git import protocol, push_messages, serve
from paas.git.push import FindConfig
from paas.git.receive import Push, PushSession, Receiver
from paas.git.refs import refusals
from paas.git.repositories import Repositories, Repository
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.web.body import Body, BodyRefused, Disconnected, Receive, Send, TooLarge

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Authenticate = Callable[[str], Awaitable[UserInfo | None]]
"""Whose bearer token it is; None when it is nobody's (any more)."""
Authorize = Callable[[UserInfo, str, str, Key], Awaitable[bool]]
"""(user, verb, subresource, BuildConfig): may they?"""

LARGEST_FETCH_REQUEST: Final = 32 * 2**20
LONGEST_PATH: Final = 1024
_NAME: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_GIT: Final = re.compile(
    rf"/git/(?P<project>{_NAME})/(?P<name>{_NAME})\.git/(?P<what>info/refs|git-receive-pack|git-upload-pack)"
)
_ARCHIVE: Final = re.compile(
    rf"/git/(?P<project>{_NAME})/(?P<name>{_NAME})/archive/(?P<commit>[0-9a-f]{{40}})\.tar"
)
_NO_CACHE: Final = [
    (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
    (b"x-content-type-options", b"nosniff"),
]
_CHALLENGE: Final = [(b"www-authenticate", b'Basic realm="paas", charset="UTF-8"')]
_RIGHTS: Final = {"receive-pack": ("create", "instantiate"), "upload-pack": ("get", "source")}


class Refused(Exception):
    """A refusal with its HTTP status and what the user reads."""

    def __init__(self, status: int, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or []


@dataclass(frozen=True)
class Limits:
    """Bytes and seconds."""

    push_bytes: int = 512 * 2**20
    idle_seconds: float = 600
    """Between two pieces of a pack: git is silent while it compresses."""
    total_seconds: float = 3600
    keep_alive_seconds: float = 10


class GitFront:
    """The ASGI application of everything under /git/."""

    def __init__(
        self,
        repositories: Repositories,
        receiver: Receiver,
        *,
        authenticate: Authenticate,
        authorize: Authorize,
        find: FindConfig,
        find_build: FindConfig,
        credential_key: bytes,
        limits: Limits = Limits(),
        counted: Callable[[str], None] = lambda _result: None,
    ) -> None:
        self._repositories, self._receiver = repositories, receiver
        self._authenticate, self._authorize = authenticate, authorize
        self._find, self._find_build, self._key = find, find_build, credential_key
        self._limits, self._counted = limits, counted
        self._sending = asyncio.Semaphore(serve.MOST_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            await self._route(request)
        except Refused as refusal:
            await request.text(refusal.status, refusal.message, refusal.headers)
        except BodyRefused as refusal:
            await request.text(refusal.status, refusal.message, [(b"connection", b"close")])
        except (ClusterUnreachable, ApiError) as problem:
            log.warning("%s %s: %s", scope["method"], scope["path"], problem)
            await request.text(
                503,
                "The cluster does not answer at the moment, so it is not known who may do what. "
                "Try again in a minute; an administrator sees why with: paas doctor",
                [(b"retry-after", b"10")],
            )
        except Disconnected:
            pass

    async def _route(self, request: Request) -> None:
        path = request.scope["path"]
        if len(path) > LONGEST_PATH:
            raise _not_here()
        if (match := _GIT.fullmatch(path)) is not None:
            key = Key(match["project"], match["name"])
            if match["what"] == "info/refs":
                await self._info_refs(request, key)
            else:
                await self._service(request, key, match["what"].removeprefix("git-"))
        elif (match := _ARCHIVE.fullmatch(path)) is not None:
            await self._archive(request, Key(match["project"], match["name"]), match["commit"])
        else:
            await self._user(request)  # what is not there is told to nobody who is not known
            raise _not_here()

    # -- who may do what -------------------------------------------------------------------------------

    async def _user(self, request: Request) -> UserInfo:
        token = request.token()
        user = await self._authenticate(token) if token else None
        if user is None:
            why = "No token came with this request" if not token else "This token is not valid (any more)"
            raise Refused(
                401,
                f"{why}. Let git ask paas for one:\n"
                "  git config --global credential.helper '!paas git-credential'\n"
                "and see who you are with: kubectl auth whoami",
                _CHALLENGE,
            )
        return user

    async def _admitted(self, request: Request, key: Key, service: str) -> tuple[Repository, UserInfo]:
        """The repository, once it is known that this user may do this with it."""
        user = await self._user(request)
        verb, subresource = _RIGHTS[service]
        if not await self._authorize(user, verb, subresource, key):
            act, role = ("push to", "edit") if service == "receive-pack" else ("fetch from", "view")
            raise Refused(
                403,
                f"{user.username} may not {act} {key}. Someone with the role admin in project "
                f"{key.namespace} can allow it:\n"
                f"  kubectl create rolebinding {role}-for-git -n {key.namespace} "
                f"--clusterrole={role} --user=…",
            )
        config = await self._find(key)
        if config is None or config["metadata"].get("deletionTimestamp"):
            raise Refused(
                404,
                f"There is no application {key.name} in project {key.namespace}. Make it with:\n"
                f"  paas new-app . --name {key.name} -n {key.namespace}\n"
                f"or see what there is with: paas get bc -n {key.namespace}",
            )
        uri = ((config["spec"].get("source") or {}).get("git") or {}).get("uri")
        if uri:
            raise Refused(
                404,
                f"{key} is built from {uri}, so it has no repository here: push there, "
                f"or build what is there now with: paas start-build {key.name} -n {key.namespace}",
            )
        return await self._repositories.open(config["metadata"]["uid"], key), user

    # -- endpoints -------------------------------------------------------------------------------------

    async def _info_refs(self, request: Request, key: Key) -> None:
        request.require("GET", "HEAD")
        service = request.query("service").removeprefix("git-")
        if service not in _RIGHTS:
            await self._user(request)
            raise Refused(403, "Only the smart HTTP protocol is spoken here; use git 1.6.6 or later")
        repository, _ = await self._admitted(request, key, service)
        body = await serve.advertise(repository, service, request.header(b"git-protocol"))
        await request.reply(200, f"application/x-git-{service}-advertisement", body, _NO_CACHE)

    async def _service(self, request: Request, key: Key, service: str) -> None:
        request.require("POST")
        repository, user = await self._admitted(request, key, service)
        expected = f"application/x-git-{service}-request"
        if request.header(b"content-type") != expected:
            raise Refused(415, f"The content type must be {expected}")
        if request.header(b"origin"):
            raise Refused(403, "Requests from web pages are not taken")
        if service == "receive-pack":
            await self._push(request, repository, user)
        else:
            body = request.body(limit=LARGEST_FETCH_REQUEST, idle=60, total=300)
            pieces = serve.upload_pack(repository, await body.read(), request.header(b"git-protocol"))
            async with self._sending:
                await request.stream("application/x-git-upload-pack-result", pieces)

    async def _push(self, request: Request, repository: Repository, user: UserInfo) -> None:
        limit = self._limits.push_bytes
        body = request.body(
            # git's own limit answers in git's words; ours is for what never ends
            limit=limit + limit // 4 + 2**20,
            idle=self._limits.idle_seconds,
            total=self._limits.total_seconds,
        )
        reader = protocol.CommandReader()
        pieces = aiter(body)
        try:
            async for piece in pieces:
                if reader.feed(piece):
                    break
        except protocol.BadRequest as problem:
            raise Refused(400, f"This is not a push: {problem}") from problem
        content_type = "application/x-git-receive-pack-result"
        if not reader.complete or not reader.commands:
            # git asks with an empty list whether a large push is welcome
            await request.reply(200, content_type, b"", _NO_CACHE)
            return
        push = Push(repository, user.username, reader.commands, reader.capabilities, reader.rewritten())
        refused = refusals(reader.commands, tips=repository.refs())
        if refused:
            await self._refuse(request, push, refused, pieces)
            return
        session = self._receiver.start(push)
        try:
            await _pass_on(session, reader.rest, pieces, limit)
            frames = session.frames(keep_alive=self._limits.keep_alive_seconds)
            await request.stream(content_type, frames)
        finally:
            session.leave()
            self._counted(session.result)

    async def _refuse(
        self, request: Request, push: Push, refused: dict[str, str], pieces: AsyncIterator[bytes]
    ) -> None:
        """Our own report: nothing of the push is taken. The pack is read first, since a client listens
        only after it is rid of it."""
        async for _ in pieces:
            pass
        report = protocol.refused_report(
            push.commands, refused, otherwise="another ref of this push is refused"
        )
        self._counted("refused")
        answer = protocol.reported(report, side_band=push.side_band) if push.reports else b""
        await request.reply(200, "application/x-git-receive-pack-result", answer, _NO_CACHE)

    async def _archive(self, request: Request, key: Key, commit: str) -> None:
        """The source of the Build whose credential came with the request: of this commit alone."""
        request.require("GET", "HEAD")
        repository = await self._source_of(request, key, commit)
        if repository is None:
            raise Refused(401, "This credential is not of a running build of this commit", _CHALLENGE)
        async with self._sending:
            await request.stream("application/x-tar", serve.archive(repository, commit))

    async def _source_of(self, request: Request, key: Key, commit: str) -> Repository | None:
        # the user's name has a colon in it, the password has none
        user, _, password = request.credentials().rpartition(":")
        namespace, _, name = user.removeprefix(credentials.BUILD_USER_PREFIX).partition("/")
        if not user.startswith(credentials.BUILD_USER_PREFIX) or namespace != key.namespace:
            return None
        build = await self._find_build(Key(namespace, name)) if re.fullmatch(_NAME, name) else None
        uid = build["metadata"]["uid"] if build else "unknown"
        valid = credentials.verify_build_credential(self._key, uid, credentials.SOURCE, password)
        if not valid or build is None or build["metadata"].get("deletionTimestamp"):
            return None
        spec, phase = build["spec"], (build.get("status") or {}).get("phase")
        wanted = ((spec.get("revision") or {}).get("git") or {}).get("commit")
        if phase in TERMINAL or spec["buildConfig"] != key.name or wanted != commit:
            return None
        return self._repositories.get(spec["buildConfigUid"])


async def _pass_on(running: PushSession, first: bytes, pieces: AsyncIterator[bytes], limit: int) -> None:
    """Feed the request to the push; whatever ends it, the push gets its end of input."""
    complete = False
    reason = "the pusher went away"
    try:
        if first:
            await running.feed(first)
        async for piece in pieces:
            await running.feed(piece)
        complete = True
    except TooLarge:
        reason = f"the push is larger than {limit // 2**20} MiB"
        running.say(push_messages.too_large(limit))
    except BodyRefused as refusal:
        reason = refusal.message
    finally:
        await (running.finish() if complete else running.abandon(reason))


def _not_here() -> Refused:
    return Refused(404, "There is nothing here. Repositories are at /git/<project>/<application>.git")


class Request:
    """One HTTP request: what of it is needed, and the ways to answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> str:
        return self._headers.get(name, b"").decode("latin-1").strip()

    def query(self, name: str) -> str:
        query: bytes = self.scope.get("query_string", b"")
        return parse_qs(query.decode("latin-1")).get(name, [""])[0]

    def require(self, *methods: str) -> None:
        if self.scope["method"] not in methods:
            raise Refused(
                405, f"Only {methods[0]} is answered here", [(b"allow", ", ".join(methods).encode())]
            )

    def credentials(self) -> str:
        """`user:password` of Basic authentication; '' when there is none."""
        scheme, _, value = self.header(b"authorization").partition(" ")
        if scheme.lower() != "basic":
            return ""
        try:
            return base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def token(self) -> str:
        """A bearer token, also as the password of Basic authentication, which is how git sends it."""
        scheme, _, value = self.header(b"authorization").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else self.credentials().partition(":")[2]

    def body(self, *, limit: int, idle: float, total: float) -> Body:
        length = self.header(b"content-length")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(limit)
        encoding = self.header(b"content-encoding").lower()
        return Body(self._receive, encoding=encoding, limit=limit, idle=idle, total=total)

    async def text(self, status: int, message: str, headers: list[tuple[bytes, bytes]]) -> None:
        await self.reply(status, "text/plain; charset=utf-8", f"{message}\n".encode(), headers)

    async def reply(
        self, status: int, content_type: str, body: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        length = [(b"content-length", str(len(body)).encode()), (b"content-type", content_type.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": [*length, *headers]})
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        """Answer 200 with `pieces`, until they end or the client leaves. A stream that breaks after it
        began is cut off, so that the client sees that it is not whole."""
        headers = [(b"content-type", content_type.encode()), *_NO_CACHE]
        leaving = asyncio.ensure_future(self._gone())
        sending = asyncio.ensure_future(self._send_all(headers, pieces))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await sending

    async def _send_all(self, headers: list[tuple[bytes, bytes]], pieces: AsyncIterator[bytes]) -> None:
        started = False
        async for piece in pieces:
            if not started:
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
                started = True
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if not started:
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b""})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
