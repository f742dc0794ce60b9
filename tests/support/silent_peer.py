"""A way to an API server whose other side can fall silent: connections stay open, and nothing comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from paas.reconcile.tasks import cancelled


@dataclass
class SilentPeer:
    """Passes bytes on, both ways, until it is told to be silent."""

    port: int = 0
    _open: list[asyncio.Event] = field(default_factory=list)
    _dumb: bool = False

    def fall_silent(self, *, new_ones: bool) -> None:
        """All connections that are there, and with `new_ones` those to come, too."""
        self._dumb = new_ones
        for flowing in self._open:
            flowing.clear()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        flowing = asyncio.Event()
        self._open.append(flowing)
        if not self._dumb:
            flowing.set()
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(host, port)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass_on(reader, back, flowing))
                both.create_task(_pass_on(there, writer, flowing))


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            await flowing.wait()
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def silent_peer(url: str) -> AsyncIterator[SilentPeer]:
    """In front of the server at `url`, on a free port of loopback."""
    to = urlsplit(url)
    peer = SilentPeer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer._serve(reader, writer, str(to.hostname), int(to.port or 443))

    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a task of our own: asyncio complains about those of its own that are cancelled
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await cancelled(*tasks)
