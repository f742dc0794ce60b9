"""From accepted pushes to Builds: one worker a repository, going through the reflogs in order.

    receive-pack moved a branch ──▶ reflog line ──▶ worker: prepare, instantiate, mark as handled
                                                       └──▶ Outcome for the caller that waits for that push

It alone makes Builds of pushes. The mark moves after the Build exists, and the Build's trigger id comes
from the reflog line; so a crash anywhere leads to the same Build once. Whatever wakes a worker (a push,
the start of the server, the sweep that looks for pushes of a child that outlived its server) only says
that there may be work; what there is to do is read from the repository.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

from paas.api.build import InvalidSource, TriggerType
from paas.api.build_request import BuildRequest, Instantiate, InstantiateError
from paas.api.names import Reason
from paas.api.resources import Key, Manifest
from paas.git.push import BRANCHES, Built, FindConfig, Gone, NotBuilt, Outcome, Stored, Unchanged
from paas.git.reflog import Entry, Handled, pending, trigger_id, unknown_of
from paas.git.refs import deploying_branch, is_update
from paas.git.repositories import Repositories, Repository
from paas.git.waiting import TellWaiting, refused, stored, tell_nobody
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile import backoff

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The request of a push with everything about its commit filled in. `found` says how it is built."""

    request: BuildRequest
    found: tuple[str, ...] = ()


Prepare = Callable[[Repository, Manifest, BuildRequest], Awaitable[Prepared]]
"""(repository, BuildConfig, the push) -> the same with everything about its commit filled in. Raises
InstantiateError."""
TriggerIds = Callable[[Key], Awaitable[Collection[str]]]
"""The ids of all triggers of a BuildConfig that are known to have made a Build."""


async def no_trigger_ids(_key: Key) -> Collection[str]:
    return ()


_PASSING_ERRORS: Final = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EIO,
        errno.EROFS,
    )
)
MARKED_TOGETHER: Final = 2000
"""Entries without a Build whose marks are written in one go."""


class StillTold(Exception):
    """What was told of a push does not hold any more, and could not be taken back."""


@dataclass
class _Work:
    """One repository's worker while it has something to do."""

    task: asyncio.Task[None] | None = None
    again: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    stuck: Exception | None = None
    """What failed last; it is tried again."""
    unmarked: dict[str, Entry] = field(default_factory=dict)
    """By branch, the last entry whose outcome is known and which the repository does not say yet."""
    pins: dict[int, str] = field(default_factory=dict)
    told: bool = False
    """Whether the BuildConfig says that a push waits."""


class Workers:
    """The workers of all repositories."""

    def __init__(
        self,
        repositories: Repositories,
        *,
        find: FindConfig,
        instantiate: Instantiate,
        prepare: Prepare,
        trigger_ids: TriggerIds = no_trigger_ids,
        tell_waiting: TellWaiting = tell_nobody,
        retry_seconds: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._repositories = repositories
        self._find = find
        self._instantiate = instantiate
        self._prepare = prepare
        self._trigger_ids, self._tell_waiting = trigger_ids, tell_waiting
        self._retry = retry_seconds
        self._work: dict[str, _Work] = {}
        self._waiting: dict[tuple[str, str], list[OutcomeWaiter]] = {}
        self._unhandled: dict[str, float] = {}
        self._stopping = False

    # -- for the receive path --------------------------------------------------------------------------

    def wake(self, repository: Repository) -> None:
        """There may be work in this repository."""
        if self._stopping:
            return
        work = self._work.setdefault(repository.uid, _Work())
        work.idle.clear()
        work.again = True
        if work.task is None:
            work.task = asyncio.create_task(self._go_on(repository, work), name=f"worker {repository.key}")

    async def drain(self, repository: Repository, *, timeout: float) -> bool:
        """Whether everything accepted so far is handled, after at most `timeout` seconds."""
        self.wake(repository)
        work = self._work.get(repository.uid)
        if work is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                await work.idle.wait()
        except TimeoutError:
            return False
        return True

    def waiter(self, repository: Repository, push: str) -> OutcomeWaiter:
        """Take one before the push can be accepted; it gets the Outcome of each of its branches."""
        waiter = OutcomeWaiter(self, (repository.uid, push))
        self._waiting.setdefault(waiter.key, []).append(waiter)
        return waiter

    def drop(self, waiter: OutcomeWaiter) -> None:
        waiters = self._waiting.get(waiter.key, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiting.pop(waiter.key, None)

    def stuck(self, repository: Repository) -> Exception | None:
        """What keeps this repository's worker from going on; None when nothing does."""
        work = self._work.get(repository.uid)
        return work.stuck if work is not None else None

    # -- for the server --------------------------------------------------------------------------------

    async def scan(self) -> None:
        """Wake the worker of every repository in which something is not handled."""
        for repository in await asyncio.to_thread(self._with_work):
            self.wake(repository)

    def _with_work(self) -> list[Repository]:
        found = []
        for repository in self._repositories.all():
            try:
                if self._has_work(repository):
                    found.append(repository)
            except Exception:
                # one damaged repository must not keep the others from being found, nor the server from
                # starting; its worker meets the same failure, logs it and goes on trying
                found.append(repository)
        return found

    def oldest_unhandled(self) -> float:
        """Age in seconds of the oldest accepted push that has no Build yet; 0 when there is none."""
        return max((time.time() - since for since in self._unhandled.values()), default=0.0)

    def unhandled(self) -> int:
        """How many repositories have accepted pushes that are not handled."""
        return len(self._unhandled)

    async def stop(self) -> None:
        """Stop where it is safe: at any point, so at once."""
        self._stopping = True
        tasks = [work.task for work in self._work.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the work --------------------------------------------------------------------------------------

    def _has_work(self, repository: Repository) -> bool:
        branches, handled = repository.branches(), repository.handled()
        if branches.keys() != handled.keys():
            return True
        return any(pending(repository.entries(b), tip=tip, handled=handled[b]) for b, tip in branches.items())

    async def _go_on(self, repository: Repository, work: _Work) -> None:
        try:
            await self._until_idle(repository, work)
        except Exception:
            # not the end of the process, or one repository would end the pushes to all: the next look
            # through the repositories starts its worker again
            log.exception("the worker of %s ended", repository.key)
        finally:
            work.task = None

    async def _until_idle(self, repository: Repository, work: _Work) -> None:
        failures = 0
        while work.again:
            work.again = False
            try:
                await self._handle_all(repository)
                failures, work.stuck = 0, None
                # what waited was taken back (its branch is gone, or has another history), or the cluster did
                # not answer when it was handled: what nobody takes back would be said for ever
                if work.told and not await self._tell_handled(repository, work):
                    raise StillTold("the BuildConfig still says that a push waits")
            except asyncio.CancelledError:
                raise
            except Exception as problem:
                # whatever it is: an accepted push is not forgotten, so it is tried again for ever
                work.stuck, work.again = problem, True
                self._unhandled.setdefault(repository.uid, time.time())
                log.warning(
                    "pushes to %s wait: %s: %s",
                    repository.key, type(problem).__name__, problem,
                    exc_info=failures == 0,  # where it happened, once
                )  # fmt: skip
                first, longest = self._retry
                wait = backoff.pause(failures, first=first, longest=longest)
                failures += 1
                await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311
        self._unhandled.pop(repository.uid, None)
        self._work.pop(repository.uid, None)
        work.idle.set()

    async def _handle_all(self, repository: Repository) -> None:
        if not repository.path.is_dir():
            return
        await repository.repair()
        branches, handled = repository.branches(), repository.handled()
        if gone := handled.keys() - branches.keys():
            # first, since `x` in the way keeps `x/y` from being marked
            await repository.forget(gone)
        if branches and not (handled.keys() & branches.keys()):
            self._choose_head(repository, set(branches))
        work = self._work[repository.uid]
        entries = await self._pending(repository, branches, _known(handled, work.unmarked))
        config: Manifest | None = None
        for position, (branch, entry) in enumerate(entries):
            if config is None:
                config = await self._find(repository.key)
            try:
                outcome, number = await self._decide(repository, config, branch, entry)
            except ApiError as problem:
                await self._tell_refused(repository, work, config, branch, entry, problem)
                raise
            # the pusher need not wait for the mark: without it the same Build is found again
            for waiter in self._waiting.get((repository.uid, entry.push), ()):
                waiter.put(outcome)
            if _is_told(repository, work, config):
                # before the mark: after it, nobody looks at this push again
                await self._tell_handled(repository, work)
                config = None
            work.unmarked[branch] = entry
            if number is not None:
                work.pins[number] = entry.new
                config = None  # making it took time, in which the BuildConfig may have changed
            if number is not None or (position + 1) % MARKED_TOGETHER == 0:
                await self._mark(repository, work)
        await self._mark(repository, work)

    async def _tell_refused(
        self,
        repository: Repository,
        work: _Work,
        config: Manifest | None,
        branch: str,
        entry: Entry,
        problem: ApiError,
    ) -> None:
        """Say on the BuildConfig why this push waits, unless it says so."""
        waiting = refused(config, branch, entry.new, problem) if config is not None else None
        if waiting is None or config is None:
            return
        work.told = True
        if stored(config) != waiting.dump():
            await self._tell_waiting(repository.key, repository.uid, waiting)

    async def _tell_handled(self, repository: Repository, work: _Work) -> bool:
        """Whether the BuildConfig says it; else that is tried again when all else is done."""
        work.told = not await self._tell_waiting(repository.key, repository.uid, None)
        return not work.told

    async def _mark(self, repository: Repository, work: _Work) -> None:
        if repository.path.is_dir() and work.unmarked:
            await repository.mark(work.unmarked, pins=work.pins)
        work.unmarked, work.pins = {}, {}

    async def _pending(
        self, repository: Repository, branches: dict[str, str], handled: dict[str, Handled]
    ) -> list[tuple[str, Entry]]:
        found = []
        for branch, tip in branches.items():
            mark = handled.get(branch)
            entries = pending(repository.entries(branch), tip=tip, handled=mark)
            if mark is not None and mark.lost and entries:
                entries = await self._unknown(repository, branch, entries, mark)
            found += [(branch, entry) for entry in entries]
        found.sort(key=lambda item: item[1].time)  # stable: the order within a branch stays
        if found:
            self._unhandled[repository.uid] = min(e.time or time.time() for _, e in found)
        return found

    async def _unknown(
        self, repository: Repository, branch: str, entries: list[Entry], mark: Handled
    ) -> list[Entry]:
        """The mark was torn: what of these entries has no Build."""
        triggers = [trigger_id(repository.uid, BRANCHES + branch, entry) for entry in entries]
        left = unknown_of(entries, triggers, await self._trigger_ids(repository.key), mark.commit)
        log.warning(
            "repository %s (%s): up to where %s was handled is lost; of %d moves %d are handled now",
            repository.uid, repository.key, branch, len(entries), len(left),
        )  # fmt: skip
        return left

    def _choose_head(self, repository: Repository, branches: set[str]) -> None:
        """The first branch pushed to an empty repository becomes HEAD; of several in one push, the one
        that HEAD names already, else the usual names, else the first by name."""
        head = repository.head()
        firsts = {branch: entries[0] for branch in branches if (entries := repository.entries(branch))}
        if firsts:
            push = min(firsts.values(), key=lambda entry: entry.time).push
            branches = {branch for branch, entry in firsts.items() if entry.push == push}
        preferred = [name for name in (head, "main", "master", *sorted(branches)) if name in branches]
        if preferred[0] != head:
            repository.set_head(preferred[0])

    async def _decide(
        self, repository: Repository, config: Manifest | None, branch: str, entry: Entry
    ) -> tuple[Outcome, int | None]:
        """What becomes of this move of a branch, and the number of its Build."""
        if not is_update(entry.old, entry.new):
            return Unchanged(branch), None
        if config is None or config["metadata"]["uid"] != repository.uid:
            return Gone(branch), None
        git_source = (config["spec"].get("source") or {}).get("git") or {}
        deploying = deploying_branch(git_source.get("ref"), repository.head())
        if branch != deploying:
            return Stored(branch, deploying), None
        request = self._request(repository, branch, entry)
        try:
            try:
                prepared = await self._prepare(repository, config, request)
                made = await self._instantiate(repository.key, prepared.request)
            except Exception as problem:
                if isinstance(problem, InstantiateError) or _passes(problem):
                    raise
                # It would fail the same way the next time, and every push behind it would wait for ever: so
                # there is a Build that says it.
                log.exception("push %s to %s %s: no build can be made", entry.push, repository.key, branch)
                prepared = Prepared(replace(request, invalid=_unusable(entry, problem)))
                made = await self._instantiate(repository.key, prepared.request)
        except InstantiateError as problem:
            return NotBuilt(branch, problem), None
        log.info("push %s to %s %s: build %s", entry.push, repository.key, branch, made.name)
        return Built(branch, prepared.request, prepared.found, made.build), made.number

    def _request(self, repository: Repository, branch: str, entry: Entry) -> BuildRequest:
        return BuildRequest(
            trigger_id=trigger_id(repository.uid, BRANCHES + branch, entry),
            trigger_type=TriggerType.PUSH,
            trigger_message=f"push to {branch}",
            user=entry.user or None,
            commit=entry.new,
            ref=branch,
        )


def _known(handled: dict[str, Handled], unmarked: dict[str, Entry]) -> dict[str, Handled]:
    """What the repository says, and what it does not say yet."""
    return handled | {branch: Handled(entry.new, entry.mark) for branch, entry in unmarked.items()}


def _is_told(repository: Repository, work: _Work, config: Manifest | None) -> bool:
    """Whether the BuildConfig says that a push waits; a server before this one may have said it."""
    own = config is not None and config["metadata"]["uid"] == repository.uid
    return work.told or (own and config is not None and stored(config) is not None)


def _passes(problem: Exception) -> bool:
    """Whether what failed may work later, by itself or when a person does something: a cluster that does not
    answer, a quota (403), a full disk. What is accepted waits for it."""
    if isinstance(problem, OSError) and not isinstance(problem, TimeoutError | ConnectionError):
        return problem.errno in _PASSING_ERRORS
    return isinstance(problem, ApiError | ClusterUnreachable | TimeoutError | ConnectionError)


def _unusable(entry: Entry, problem: Exception) -> InvalidSource:
    return InvalidSource(
        reason=Reason.GENERIC_BUILD_FAILED,
        message=f"The server cannot make a build of commit {entry.new[:12]} ({type(problem).__name__}); push "
        "another commit. An administrator sees why with: kubectl logs -n paas-system deploy/server",
    )


class OutcomeWaiter:
    """Waits for what becomes of one push."""

    def __init__(self, workers: Workers, key: tuple[str, str]) -> None:
        self._workers, self.key = workers, key
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    def put(self, outcome: Outcome) -> None:
        self._outcomes.put_nowait(outcome)

    async def next(self) -> Outcome:
        return await self._outcomes.get()

    def __enter__(self) -> OutcomeWaiter:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.drop(self)
