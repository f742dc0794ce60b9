"""POST /git/<project>/<buildconfig>/instantiate: a Build because somebody asks for one.

    {"id": "<chosen by who asks>", "commit": "<id or its beginning>", "noCache": true}
        ──▶ who, may they ──▶ branch's head, or that commit ──▶ prepare ──▶ instantiate ──▶ 201 with the Build

Only `id` must be there. It is the trigger's identity: a request that is repeated because its answer was lost
is answered with the Build that it made before, and 200. Hosted source is prepared from what the repository
holds now, in the way the BuildConfig says now; nothing is taken over from an earlier Build. Of an external
source `fetch` finds out everything.

A refusal is JSON too: `message` says why, `hint` what to type next.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from paas.api.build import TriggerType
from paas.api.build_request import (
    BuildConfigNotFound,
    BuildRefused,
    BuildRequest,
    CommitNotFound,
    Instantiate,
    Instantiated,
    InstantiateError,
)
from paas.api.resources import Key, Manifest
from paas.git.access import NAME, Access, NoRepository, NotAllowed, Unknown
from paas.git.refs import deploying_branch, is_object_id
from paas.git.repositories import Repository
from paas.git.worker import Prepare, Workers
from paas.kube.cluster import UserInfo
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.terminal.naming import user_text
from paas.web.body import Disconnected
from paas.web.refused import Refused
from paas.web.request import Request

log = logging.getLogger(__name__)

PATH: Final = re.compile(rf"/git/(?P<project>{NAME})/(?P<name>{NAME})/instantiate")
LARGEST_BODY: Final = 4096
DRAIN_SECONDS: Final = 10.0
"""How long to wait for pushes that were accepted before, so that Builds have the order of what they build."""
MOST_AT_ONCE: Final = 8
"""Requests that are worked on at the same time; more wait for their turn."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_BEGINNING: Final = re.compile(r"[0-9a-f]{4,40}")
_RETRY: Final = [(b"retry-after", b"5")]


@dataclass(frozen=True)
class StartRequest:
    """What the body says."""

    id: str
    commit: str | None = None
    no_cache: bool | None = None


class MalformedRequest(Exception):
    """The body is not what is documented; the text says what is wrong."""


class PushesWait(Exception):
    """Pushes that were accepted before have no Build yet."""


def start_request(body: bytes) -> StartRequest:
    """Raises MalformedRequest."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest("the body is not JSON") from None
    if not isinstance(data, dict):
        raise MalformedRequest("the body is not a JSON object")
    if unknown := sorted(data.keys() - {"id", "commit", "noCache"}):
        raise MalformedRequest(f"{unknown[0][:40]!r} is not known; there are id, commit and noCache")
    given, commit, no_cache = data.get("id"), data.get("commit"), data.get("noCache")
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise MalformedRequest("id must be 8 to 64 letters, digits and hyphens, such as a UUID")
    if commit is not None and (not isinstance(commit, str) or not _BEGINNING.fullmatch(commit.lower())):
        raise MalformedRequest("commit must be the id of a commit, or its first 4 hexadecimal digits or more")
    if no_cache is not None and not isinstance(no_cache, bool):
        raise MalformedRequest("noCache must be true or false")
    return StartRequest(given, commit.lower() if commit else None, no_cache)


class ManualBuilds:
    """Makes the Builds that people ask for."""

    def __init__(
        self, access: Access, workers: Workers, *, prepare: Prepare, instantiate: Instantiate
    ) -> None:
        self._access, self._workers = access, workers
        self._prepare, self._instantiate = prepare, instantiate
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def answer(self, request: Request, key: Key) -> None:
        """Answer a request of the path above."""
        try:
            made = await self._answer(request, key)
            await request.json(201 if made.created else 200, made.build)
        except Refused as refusal:
            await _refuse(request, refusal.status, refusal.message, headers=refusal.headers)
        except MalformedRequest as problem:
            await _refuse(request, 400, str(problem), hint="paas start-build --help")
        except Unknown as refusal:
            hint = "log in again, or take another context: kubectl config get-contexts"
            await _refuse(request, 401, refusal.what, hint=hint)
        except NotAllowed as refusal:
            await _refuse(request, 403, refusal.what, hint=refusal.cure)
        except NoRepository as refusal:
            await _refuse(request, 404, refusal.what, hint=refusal.cure)
        except (BuildConfigNotFound, CommitNotFound) as problem:
            await _refuse(request, 404, problem.message, hint=problem.hint)
        except InstantiateError as problem:
            await _refuse(request, 409, problem.message, hint=problem.hint)
        except PushesWait:
            what = "earlier pushes are not handled yet, so it is not known what to build"
            await _refuse(request, 503, what, hint="try again in a minute", headers=_RETRY)
        except (ClusterUnreachable, ApiError) as problem:
            log.warning("%s: %s", request.path, problem)
            if isinstance(problem, ApiError) and problem.status == 403:
                what = f"the API server does not allow the build: {problem.message}"
                hint = f"see what is used up with: kubectl describe quota -n {key.namespace}"
                await _refuse(request, 403, what, hint=hint)
                return
            what = "the cluster does not answer at the moment"
            await _refuse(request, 503, what, hint="try again in a minute; paas doctor", headers=_RETRY)
        except Disconnected:
            pass

    async def _answer(self, request: Request, key: Key) -> Instantiated:
        request.require("POST")
        user = await self._access.user(request.token())
        config, repository = await self._access.open_to_build(user, key)
        if request.header("content-type").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "the content type must be application/json")
        if request.header("origin"):
            raise Refused(403, "requests from web pages are not accepted")
        what = start_request(await request.body(limit=LARGEST_BODY, idle=10, total=20).read())
        async with self._slots:
            return await self.start(user, key, config, repository, what)

    async def start(
        self, user: UserInfo, key: Key, config: Manifest, repository: Repository | None, what: StartRequest
    ) -> Instantiated:
        """Make the Build. Raises InstantiateError, PushesWait, and what the cluster raises."""
        wanted = BuildRequest(
            trigger_id=f"manual-{what.id}",
            trigger_type=TriggerType.MANUAL,
            trigger_message=f"started by hand by {user_text(user.username)}",
            user=user.username,
            commit=what.commit,
            no_cache=what.no_cache or None,
        )
        if repository is None:
            if what.commit is not None and not is_object_id(what.commit):
                raise BuildRefused(
                    f"{what.commit} is not a whole commit id, which has 40 hexadecimal digits",
                    hint=f"git rev-parse {what.commit}",
                )
            made = await self._instantiate(key, wanted)
        else:
            wanted = await self._of_repository(repository, config, wanted)
            made = await self._instantiate(key, (await self._prepare(repository, config, wanted)).request)
            # the Build's own commit: of a repeated request it may not be the one that is found now
            await repository.pin(made.number, made.build["spec"]["revision"]["git"]["commit"])
        log.info("%s: build %s for %s", key, made.name, user.username)
        return made

    async def _of_repository(
        self, repository: Repository, config: Manifest, wanted: BuildRequest
    ) -> BuildRequest:
        """`wanted` with the commit that is to be built, and its branch when it is that branch's head."""
        if not await self._workers.drain(repository, timeout=DRAIN_SECONDS):
            raise PushesWait
        git_source = (config["spec"].get("source") or {}).get("git") or {}
        branch = deploying_branch(git_source.get("ref"), repository.head())
        tip = repository.branches().get(branch)
        if wanted.commit is None:
            if tip is None:
                raise BuildRefused(
                    f"{repository.key.name!r} has nothing to build: nothing was pushed to branch {branch}",
                    hint=f"git push paas HEAD:{branch}",
                )
            return replace(wanted, commit=tip, ref=branch)
        commit = await repository.commit(wanted.commit)
        if commit is None:
            raise CommitNotFound(
                f"no commit {wanted.commit} is stored for {repository.key.name!r}, or several begin so",
                hint=f"git rev-parse {wanted.commit} shows the whole id; a commit that was never pushed: "
                f"git push paas {wanted.commit}:refs/heads/NAME",
            )
        return replace(wanted, commit=commit, ref=branch if commit == tip else None)


async def _refuse(
    request: Request,
    status: int,
    message: str,
    *,
    hint: str = "",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    content: dict[str, Any] = {"message": message}
    await request.json(status, content | ({"hint": hint} if hint else {}), headers)
