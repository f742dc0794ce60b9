"""The git child that takes a pack in: fed from the request, its report kept back."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from dulwich.errors import GitProtocolError

from paas.git import durable, process, protocol, push_messages
from paas.git.push_session import PushSession
from paas.git.reflog import committer
from paas.reconcile.tasks import cancelled

log = logging.getLogger(__name__)

LARGEST_REPORT: Final = 4 * 2**20


async def receive_pack(session: PushSession, *, limit: int) -> bytes:
    """The report of git receive-pack, perhaps cut short; what git says on band 2 goes to the pusher at once.
    `limit` is the largest pack in bytes."""
    push = session.push
    config = {"receive.maxInputSize": str(limit)}
    if len(push.commands) > durable.MANY:
        # Git would wait for the disk once a ref: all are flushed together before the pusher is told, and a
        # ref that is torn before that is restored from its reflog.
        config["core.fsync"] = "objects,derived-metadata"
    child = await process.start(
        ["receive-pack", "--stateless-rpc", str(push.repository.path)],
        config=config,
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
                        session.say(push_messages.too_large(limit))
            if len(report) > LARGEST_REPORT:
                break
        await child.wait()
    except GitProtocolError:
        log.warning("push %s: output of receive-pack cannot be read", push.id)
    finally:
        try:
            await process.stop(child)
        finally:
            await cancelled(feeding)
        text = await errors
        if text or child.returncode:
            log.info("push %s: receive-pack ended with %s: %s", push.id, child.returncode, text[-500:])
    return protocol.reworded(bytes(report), push_messages.refusal)


async def _feed(session: PushSession, stdin: asyncio.StreamWriter) -> None:
    """Pass the request on to the child; what it does not want any more is read and dropped, since a
    client wants to be rid of its pack before it listens."""
    deaf = False
    try:
        try:
            await _write(stdin, session.push.header)
        except (BrokenPipeError, ConnectionResetError):
            deaf = True
        async for data in session.pieces():
            if deaf:
                continue
            try:
                await _write(stdin, data)
            except (BrokenPipeError, ConnectionResetError):
                deaf = True
    finally:
        stdin.close()  # else the child waits for the rest for ever


async def _write(stdin: asyncio.StreamWriter, data: bytes) -> None:
    stdin.write(data)
    await stdin.drain()
