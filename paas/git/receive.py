"""One accepted push from the first byte to the last line its pusher reads.

    request ──feed──▶ [queue] ──▶ git receive-pack ──▶ band 2 at once, report held back
                                        │ ends
                                        ▼
                        worker handles the reflog ──▶ Outcome ──▶ story of the Build, line by line
                                        ▼
                                report, flush ──▶ [frames] ──▶ response

The push runs in a task of its own. The request only feeds it and passes its frames on, so a pusher who
goes away changes nothing once the pack is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from dulwich.errors import GitProtocolError

from paas.api.resources import Key, Manifest
from paas.git import process, protocol, push_messages
from paas.git.push import TAGS, Command, Follow, Outcome
from paas.git.reflog import committer
from paas.git.repositories import Repository
from paas.git.worker import OutcomeWaiter, Workers

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 32
"""git children that take in pushes at the same time; more wait for their turn."""
LARGEST_REPORT: Final = 4 * 2**20
PATIENCE: Final = 10.0
"""Seconds without an Outcome after which the pusher is told why it takes long."""
DRAIN_SECONDS: Final = 30.0


@dataclass
class Push:
    """What is known of a push before its pack arrives."""

    repository: Repository
    user: str
    commands: list[Command]
    capabilities: frozenset[str]
    header: bytes
    """The command list for the child."""
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def key(self) -> Key:
        return self.repository.key

    @property
    def side_band(self) -> bool:
        return "side-band-64k" in self.capabilities

    @property
    def reports(self) -> bool:
        return bool(self.capabilities & {"report-status", "report-status-v2"})


class PushSession:
    """A push under way. `feed`, then `finish` or `abandon`; meanwhile and after, iterate `frames`."""

    def __init__(self, push: Push) -> None:
        self.push = push
        self.result = "unknown"
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=16)
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._left = False
        self._refusal: str | None = None

    async def feed(self, data: bytes) -> None:
        await self._input.put(data)

    async def finish(self) -> None:
        await self._input.put(None)

    async def abandon(self, reason: str) -> None:
        """The pack will not be complete: git gets its end of input and stores nothing."""
        self._refusal = reason
        await self._input.put(None)

    def leave(self) -> None:
        """Nobody reads the frames any more."""
        self._left = True

    async def frames(self, *, keep_alive: float) -> AsyncIterator[bytes]:
        """The response's body; an empty packet when nothing came for `keep_alive` seconds."""
        while True:
            try:
                async with asyncio.timeout(keep_alive):
                    frame = await self._frames.get()
            except TimeoutError:
                if self.push.side_band:
                    yield protocol.KEEP_ALIVE
                continue
            if frame is None:
                return
            yield frame

    def say(self, lines: list[str] | tuple[str, ...]) -> None:
        if self.push.side_band:
            self.put(b"".join(protocol.told(line) for line in lines))

    def put(self, frame: bytes) -> None:
        if not self._left and frame:
            self._frames.put_nowait(frame)


class Receiver:
    """Runs pushes. `story` tells how a Build goes on; `stop` ends the telling, not the pushes."""

    def __init__(
        self,
        workers: Workers,
        *,
        story: Follow,
        limit: int,
        story_seconds: float = 900,
        patience: float = PATIENCE,
    ) -> None:
        self._workers, self._story, self._limit = workers, story, limit
        self._story_seconds, self._patience = story_seconds, patience
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._sessions: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def start(self, push: Push) -> PushSession:
        session = PushSession(push)
        task = asyncio.create_task(self._run(session), name=f"push {push.id} {push.key}")
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        return session

    @property
    def active(self) -> int:
        return len(self._sessions)

    def stop_telling(self) -> None:
        """From now on stories end with the line that says how to go on following."""
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
                session.result = "accepted" if accepted else "refused"
                log.info("push %s to %s by %s: %s", push.id, push.key, push.user, session.result)
                self._workers.wake(push.repository)
                await self._tell(session, waiter, [c for c in push.commands if c.ref in accepted])
            if push.reports:
                session.put(protocol.reported(report, side_band=push.side_band))
        except Exception:
            log.exception("push %s to %s", push.id, push.key)
            session.result = "error"
            session.say(
                push_messages.problem_lines("The server failed. See with git fetch whether it was stored")
            )
        finally:
            session._frames.put_nowait(None)
            await _discard(session._input)

    # -- taking the pack in ----------------------------------------------------------------------------

    async def _store(self, session: PushSession) -> bytes:
        """Run receive-pack; the report it made, or one of ours in its stead."""
        push = session.push
        if any(command.deletes for command in push.commands) and not await self._workers.drain(
            push.repository, timeout=DRAIN_SECONDS
        ):
            # the log goes with its branch, so what is in it must have been handled; a push that comes
            # in between moves the branch, and then git finds that `old` no longer holds
            await _discard(session._input)
            reason = "earlier pushes are not handled yet; try again in a minute"
            return protocol.refused_report(push.commands, {}, otherwise=reason)
        async with self._slots:
            report = await self._receive_pack(session)
        if session._refusal is not None and protocol.parse_report(report) is None:
            return protocol.refused_report(
                push.commands, {}, unpack=session._refusal, otherwise="unpacker error"
            )
        if protocol.parse_report(report) is None:
            return protocol.refused_report(
                push.commands, {}, unpack="the pack could not be stored", otherwise="unpacker error"
            )
        return report

    async def _receive_pack(self, session: PushSession) -> bytes:
        push = session.push
        child = await process.start(
            ["receive-pack", "--stateless-rpc", str(push.repository.path)],
            config={"receive.maxInputSize": str(self._limit)},
            extra=committer(push.user, push.id),
        )
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        feeding = asyncio.create_task(_feed(session, child.stdin))
        errors = asyncio.create_task(process.tail(child.stderr))
        report = bytearray()
        bands = protocol.Demultiplexer()
        try:
            while data := await child.stdout.read(2**16):
                if not push.side_band:
                    report += data
                    continue
                for channel, payload in bands.feed(data):
                    if channel == 1:
                        report += payload
                    else:
                        session.put(protocol.band(2, payload))
                        if b"exceeds maximum allowed size" in payload:
                            session.say(push_messages.too_large(self._limit))
                if len(report) > LARGEST_REPORT:
                    break
            await child.wait()
        except GitProtocolError:
            log.warning("push %s: output of receive-pack cannot be read", push.id)
        finally:
            await process.stop(child)
            feeding.cancel()
            text = await errors
            if text or child.returncode:
                log.info("push %s: receive-pack ended with %s: %s", push.id, child.returncode, text[-500:])
        return bytes(report)

    # -- telling the pusher ----------------------------------------------------------------------------

    async def _tell(self, session: PushSession, waiter: OutcomeWaiter, accepted: list[Command]) -> None:
        push = session.push
        for command in accepted:
            if command.deletes and command.branch:
                session.say(push_messages.deleted(command.branch, command.branch == push.repository.head()))
        session.say(
            push_messages.tagged(
                [c.ref.removeprefix(TAGS) for c in accepted if not c.branch and not c.deletes]
            )
        )
        awaited = {c.branch for c in accepted if c.branch and not c.deletes and c.old != c.new}
        until = time.monotonic() + self._story_seconds
        builds: list[Manifest] = []
        while awaited:
            outcome = await self._outcome(session, waiter, until)
            if outcome is None:
                return
            awaited.discard(outcome.branch)
            session.say(outcome.lines)
            if outcome.build is not None:
                builds.append(outcome.build)
        for build in builds:
            await self._tell_story(session, build, until)

    async def _outcome(self, session: PushSession, waiter: OutcomeWaiter, until: float) -> Outcome | None:
        """The next Outcome; None when it is not worth waiting any longer."""
        told = False
        getting = asyncio.ensure_future(waiter.next())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while True:
                await asyncio.wait(
                    {getting, stopping}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED
                )
                if getting.done():
                    return getting.result()
                if self._stopping.is_set() or session._left or time.monotonic() > until:
                    session.say(push_messages.still_running(None, session.push.key))
                    return None
                if self._workers.stuck(session.push.repository) and not told:
                    told = True
                    session.say(push_messages.waiting(session.push.key))
        finally:
            getting.cancel()
            stopping.cancel()

    async def _tell_story(self, session: PushSession, build: Manifest, until: float) -> None:
        name = str(build["metadata"]["name"])
        stopping = asyncio.ensure_future(self._stopping.wait())
        telling = asyncio.ensure_future(self._each_line(session, build))
        try:
            await asyncio.wait(
                {telling, stopping},
                timeout=max(0.0, until - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not telling.done():
                if self._stopping.is_set():
                    session.say(push_messages.restarting())
                session.say(push_messages.still_running(name, session.push.key))
        finally:
            telling.cancel()
            stopping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _each_line(self, session: PushSession, build: Manifest) -> None:
        try:
            async with contextlib.aclosing(self._story(build)) as lines:
                async for line in lines:
                    if session._left:
                        return
                    session.say([line])
        except asyncio.CancelledError:
            raise
        except Exception as problem:
            log.warning("the story of %s broke off: %s", build["metadata"]["name"], problem)
            session.say(push_messages.still_running(str(build["metadata"]["name"]), session.push.key))


async def _feed(session: PushSession, stdin: asyncio.StreamWriter) -> None:
    """Pass the request on to the child; what it does not want any more is read and dropped, since a
    client wants to be rid of its pack before it listens."""
    deaf = False
    try:
        await _write(stdin, session.push.header)
    except (BrokenPipeError, ConnectionResetError):
        deaf = True
    while (data := await session._input.get()) is not None:
        if deaf:
            continue
        try:
            await _write(stdin, data)
        except (BrokenPipeError, ConnectionResetError):
            deaf = True
    session._input.put_nowait(None)  # for whoever discards the rest
    stdin.close()


async def _write(stdin: asyncio.StreamWriter, data: bytes) -> None:
    stdin.write(data)
    await stdin.drain()


async def _discard(queue: asyncio.Queue[bytes | None]) -> None:
    """Read up to the end, so that nobody is held up who still writes."""
    while await queue.get() is not None:
        pass
