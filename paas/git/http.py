"""Hosted repositories over HTTP: smart HTTP for developers, archives for build pods, builds by hand.

    /git/<project>/<buildconfig>.git/info/refs?service=…     who, may they, is it there: answered here
    /git/<project>/<buildconfig>.git/git-receive-pack        a push
    /git/<project>/<buildconfig>.git/git-upload-pack         a fetch
    /git/<project>/<buildconfig>/archive/<commit>.tar        the source of one Build, for its pod
    /git/<project>/<buildconfig>/instantiate                 a Build by hand: `instantiate.py`

Refusals are text/plain, the only body that git shows. Paths are matched whole.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Key
from paas.git import instantiate, protocol, push_messages, serve
from paas.git.access import NAME, Access, NoRepository, NotAllowed, Service, Unknown
from paas.git.lane import Full, Lane, Ticket
from paas.git.memory import Need, Shares
from paas.git.push_session import Push
from paas.git.receive import Receiver
from paas.git.refs import refusals
from paas.git.repositories import Repository
from paas.git.spool import Kept, NoRoom, Spool, TooMuchKept
from paas.git.upkeep import Upkeep
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.web.body import BodyRefused, Disconnected, Receive, Send, TooLarge
from paas.web.body_budget import BodyBudget
from paas.web.refused import Refused
from paas.web.request import Request, Scope

log = logging.getLogger(__name__)

LARGEST_FETCH_REQUEST: Final = 32 * 2**20
FETCH_MEMORY: Final = 64 * 2**20
"""Bytes of all such requests that are arriving or answered."""
KEPT_PUSHES: Final = 3
"""Of the largest pushes there may be, so many of one project are kept at the same time."""
MOST_PUSHES: Final = 64
"""Pushes that arrive at the same time."""
MOST_FETCHES: Final = 64
"""Answers to fetches that are sent at the same time."""
MOST_ARCHIVES: Final = 32
"""Archives that are sent to build pods at the same time: builds do not wait for people's fetches."""
PATIENCE: Final = 45.0
"""Seconds that a request waits its turn before it is sent away; build pods wait 60 for an answer."""
SLOWEST: Final = 1024
"""Bytes a second that a push must bring on the average."""
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
    idle_seconds: float = 300
    """Between two pieces of a pack: git is silent while it compresses."""
    total_seconds: float = 3600
    keep_alive_seconds: float = 10


def _largest(limits: Limits) -> int:
    """Bytes that are read of a push."""
    return limits.push_bytes + limits.push_bytes // 4 + 2**20


class GitHttp:
    """The ASGI application of everything under /git/."""

    def __init__(
        self,
        access: Access,
        receiver: Receiver,
        manual_builds: instantiate.ManualBuilds,
        *,
        shares: Shares,
        upkeep: Upkeep,
        limits: Limits = Limits(),
        counted: Callable[[str], None] = lambda _result: None,
    ) -> None:
        self._access, self._receiver, self._manual_builds = access, receiver, manual_builds
        self._limits, self._counted = limits, counted
        self._budget = BodyBudget(FETCH_MEMORY)
        self._kept = Kept(KEPT_PUSHES * _largest(limits))
        self._shares, self._upkeep = shares, upkeep
        self._pushing, self._fetching, self._archiving = map(Lane, (MOST_PUSHES, MOST_FETCHES, MOST_ARCHIVES))
        self._fetch_memory, self._archive_memory = Lane(shares.fetches), Lane(shares.archives)

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
                f"The repositories cannot be used at the moment ({problem.strerror or 'no answer in time'}). "
                "Try again later; an administrator sees why with: "
                "kubectl exec -n paas-system deploy/server -- df -h",
                [(b"retry-after", b"10")],
            )
        except Full:
            await request.text(
                503,
                "The server does as much as it can at the moment. Try again in a minute",
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
        # git shows no words of a refusal but of this one
        if service is Service.FETCH and (
            self._fetching.full_for(key.namespace) or self._fetch_memory.full_for(key.namespace)
        ):
            raise Full
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
            async with _turn(self._fetching, key.namespace):
                await self._fetch(request, repository)

    async def _fetch(self, request: Request, repository: Repository) -> None:
        with self._budget.share() as share:
            body = request.body(limit=LARGEST_FETCH_REQUEST, idle=60, total=300, share=share)
            wants = await body.read()
            need = self._shares.fetch(await repository.size())
            async with (
                _turn(self._fetch_memory, repository.key.namespace, need) as turn,
                self._upkeep.use(repository),
            ):
                version = request.header("git-protocol")
                pieces = serve.upload_pack(repository, wants, version, limit=need.limit, ended=turn.release)
                await request.stream("application/x-git-upload-pack-result", pieces, _NO_CACHE)

    async def _push(self, request: Request, repository: Repository, user: UserInfo) -> None:
        limit = self._limits.push_bytes
        body = request.body(
            # what is little over the limit is read, so that its pusher is told in words
            limit=_largest(self._limits),
            idle=self._limits.idle_seconds,
            total=self._limits.total_seconds,
            slowest=SLOWEST,
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
            async for _ in pieces:  # a client listens only after it is rid of its pack
                pass
            otherwise = "another ref of this push is refused"
            await self._refuse(
                request, push, protocol.refused_report(push.commands, refused, otherwise=otherwise)
            )
            return
        pack = Spool(repository.path.parent, self._kept, repository.key.namespace)
        try:
            try:
                async with _turn(self._pushing, repository.key.namespace):
                    await _arrived(pack, reader.rest, pieces, limit)
            except Full:
                raise _NotTaken(push_messages.BUSY, push_messages.busy()) from None
        except _NotTaken as problem:
            pack.close()
            report = protocol.refused_report(
                push.commands, {}, unpack=problem.reason, otherwise="unpacker error"
            )
            await self._refuse(request, push, report, problem.lines)
            return
        except BaseException:
            pack.close()
            raise
        session = self._receiver.start(push, pack)
        try:
            frames = session.frames(keep_alive=self._limits.keep_alive_seconds)
            await request.stream(_RESULT, frames, _NO_CACHE)
        finally:
            session.leave()
            self._counted(session.result)

    async def _refuse(
        self, request: Request, push: Push, report: bytes, lines: list[str] | None = None
    ) -> None:
        """Our own report: nothing of the push is taken. What still arrives of it is read and dropped."""
        self._counted("refused")
        told = b"".join(map(protocol.told, lines or ())) if push.side_band else b""
        answer = protocol.reported(report, side_band=push.side_band) if push.reports else b""
        await request.stream(_RESULT, _one(told + answer), _NO_CACHE)

    async def _archive(self, request: Request, key: Key, commit: str) -> None:
        """The source of the Build whose credential came with the request: of this commit alone."""
        request.require("GET", "HEAD")
        repository = await self._access.open_for_build(*request.login(), key, commit)
        need = self._shares.archive(await repository.size())
        async with (
            _turn(self._archiving, key.namespace),
            _turn(self._archive_memory, key.namespace, need) as turn,
            self._upkeep.use(repository),
        ):
            pieces = serve.archive(repository, commit, limit=need.limit, ended=turn.release)
            await request.stream("application/x-tar", pieces, _NO_CACHE)


@contextlib.asynccontextmanager
async def _turn(lane: Lane, project: str, need: Need | None = None) -> AsyncIterator[Ticket]:
    """A place in a lane until the end of the block, or until it is given back. Raises Full."""
    with lane.asked(project, need.counts if need else 1) as ticket:
        if not await ticket.wait(seconds=PATIENCE):
            raise Full
        yield ticket


class _NotTaken(Exception):
    """A pack did not arrive as it should: why, for the report, and lines for the pusher."""

    def __init__(self, reason: str, lines: list[str] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.lines = reason, lines or []


async def _arrived(pack: Spool, first: bytes, pieces: AsyncIterator[bytes], limit: int) -> None:
    """Keep all that comes. Raises _NotTaken, Disconnected, OSError."""
    try:
        await pack.write(first)
        async for piece in pieces:
            await pack.write(piece)
        if pack.size > limit:
            raise TooLarge(limit)
    except TooLarge:
        size = f"the push is larger than {limit // 2**20} MiB"
        raise _NotTaken(size, push_messages.too_large(limit)) from None
    except BodyRefused as refusal:
        raise _NotTaken(refusal.message) from refusal
    except NoRoom:
        raise _NotTaken("the disk is nearly full", push_messages.disk_full()) from None
    except TooMuchKept:
        raise _NotTaken(push_messages.BUSY, push_messages.much_kept()) from None


async def _one(answer: bytes) -> AsyncIterator[bytes]:
    if answer:
        yield answer


def _not_here() -> Refused:
    return Refused(404, "There is nothing here. Repositories are at /git/<project>/<application>.git")
