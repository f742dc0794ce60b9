"""The registry's own program at work on the storage: it deletes manifests, and layers that none names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from paas.kube.lease import Lease
from paas.registry.collection import CannotCollect
from paas.registry.needed import Stored
from paas.registry.storage import Storage

STARTS_WITHIN: Final = 20.0
"""Seconds that the program may take to answer."""


@dataclass(frozen=True)
class Registry:
    """The registry's program, and the storage that it works on."""

    program: Path
    storage: Storage


def _configuration(registry: Registry, port: int) -> str:
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(registry.storage.folder)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}"},
        }
    )


@contextlib.asynccontextmanager
async def _program(
    registry: Registry, word: str, *, port: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program with this command; it is killed when the block ends before it does."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(_configuration(registry, port))
        file.flush()
        process = await asyncio.create_subprocess_exec(
            registry.program,
            word,
            file.name,
            env={"OTEL_TRACES_EXPORTER": "none"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def remove(registry: Registry, going: Sequence[Stored], lease: Lease) -> None:
    """Delete manifests by a registry of our own on loopback, which works on the same storage."""
    if not going:
        return
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    address = f"http://127.0.0.1:{port}/v2/"
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        _program(registry, "serve", port=port) as process,
        aiohttp.ClientSession(timeout=timeout) as http,
    ):
        output = asyncio.ensure_future(_end_of_output(process))
        try:
            await _answering(http, address, process, output)
            for image in going:
                lease.check()
                async with http.delete(f"{address}{image.repository}/manifests/{image.digest}") as answer:
                    if answer.status not in (202, 404):
                        text = (await answer.text())[:300]
                        raise CannotCollect(f"{image.repository}@{image.digest} was not removed: {text}")
                if image.broken:
                    await asyncio.to_thread(registry.storage.forget, image)
        finally:
            output.cancel()


async def _answering(
    http: aiohttp.ClientSession,
    address: str,
    process: asyncio.subprocess.Process,
    output: asyncio.Future[str],
) -> None:
    deadline = asyncio.get_running_loop().time() + STARTS_WITHIN
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(address) as answer:
                if answer.status == 200:
                    return
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            said = await output if process.returncode is not None else ""
            raise CannotCollect(f"the registry's program does not start: {said}")
        await asyncio.sleep(0.05)


async def sweep(registry: Registry, lease: Lease) -> None:
    """Remove the layers that no manifest names any more."""
    lease.check()
    async with _program(registry, "garbage-collect") as process:
        said = await _end_of_output(process)
        if await process.wait() != 0:
            raise CannotCollect(f"the registry's garbage collection failed: {said}")


async def _end_of_output(process: asyncio.subprocess.Process) -> str:
    """The last lines of what the program prints, read to the end: a full pipe would stop it."""
    assert process.stdout is not None, "the program is started with a pipe"
    end = b""
    while piece := await process.stdout.read(65536):
        end = (end + piece)[-2000:]
    return end.decode(errors="replace").strip()
