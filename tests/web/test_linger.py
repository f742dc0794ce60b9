"""An answer whose client does not read its end holds no connection for ever."""

from __future__ import annotations

import asyncio
import socket

import pytest

from paas.web import linger
from paas.web.linger import Lingering


class Lost(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def test_a_closed_connection_whose_rest_nobody_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "FLUSH_SECONDS", 0.2)
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**12)
        transport, protocol = await asyncio.get_running_loop().create_connection(Lost, sock=ours)
        lingering = Lingering(transport, still_sending=lambda: False)
        transport.write(bytes(2**20))
        lingering.close()
        assert transport.get_write_buffer_size(), "the client has not read it"
        await asyncio.wait_for(protocol.lost.wait(), 20)
