"""What git children send to clients: advertisements, fetches, and archives for build pods."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

from dulwich.protocol import pkt_line

from paas.git import process
from paas.git.refs import is_object_id
from paas.git.repositories import Repository
from paas.reconcile.tasks import cancelled

SERVE_CONFIG: Final = {
    "pack.threads": "1",
    "pack.windowMemory": "16m",
    "pack.deltaCacheSize": "16m",
    "core.deltaBaseCacheLimit": "16m",
    "uploadpack.advertiseBundleURIs": "false",
}
LARGEST_ARCHIVE: Final = 4 * 2**30
"""Bytes; 12 objects can describe a billion files."""
LONGEST_ARCHIVE: Final = 600.0
"""Seconds."""
LONGEST_FETCH: Final = 3600.0
PIECE: Final = 2**17
AHEAD: Final = 2**19
"""Bytes that are read from a child before its client has read them: most answers are smaller, and their child
ends whatever the client does."""
_PROTOCOL: Final = re.compile(r"version=[012](:[a-z0-9=.-]{1,40}){0,4}")


def protocol(header: str) -> dict[str, str]:
    """Environment for a client's Git-Protocol header; anything unusual is ignored, as git does."""
    return {"GIT_PROTOCOL": header} if _PROTOCOL.fullmatch(header) else {}


async def advertise(repository: Repository, service: str, git_protocol: str) -> bytes:
    """Body of info/refs for `upload-pack` or `receive-pack`. Raises git.GitFailed."""
    extra = protocol(git_protocol) if service == "upload-pack" else {}
    argv = [service, "--stateless-rpc", "--http-backend-info-refs", process.HERE]
    refs = await process.run(argv, repository=repository.path, extra=extra, config=SERVE_CONFIG)
    if refs.startswith(b"000eversion 2"):
        return refs
    return pkt_line(f"# service=git-{service}\n".encode()) + b"0000" + refs


async def upload_pack(
    repository: Repository, request: bytes, git_protocol: str, *, limit: int, ended: Callable[[], None]
) -> AsyncIterator[bytes]:
    """Answer to one POST of a fetch. `ended` is called as soon as its child needs no memory any more."""
    child = await process.start(
        ["upload-pack", "--stateless-rpc", process.HERE],
        repository=repository.path,
        limit=limit,
        extra=protocol(git_protocol),
        config=SERVE_CONFIG,
    )
    async with contextlib.aclosing(_output(child, request, seconds=LONGEST_FETCH, ended=ended)) as pieces:
        async for piece in pieces:
            yield piece


async def archive(
    repository: Repository, commit: str, *, limit: int, ended: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The tree of a commit as a tar, every file as it is. Raises git.GitFailed when it is cut short."""
    if not is_object_id(commit):
        raise ValueError("not an object id")
    child = await process.start(
        [f"--git-dir={process.HERE}", "archive", "--format=tar", commit],
        repository=repository.path,
        limit=limit,
        config=SERVE_CONFIG,
    )
    sent = 0
    async with contextlib.aclosing(_output(child, b"", seconds=LONGEST_ARCHIVE, ended=ended)) as pieces:
        async for piece in pieces:
            sent += len(piece)
            if sent > LARGEST_ARCHIVE:
                raise process.GitFailed(
                    ["archive"], None, f"the source is larger than {LARGEST_ARCHIVE} bytes"
                )
            yield piece
    if child.returncode != 0:
        raise process.GitFailed(["archive"], child.returncode, "")


async def _output(
    child: asyncio.subprocess.Process, request: bytes, *, seconds: float, ended: Callable[[], None]
) -> AsyncGenerator[bytes, None]:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    errors = asyncio.create_task(process.tail(child.stderr))
    feeding = asyncio.create_task(_feed(child.stdin, request))
    ahead: asyncio.Queue[bytes] = asyncio.Queue(AHEAD // PIECE)
    reading = asyncio.create_task(_read_ahead(child, ahead, ended))
    until = asyncio.get_running_loop().time() + seconds
    try:
        while True:
            async with asyncio.timeout_at(until):
                data = await ahead.get()
            if not data:
                break
            yield data
    finally:
        try:
            await process.stop(child)
        finally:
            await cancelled(feeding, reading)
        await errors


async def _read_ahead(
    child: asyncio.subprocess.Process, ahead: asyncio.Queue[bytes], ended: Callable[[], None]
) -> None:
    """What the child says, and b"" when it has ended."""
    assert child.stdout is not None
    while data := await child.stdout.read(PIECE):
        await ahead.put(data)
    await child.wait()
    ended()
    await ahead.put(b"")


async def _feed(stdin: asyncio.StreamWriter, request: bytes) -> None:
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(request)
            await stdin.drain()
    finally:
        stdin.close()
