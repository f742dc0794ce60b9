"""The server as one ASGI application, and the tasks beside it: the process that has the repositories.

    /git/…          git.http              pushes and fetches, archives for build pods, builds by hand

It is plain ASGI, dispatched before FastAPI: bodies are streamed, and every millisecond of a push counts.
What the kubelet and Prometheus ask is answered on another port (`web.health`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response

from paas.api.build_request import Instantiate
from paas.api.resources import Key, Manifest, key_of
from paas.git.access import Access, Authenticate, Authorize
from paas.git.http import GitHttp, Limits
from paas.git.instantiate import ManualBuilds
from paas.git.memory import shares
from paas.git.push import FindConfig, Follow
from paas.git.quota import UNLIMITED, Quota
from paas.git.receive import Receiver
from paas.git.repositories import Repositories, Repository
from paas.git.upkeep import QUIET_SECONDS, Upkeep
from paas.git.waiting import TellWaiting, tell_nobody
from paas.git.worker import Prepare, TriggerIds, Workers, no_trigger_ids
from paas.reconcile.tasks import Tasks
from paas.server.metrics import Metrics
from paas.web.bounded import Bounded
from paas.web.dispatch import ByPath, Logged
from paas.web.health import Health
from paas.web.https_only import HttpsOnly
from paas.webhooks.heads import AskHead
from paas.webhooks.poll import Poller
from paas.webhooks.record import Record
from paas.webhooks.source_builds import FindBuilds, SourceBuilds

log = logging.getLogger("paas.server")

SCAN_SECONDS: Final = 10.0
"""How often repositories are looked through for pushes that nobody woke a worker for: a git child that
outlived a killed server may still accept one after the next server has started."""
SWEEP_SECONDS: Final = (45.0, 3600.0)
"""Between the first and the second look at what killed processes and deleted objects left, and between all
later ones. The second is early because a lock that is left must be old to be told from one in use."""
LOCK_SECONDS: Final = 20.0
"""How long to wait for the last server, which may still be ending."""
ABOUT: Final = """\
This is the server of paas: it takes git pushes, webhooks of git hosts, and requests for registry tokens.
To deploy an application, in its git repository: paas new-app, and then: git push paas HEAD
"""


class AlreadyServed(Exception):
    """Another server writes to these repositories."""


@dataclass(frozen=True)
class Dependencies:
    """What the server is made of. Everything that talks to the cluster is given, so that tests can serve
    real git without one."""

    repositories: Path
    authenticate: Authenticate
    authorize: Authorize
    find_config: FindConfig
    find_build: FindConfig
    list_configs: Callable[[], Awaitable[list[Manifest]]]
    """All BuildConfigs, live and complete."""
    build_numbers: Callable[[Key], Awaitable[set[int]]]
    """Numbers of the Builds of a BuildConfig."""
    find_builds: FindBuilds
    ask_head: AskHead
    record: Record
    instantiate: Instantiate
    prepare: Prepare
    follow: Follow
    ready: Callable[[], Awaitable[bool]]
    """Whether the cluster answers."""
    credential_key: bytes
    address: str = ""
    """The platform's own https URL outside, to which plain http is redirected."""
    trigger_ids: TriggerIds = no_trigger_ids
    """Ids of the triggers that are known to have made Builds of a BuildConfig."""
    tell_waiting: TellWaiting = tell_nobody
    """Says on a BuildConfig that the cluster refuses the Build of a push."""
    routers: tuple[APIRouter, ...] = ()
    limits: Limits = field(default_factory=Limits)
    quota: Quota = UNLIMITED
    memory: int | None = None
    """Bytes that the server's container may use."""
    follow_seconds: float = 900
    patience_seconds: float = 10
    scan_seconds: float = SCAN_SECONDS
    quiet_seconds: float = QUIET_SECONDS
    """How long a repository must have been left alone before it is packed again."""


class Server:
    """The application and the tasks that run with it; `app` is ASGI with a lifespan."""

    def __init__(self, needs: Dependencies) -> None:
        self._needs = needs
        self.tasks = Tasks()
        """What runs beside the requests: the process must end when one of them does."""
        self.metrics = Metrics()
        self.repositories = Repositories(needs.repositories)
        self.workers = Workers(
            self.repositories,
            find=needs.find_config,
            instantiate=needs.instantiate,
            prepare=needs.prepare,
            trigger_ids=needs.trigger_ids,
            tell_waiting=needs.tell_waiting,
        )
        memory_shares = shares(needs.memory)
        self.upkeep = Upkeep(self.repositories, quiet=needs.quiet_seconds, counted=self.metrics.packed)
        self.receiver = Receiver(
            self.workers,
            shares=memory_shares,
            upkeep=self.upkeep,
            project_size=self.repositories.size_of,
            quota=needs.quota,
            follow=needs.follow,
            limit=needs.limits.push_bytes,
            follow_seconds=needs.follow_seconds,
            patience=needs.patience_seconds,
        )
        access_to_repositories = Access(
            self.repositories,
            authenticate=needs.authenticate,
            authorize=needs.authorize,
            find_config=needs.find_config,
            find_build=needs.find_build,
            credential_key=needs.credential_key,
        )
        manual_builds = ManualBuilds(
            access_to_repositories, self.workers, prepare=needs.prepare, instantiate=needs.instantiate
        )
        git = GitHttp(
            access_to_repositories,
            self.receiver,
            manual_builds,
            shares=memory_shares,
            upkeep=self.upkeep,
            limits=needs.limits,
            counted=self.metrics.pushed,
        )
        source_builds = SourceBuilds(
            find_config=needs.find_config,
            find_builds=needs.find_builds,
            instantiate=needs.instantiate,
            ask_head=needs.ask_head,
        )
        self.poller = Poller(
            list_configs=needs.list_configs, source_builds=source_builds, record=needs.record
        )
        self.metrics.watch(
            "paas_push_oldest_unhandled_seconds",
            "How long the oldest accepted push has waited for its Build",
            self.workers.oldest_unhandled,
        )
        self.metrics.watch(
            "paas_push_unhandled",
            "How many repositories have accepted pushes without a Build",
            self.workers.unhandled,
        )
        self.metrics.watch(
            "paas_push_running", "How many pushes are being received", lambda: self.receiver.active
        )
        self.health = Health(ended=self._ended, ready=needs.ready, metrics=self.metrics.text)
        by_path = ByPath({"/git/": git}, Bounded(self._fastapi()))
        self.app = Logged(HttpsOnly(by_path, address=needs.address))

    def _ended(self) -> str:
        """The task that ended and should not have; '' while all run."""
        return next((end.name for end in self.tasks.ended), "")

    def _fastapi(self) -> FastAPI:
        app = FastAPI(title="paas", docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)

        @app.get("/")
        async def about() -> Response:
            return Response(ABOUT, media_type="text/plain")

        @app.exception_handler(404)
        async def nothing(_request: Request, _problem: Exception) -> Response:
            text = "There is nothing at this address; see / for what this server does\n"
            return Response(text, status_code=404, media_type="text/plain")

        for router in self._needs.routers:
            app.include_router(router)
        return app

    # -- life ------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._needs.repositories.mkdir(parents=True, exist_ok=True)
        with _only_writer(self._needs.repositories):
            await self.workers.scan()
            self.tasks.start(self._scan(), name="look through repositories for pushes")
            self.tasks.start(self._sweep(), name="sweep repositories")
            self.tasks.start(self.upkeep.run(), name="pack repositories")
            self.tasks.start(self.poller.run(), name="poll git hosts")
            try:
                yield
            finally:
                self.receiver.stop_following()
                await self.receiver.wait(timeout=8)  # in all below the pod's grace period of 30 s
                await self.workers.stop()
                await self.tasks.stop()

    async def _scan(self) -> None:
        while True:
            await asyncio.sleep(self._needs.scan_seconds)
            try:
                await self.workers.scan()
            except Exception:
                # what one repository does must not end the process, and with it the pushes to all
                log.exception("repositories could not be looked through for pushes")

    async def _sweep(self) -> None:
        """Repositories of BuildConfigs that are gone, and commits of Builds that are gone."""
        pause, following = SWEEP_SECONDS
        while True:
            try:
                live = {c["metadata"]["uid"]: key_of(c) for c in await self._needs.list_configs()}
                for repository in await self.repositories.identify(live):
                    self.workers.wake(repository)
                for uid in await self.repositories.sweep(live):
                    log.info("removed repository %s; its BuildConfig has been gone for 7 days", uid)
                for repository in list(self.repositories.all()):
                    if repository.uid in live:
                        await self._unpin(repository)
            except Exception:
                # nor may this
                log.exception("repositories could not be looked through")
            await asyncio.sleep(pause)
            pause = following

    async def _unpin(self, repository: Repository) -> None:
        try:
            if pins := repository.pins():
                await repository.unpin(pins - await self._needs.build_numbers(repository.key))
        except Exception:
            # one damaged repository must not keep the others from being looked through
            log.exception("commits of repository %s (%s) could not be let go", repository.uid, repository.key)


@contextlib.contextmanager
def _only_writer(root: Path) -> Iterator[None]:
    """Hold the lock of a directory of repositories. Raises AlreadyServed."""
    handle = os.open(root / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise AlreadyServed(f"another server writes to {root}; stop it first") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)
