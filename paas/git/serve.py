"""What git children send to clients: advertisements, fetches, and archives for build pods."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final

from dulwich.protocol import pkt_line

from paas.git import process
from paas.git.refs import is_object_id
from paas.git.repositories import Repository
from paas.reconcile.tasks import cancelled

SERVE_CONFIG: Final = {
    "pack.windowMemory": "64m",
    "pack.deltaCacheSize": "64m",
    "uploadpack.advertiseBundleURIs": "false",
}
LARGEST_ARCHIVE: Final = 4 * 2**30
"""Bytes; 12 objects can describe a billion files."""
LONGEST_ARCHIVE: Final = 600.0
"""Seconds."""
LONGEST_FETCH: Final = 3600.0
MOST_AT_ONCE: Final = 32
"""git children that send at the same time; more wait for their turn."""
_PROTOCOL: Final = re.compile(r"version=[012](:[a-z0-9=.-]{1,40}){0,4}")


def protocol(header: str) -> dict[str, str]:
    """Environment for a client's Git-Protocol header; anything unusual is ignored, as git does."""
    return {"GIT_PROTOCOL": header} if _PROTOCOL.fullmatch(header) else {}


async def advertise(repository: Repository, service: str, git_protocol: str) -> bytes:
    """Body of info/refs for `upload-pack` or `receive-pack`. Raises git.GitFailed."""
    extra = protocol(git_protocol) if service == "upload-pack" else {}
    argv = [service, "--stateless-rpc", "--http-backend-info-refs", str(repository.path)]
    refs = await process.run(argv, extra=extra, config=SERVE_CONFIG)
    if refs.startswith(b"000eversion 2"):
        return refs
    return pkt_line(f"# service=git-{service}\n".encode()) + b"0000" + refs


async def upload_pack(repository: Repository, request: bytes, git_protocol: str) -> AsyncIterator[bytes]:
    """Answer to one POST of a fetch."""
    argv = ["upload-pack", "--stateless-rpc", str(repository.path)]
    child = await process.start(argv, extra=protocol(git_protocol), config=SERVE_CONFIG)
    async for piece in _output(child, request, seconds=LONGEST_FETCH):
        yield piece


async def archive(repository: Repository, commit: str) -> AsyncIterator[bytes]:
    """The tree of a commit as a tar, every file as it is. Raises git.GitFailed when it is cut short."""
    if not is_object_id(commit):
        raise ValueError("not an object id")
    child = await process.start(
        [f"--git-dir={repository.path}", "archive", "--format=tar", commit], config=SERVE_CONFIG
    )
    sent = 0
    async for piece in _output(child, b"", seconds=LONGEST_ARCHIVE):
        sent += len(piece)
        if sent > LARGEST_ARCHIVE:
            raise process.GitFailed(["archive"], None, f"the source is larger than {LARGEST_ARCHIVE} bytes")
        yield piece
    if child.returncode != 0:
        raise process.GitFailed(["archive"], child.returncode, "")


async def _output(
    child: asyncio.subprocess.Process, request: bytes, *, seconds: float
) -> AsyncIterator[bytes]:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    errors = asyncio.create_task(process.tail(child.stderr))
    feeding = asyncio.create_task(_feed(child.stdin, request))
    until = asyncio.get_running_loop().time() + seconds
    try:
        while True:
            async with asyncio.timeout_at(until):
                data = await child.stdout.read(2**17)
            if not data:
                break
            yield data
        await child.wait()
    finally:
        try:
            await process.stop(child)
        finally:
            await cancelled(feeding)
        await errors


async def _feed(stdin: asyncio.StreamWriter, request: bytes) -> None:
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(request)
            await stdin.drain()
    finally:
        stdin.close()
