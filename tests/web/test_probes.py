"""The port that the kubelet asks answers it, whatever else is connected there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from paas.web.health import Health
from paas.web.serving import MOST_PROBES, beside


async def ready() -> bool:
    return True


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.partition(b"\r\n")[0]


async def test_silent_connections_do_not_keep_a_probe_out() -> None:
    health: Any = Health(ended=lambda: "", ready=ready, metrics=lambda: b"")
    async with beside(health, host="127.0.0.1", port=0) as port, contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(3 * MOST_PROBES):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            readers.append(reader)
        assert await asked(port) == b"HTTP/1.1 200 OK"
        # the oldest gave way, so that their number has a bound
        assert await asyncio.wait_for(readers[0].read(), 10) == b""
