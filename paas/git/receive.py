"""One push from its last byte to the last line its pusher reads.

    request ──▶ [pack] ──▶ waits its turn ──▶ git receive-pack ──▶ band 2 at once, report held back
                                        │ ends
                                        ▼
                        worker handles the reflog ──▶ Outcome ──▶ progress of the Build, line by line
                                        ▼
                                report, flush ──▶ [frames] ──▶ response

The push runs in a task of its own, and only when all of its pack is there. The request only passes its frames
on, so a pusher who goes away changes nothing once the pack is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from paas.api.resources import Manifest
from paas.git import durable, protocol, push_messages, usage
from paas.git.lane import Full, Lane
from paas.git.memory import Need, Shares
from paas.git.push import TAGS, Built, Command, Follow, Outcome, Stored
from paas.git.push_session import Push, PushSession
from paas.git.quota import UNLIMITED, OverQuota, Quota, over
from paas.git.receive_pack import Ended, receive_pack
from paas.git.spool import Spool
from paas.git.upkeep import Upkeep, branch_deleted
from paas.git.worker import OutcomeWaiter, Workers

log = logging.getLogger(__name__)

MOST_STORED: Final = 10
"""Branches without a build of which a push is told each."""
MOST_FOLLOWED: Final = 128
"""Pushes whose builds are followed at the same time, half of them of one project; others are told how to."""
LARGE_PACK: Final = 16 * 2**20
"""Bytes from which on a push gets much memory at once; a smaller one when little did not suffice."""
LONGEST_WAIT: Final = 300.0
"""Seconds in line before a push is refused."""
TOLD_SECONDS: Final = 5.0
"""How often the pusher hears how many are before it."""
PATIENCE: Final = 10.0
"""Seconds without an Outcome after which the pusher is told why it takes long."""
DRAIN_SECONDS: Final = 30.0


ProjectSize = Callable[[str], Awaitable[int]]
"""Bytes of all repositories of a project."""


async def _nothing_else(_project: str) -> int:
    return 0


class _TooMuch(Exception):
    """The push is over a quota."""

    def __init__(self, over: OverQuota) -> None:
        super().__init__(over)
        self.over = over


class Receiver:
    """Runs pushes. `follow` says how a Build goes on; `stop_following` ends that, not the pushes."""

    def __init__(
        self,
        workers: Workers,
        *,
        shares: Shares,
        upkeep: Upkeep,
        project_size: ProjectSize = _nothing_else,
        quota: Quota = UNLIMITED,
        follow: Follow,
        limit: int,
        follow_seconds: float = 900,
        patience: float = PATIENCE,
    ) -> None:
        self._workers, self._follow, self._limit = workers, follow, limit
        self._follow_seconds, self._patience = follow_seconds, patience
        self._shares, self._lane = shares, Lane(shares.pushes)
        self._upkeep = upkeep
        self._project_size, self._quota = project_size, quota
        self._following = Lane(MOST_FOLLOWED, line=0)
        self._sessions: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def start(self, push: Push, pack: Spool) -> PushSession:
        """Carry out a push; its pack is closed at the end."""
        session = PushSession(push, pack)
        task = asyncio.create_task(self._run(session), name=f"push {push.id} {push.key}")
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        return session

    @property
    def active(self) -> int:
        return len(self._sessions)

    def stop_following(self) -> None:
        """From now on a pusher reads how to go on following, and no more."""
        self._stopping.set()

    async def wait(self, *, timeout: float) -> None:
        """Until pushes under way have ended, at most `timeout` seconds."""
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=timeout)

    async def _run(self, session: PushSession) -> None:
        push = session.push
        try:
            with self._workers.waiter(push.repository, push.id) as waiter:
                report = await self._store(session)
                parsed = protocol.parse_report(report)
                accepted = parsed.accepted if parsed else frozenset()
                # before anybody is told: what was acknowledged survives a power cut
                if accepted:
                    await asyncio.to_thread(
                        durable.flush_refs, push.repository.path, accepted, since=session.began
                    )
                session.result = "accepted" if accepted else "refused"
                log.info("push %s to %s by %s: %s", push.id, push.key, push.user, session.result)
                self._workers.wake(push.repository)
                await self._report_progress(session, waiter, [c for c in push.commands if c.ref in accepted])
            if push.reports:
                session.put(protocol.reported(report, side_band=push.side_band))
        except Exception:
            # nobody waits for this task, and the pusher must read an end
            log.exception("push %s to %s", push.id, push.key)
            session.result = "error"
            session.say(
                push_messages.problem_lines("The server failed. See with git fetch whether it was stored")
            )
            if push.reports:  # without one, git waits for it for ever
                report = protocol.refused_report(push.commands, {}, otherwise="the server failed")
                session.put(protocol.reported(report, side_band=push.side_band))
        finally:
            session.end()
            session.pack.close()

    # -- taking the pack in ----------------------------------------------------------------------------

    async def _store(self, session: PushSession) -> bytes:
        """Run receive-pack; the report it made, or one of ours in its place."""
        push = session.push
        if any(command.deletes for command in push.commands) and not await self._workers.drain(
            push.repository, timeout=DRAIN_SECONDS
        ):
            # the log goes with its branch, so what is in it must have been handled; a push that comes
            # in between moves the branch, and then git finds that `old` no longer holds
            reason = "earlier pushes are not handled yet; try again in a minute"
            return protocol.refused_report(push.commands, {}, otherwise=reason)
        try:
            ended = await self._in_turn(session)
        except Full:
            session.say(push_messages.busy())
            return protocol.refused_report(push.commands, {}, otherwise=push_messages.BUSY)
        except _TooMuch as refusal:
            session.say(push_messages.over_quota(refusal.over, push.key))
            return protocol.refused_report(push.commands, {}, otherwise="over the limit of stored bytes")
        session.pack.close()
        if protocol.parse_report(ended.report) is None:
            return protocol.refused_report(
                push.commands, {}, unpack="the pack could not be stored", otherwise="unpacker error"
            )
        return ended.report

    async def _check_quota(self, session: PushSession) -> None:
        """Raises _TooMuch. Only when it is the push's turn: those before it count then."""
        repository, adds = session.push.repository, session.pack.size
        has = await repository.size()
        of_project = await self._project_size(repository.key.namespace) if self._quota.project else 0
        if (found := over(self._quota, adds=adds, repository=has, project=of_project)) is not None:
            raise _TooMuch(found)

    async def _in_turn(self, session: PushSession) -> Ended:
        """Run receive-pack as soon as there is memory for it: with little, and with much when little does not
        suffice. Raises Full."""
        if session.pack.size <= LARGE_PACK:
            ended = await self._with(session, self._shares.push, last=False)
            if not ended.out_of_memory:
                return ended
        return await self._with(session, self._shares.large_push, last=True)

    async def _with(self, session: PushSession, need: Need, *, last: bool) -> Ended:
        with self._lane.asked(session.push.key.namespace, need.counts) as ticket:
            until = time.monotonic() + LONGEST_WAIT
            while not await ticket.wait(seconds=TOLD_SECONDS):
                if time.monotonic() > until or session.left:
                    raise Full
                session.say(push_messages.in_line(ticket.ahead))
            repository = session.push.repository
            async with self._upkeep.use(repository):
                await self._check_quota(session)
                try:
                    return await receive_pack(session, need, limit=self._limit, last=last)
                finally:
                    usage.changed(repository.path)

    # -- what the pusher reads ----------------------------------------------------------------------------

    async def _report_progress(
        self, session: PushSession, waiter: OutcomeWaiter, accepted: list[Command]
    ) -> None:
        """Say what becomes of the accepted commands, until the end of their Builds and rollouts."""
        push = session.push
        for command in accepted:
            if command.deletes:
                branch_deleted(push.repository.path)
            if command.deletes and command.branch:
                session.say(push_messages.deleted(command.branch, command.branch == push.repository.head()))
        session.say(
            push_messages.tagged(
                [c.ref.removeprefix(TAGS) for c in accepted if not c.branch and not c.deletes]
            )
        )
        awaited = {c.branch for c in accepted if c.branch and not c.deletes and c.old != c.new}
        until = time.monotonic() + self._follow_seconds
        builds: list[Manifest] = []
        stored = 0
        while awaited:
            outcome = await self._outcome(session, waiter, until)
            if outcome is None:
                return
            awaited.discard(outcome.branch)
            stored += isinstance(outcome, Stored)
            if not isinstance(outcome, Stored) or stored <= MOST_STORED:
                session.say(push_messages.outcome(push.key, outcome))
            if isinstance(outcome, Built):
                builds.append(outcome.build)
        if stored > MOST_STORED:
            session.say(push_messages.further(stored - MOST_STORED))
        try:
            with self._following.asked(push.key.namespace):
                for build in builds:
                    await self._follow_build(session, build, until)
        except Full:
            for build in builds:
                session.say(push_messages.still_running(str(build["metadata"]["name"]), push.key))

    async def _outcome(self, session: PushSession, waiter: OutcomeWaiter, until: float) -> Outcome | None:
        """The next Outcome; None when it is not worth waiting any longer."""
        said = False
        getting = asyncio.ensure_future(waiter.next())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while True:
                await asyncio.wait(
                    {getting, stopping}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED
                )
                if getting.done():
                    return getting.result()
                if self._stopping.is_set() or session.left or time.monotonic() > until:
                    session.say(push_messages.still_running(None, session.push.key))
                    return None
                problem = self._workers.stuck(session.push.repository)
                if problem is not None and not said:
                    said = True
                    session.say(push_messages.waiting(session.push.key, problem))
        finally:
            getting.cancel()
            stopping.cancel()

    async def _follow_build(self, session: PushSession, build: Manifest, until: float) -> None:
        name = str(build["metadata"]["name"])
        stopping = asyncio.ensure_future(self._stopping.wait())
        # a build may say nothing for minutes, and who has left must not hold a place among the followers
        gone = asyncio.ensure_future(session.gone())
        following = asyncio.ensure_future(self._each_line(session, build))
        try:
            await asyncio.wait(
                {following, stopping, gone},
                timeout=max(0.0, until - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not following.done():
                if self._stopping.is_set():
                    session.say(push_messages.restarting())
                session.say(push_messages.still_running(name, session.push.key))
        finally:
            following.cancel()
            stopping.cancel()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _each_line(self, session: PushSession, build: Manifest) -> None:
        try:
            async with contextlib.aclosing(self._follow(build)) as lines:
                async for line in lines:
                    if session.left:
                        return
                    session.say([line])
        except asyncio.CancelledError:
            raise
        except Exception:
            # the push was accepted, so it ends well whatever happens here
            log.exception("following build %s broke off", build["metadata"]["name"])
            session.say(push_messages.still_running(str(build["metadata"]["name"]), session.push.key))
