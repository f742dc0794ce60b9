"""The git child that takes a pack in: fed from what arrived, its report kept back."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from dataclasses import dataclass
from typing import Final

from dulwich.errors import GitProtocolError

from paas.git import durable, process, protocol, push_messages
from paas.git.memory import Need
from paas.git.push_session import Push, PushSession
from paas.git.reflog import committer
from paas.git.scrub import Scrubber
from paas.reconcile.tasks import cancelled

log = logging.getLogger(__name__)

LARGEST_REPORT: Final = 4 * 2**20
LARGEST_TEXT: Final = 2**16
"""Bytes of what git says that are kept for a child that may not be the last."""
_OUT_OF_MEMORY: Final = re.compile(
    rb"[Oo]ut of memory|malloc failed|mmap failed|Cannot allocate memory|unable to create thread"
)
_LITTLE: Final = {
    "pack.threads": "1",
    "core.deltaBaseCacheLimit": "8m",
    "core.bigFileThreshold": "8m",
    "core.packedGitLimit": "64m",
}
"""For a child that has little memory: one thread, small caches, large files streamed."""


@dataclass(frozen=True)
class Ended:
    """What became of the child: its report, perhaps cut short, and whether its memory did not suffice."""

    report: bytes
    out_of_memory: bool


async def receive_pack(session: PushSession, need: Need, *, limit: int, last: bool) -> Ended:
    """Run git receive-pack. What git says on band 2 goes to the pusher at once when this is the `last` try,
    else when its memory sufficed. `limit` is the largest pack in bytes."""
    push = session.push
    child = await process.start(
        ["receive-pack", "--stateless-rpc", process.HERE],
        repository=push.repository.path,
        limit=need.limit,
        config=_config(push, limit, little=not last),
        extra=committer(push.user, push.id),
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.create_task(_feed(session, child.stdin))
    errors = asyncio.create_task(process.tail(child.stderr))
    # the child finds its quarantine by an absolute path
    scrubber = Scrubber({str(push.repository.path), os.path.realpath(push.repository.path)})
    report, said = bytearray(), bytearray()
    bands = protocol.Demultiplexer()
    try:
        while data := await child.stdout.read(2**16):
            if not push.side_band:
                report += data
                continue
            for channel, payload in bands.feed(data):
                if channel == 1:
                    report += payload
                    continue
                text = scrubber.feed(payload)
                said = (said + text)[-LARGEST_TEXT:]
                if last:
                    session.pass_on(text)
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
        text_of_errors = await errors
        if text_of_errors or child.returncode:
            log.info(
                "push %s: receive-pack ended with %s: %s", push.id, child.returncode, text_of_errors[-500:]
            )
    rest = scrubber.end()
    parsed = protocol.parse_report(bytes(report))
    lacking = (parsed is None or parsed.unpack != "ok") and bool(
        _OUT_OF_MEMORY.search(bytes(said) + rest + text_of_errors.encode())
    )
    if last:
        session.pass_on(rest)
    elif not lacking:
        session.pass_on(bytes(said) + rest)
    if b"exceeds maximum allowed size" in said:
        session.say(push_messages.too_large(limit))
    if lacking and last:
        session.say(push_messages.too_much_memory())
    return Ended(protocol.reworded(bytes(report), lambda reason: _shown(push, reason)), lacking)


def _config(push: Push, limit: int, *, little: bool) -> dict[str, str]:
    config = {"receive.maxInputSize": str(limit)}
    if len(push.commands) > durable.MANY:
        # Git would wait for the disk once a ref: all are flushed together before the pusher is told, and a
        # ref that is torn before that is restored from its reflog.
        config["core.fsync"] = "objects,derived-metadata"
    return config | _LITTLE if little else config


def _shown(push: Push, reason: str) -> str:
    """A reason in the report, in words for people, without a path of the server."""
    for path in (str(push.repository.path), os.path.realpath(push.repository.path)):
        reason = reason.replace(path, ".")
    return push_messages.refusal(reason)


async def _feed(session: PushSession, stdin: asyncio.StreamWriter) -> None:
    """The command list and the pack, until the child does not want any more."""
    try:
        await _write(stdin, session.push.header)
        async for data in session.pack.pieces():
            await _write(stdin, data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        stdin.close()  # else the child waits for the rest for ever


async def _write(stdin: asyncio.StreamWriter, data: bytes) -> None:
    stdin.write(data)
    await stdin.drain()
