"""Hosted repositories over HTTP: smart HTTP for developers, archives for build pods, builds by hand.

    /git/<project>/<buildconfig>.git/info/refs?service=…     who, may they, is it there: answered here
    /git/<project>/<buildconfig>.git/git-receive-pack        a push
    /git/<project>/<buildconfig>.git/git-upload-pack         a fetch
    /git/<project>/<buildconfig>/archive/<commit>.tar        the source of one Build, for its pod
    /git/<project>/<buildconfig>/instantiate                 a Build by hand: `instantiate.py`

Refusals are text/plain, the only body that git shows. Paths are matched whole.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Key
from paas.git import instantiate, protocol, push_messages, serve
from paas.git.access import NAME, Access, NoRepository, NotAllowed, Service, Unknown
from paas.git.push_session import Push, PushSession
from paas.git.receive import Receiver
from paas.git.refs import refusals
from paas.git.repositories import Repository
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.web.body import BodyRefused, Disconnected, Receive, Send, TooLarge
from paas.web.body_budget import BodyBudget
from paas.web.refused import Refused
from paas.web.request import Request, Scope

log = logging.getLogger(__name__)

LARGEST_FETCH_REQUEST: Final = 32 * 2**20
FETCH_MEMORY: Final = 128 * 2**20
"""Bytes of all such requests that are arriving or answered."""
LONGEST_PATH: Final = 1024
_GIT: Final = re.compile(
    rf"/git/(?P<project>{NAME})/(?P<name>{NAME})\.git/(?P<what>info/refs|git-receive-pack|git-upload-pack)"
)
_ARCHIVE: Final = re.compile(
    rf"/git/(?P<project>{NAME})/(?P<name>{NAME})/archive/(?P<commit>[0-9a-f]{{40}})\.tar"
)
_NO_CACHE: Final = [
    (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
    (b"x-content-type-options", b"nosniff"),
]
_CHALLENGE: Final = [(b"www-authenticate", b'Basic realm="paas", charset="UTF-8"')]
_RESULT: Final = "application/x-git-receive-pack-result"


@dataclass(frozen=True)
class Limits:
    """Bytes and seconds."""

    push_bytes: int = 512 * 2**20
    idle_seconds: float = 600
    """Between two pieces of a pack: git is silent while it compresses."""
    total_seconds: float = 3600
    keep_alive_seconds: float = 10


class GitHttp:
    """The ASGI application of everything under /git/."""

    def __init__(
        self,
        access: Access,
        receiver: Receiver,
        manual_builds: instantiate.ManualBuilds,
        *,
        limits: Limits = Limits(),
        counted: Callable[[str], None] = lambda _result: None,
    ) -> None:
        self._access, self._receiver, self._manual_builds = access, receiver, manual_builds
        self._limits, self._counted = limits, counted
        self._budget = BodyBudget(FETCH_MEMORY)
        self._sending = asyncio.Semaphore(serve.MOST_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        if len(request.path) <= LONGEST_PATH and (match := instantiate.PATH.fullmatch(request.path)):
            await self._manual_builds.answer(request, Key(match["project"], match["name"]))
            return
        try:
            await self._route(request)
        except Refused as refusal:
            await request.text(refusal.status, refusal.message, refusal.headers)
        except Unknown as refusal:
            await request.text(401, str(refusal), _CHALLENGE)
        except NotAllowed as refusal:
            await request.text(403, str(refusal))
        except NoRepository as refusal:
            await request.text(404, str(refusal))
        except (ClusterUnreachable, ApiError) as problem:
            log.warning("%s %s: %s", request.method, request.path, problem)
            await request.text(
                503,
                "The cluster does not answer at the moment, so it is not known who may do what. "
                "Try again in a minute; an administrator sees why with: paas doctor",
                [(b"retry-after", b"10")],
            )
        except OSError as problem:
            log.error("%s %s: %s", request.method, request.path, problem)
            await request.text(
                503,
                f"The repositories cannot be used at the moment ({problem.strerror}). Try again later; an "
                "administrator sees why with: kubectl exec -n paas-system deploy/server -- df -h",
                [(b"retry-after", b"10")],
            )
        except Disconnected:
            pass

    async def _route(self, request: Request) -> None:
        path = request.path
        if len(path) > LONGEST_PATH:
            raise _not_here()
        if (match := _GIT.fullmatch(path)) is not None:
            key = Key(match["project"], match["name"])
            if match["what"] == "info/refs":
                await self._info_refs(request, key)
            else:
                await self._service(request, key, Service(match["what"].removeprefix("git-")))
        elif (match := _ARCHIVE.fullmatch(path)) is not None:
            await self._archive(request, Key(match["project"], match["name"]), match["commit"])
        else:
            await self._access.user(request.token())  # nobody unknown learns what is not there
            raise _not_here()

    async def _info_refs(self, request: Request, key: Key) -> None:
        request.require("GET", "HEAD")
        user = await self._access.user(request.token())
        try:
            service = Service(request.query("service").removeprefix("git-"))
        except ValueError:
            raise Refused(
                403, "Only the smart HTTP protocol is spoken here; use git 1.6.6 or later"
            ) from None
        repository = await self._access.open(user, service, key)
        body = await serve.advertise(repository, service, request.header("git-protocol"))
        await request.reply(200, f"application/x-git-{service}-advertisement", body, _NO_CACHE)

    async def _service(self, request: Request, key: Key, service: Service) -> None:
        request.require("POST")
        user = await self._access.user(request.token())
        repository = await self._access.open(user, service, key)
        expected = f"application/x-git-{service}-request"
        if request.header("content-type") != expected:
            raise Refused(415, f"The content type must be {expected}")
        if request.header("origin"):
            raise Refused(403, "Requests from web pages are not accepted")
        if service is Service.PUSH:
            await self._push(request, repository, user)
        else:
            with self._budget.share() as share:
                body = request.body(limit=LARGEST_FETCH_REQUEST, idle=60, total=300, share=share)
                pieces = serve.upload_pack(repository, await body.read(), request.header("git-protocol"))
                async with self._sending:
                    await request.stream("application/x-git-upload-pack-result", pieces, _NO_CACHE)

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
        if not reader.complete or not reader.commands:
            # git asks with an empty list whether a large push is welcome
            await request.reply(200, _RESULT, b"", _NO_CACHE)
            return
        push = Push(repository, user.username, reader.commands, reader.capabilities, reader.rewritten())
        refused = (
            {command.ref: reader.refusal for command in reader.commands}
            if reader.refusal
            else refusals(reader.commands, tips=repository.refs())
        )
        if refused:
            await self._refuse(request, push, refused, pieces)
            return
        session = self._receiver.start(push)
        try:
            await _pass_on(session, reader.rest, pieces, limit)
            frames = session.frames(keep_alive=self._limits.keep_alive_seconds)
            await request.stream(_RESULT, frames, _NO_CACHE)
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
        await request.reply(200, _RESULT, answer, _NO_CACHE)

    async def _archive(self, request: Request, key: Key, commit: str) -> None:
        """The source of the Build whose credential came with the request: of this commit alone."""
        request.require("GET", "HEAD")
        repository = await self._access.open_for_build(*request.login(), key, commit)
        async with self._sending:
            await request.stream("application/x-tar", serve.archive(repository, commit), _NO_CACHE)


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
