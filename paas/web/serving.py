"""uvicorn, with what it lacks for a server on the open net: time-outs for request heads and for clients that
do not read, and word of a SIGTERM before it waits for connections, so that answers that last as long as a
build end early.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Generator
from types import FrameType
from typing import Any, Final, Literal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from paas.web.health import Health
from paas.web.linger import LINGER_SECONDS, Lingering

log = logging.getLogger("paas.web")

HEAD_SECONDS: Final = 20.0
"""From the connection (or the last answer on it) until the next request's head is complete, once its first
byte is there."""
STALLED_SECONDS: Final = 120.0
"""How long a client may leave all buffers full before its connection is cut: with `SEND_BUFFER` that is one
that reads less than about 2 KiB/s, or nothing."""
SEND_BUFFER: Final = 2**18
"""Bytes that the kernel may hold for a connection: by itself it takes several MiB for one that does not read,
and they count for the pod."""
MOST_PROBES: Final = 64
"""Connections to the port of health and metrics."""
LARGEST_HEAD: Final = 48 * 2**10
"""Bytes of a request's line and headers; the largest token is 16 KiB, and a third more in base64."""
DRAIN_SECONDS: Final = 18
"""How long connections may take to end after SIGTERM; below the pod's grace period of 30."""


class Protocol(H11Protocol):
    """Closes connections whose request head does not arrive in time, and cuts those that do not read."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _rest: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        # asyncio does it only for a listener that it knows to be TCP, not for one that was handed over
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lingering = Lingering(transport, still_sending=lambda: self.conn.their_state is h11.SEND_BODY)
        self.transport = self._lingering  # type: ignore[assignment]
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear()
        self._moves_again()
        self._rest_is_there()
        self._lingering.closed()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering.lingers:
            self._lingering.drop(data)
        else:
            super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._does_not_read)

    def resume_writing(self) -> None:
        self._moves_again()
        super().resume_writing()

    def _moves_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _does_not_read(self) -> None:
        log.info("a client does not read, or hardly; its connection is cut")
        self.transport.abort()

    def handle_events(self) -> None:
        super().handle_events()
        if not self._is_answered_early():
            self._rest_is_there()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._deadline = self._deadline or self.loop.call_later(HEAD_SECONDS, self._too_slow)
        elif self.conn.their_state is not h11.IDLE:
            self._clear()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answered_early() and not self.transport.is_closing():
            self._rest = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _is_answered_early(self) -> bool:
        """Whether the body is still arriving of a request that has its answer."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def _rest_is_there(self) -> None:
        # a proxy sends the next request, of anybody, on the same connection
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _clear(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class ProbeProtocol(Protocol):
    """For a port that the kubelet asks: of too many connections the oldest silent one gives way, and not the
    newest, so that silent ones cannot keep a probe out."""

    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > MOST_PROBES:
            silent = [
                each
                for each in self.connections
                if isinstance(each, ProbeProtocol) and each is not self and each.cycle is None
            ]
            if silent:
                min(silent, key=lambda each: each._since).transport.close()


class Uvicorn(uvicorn.Server):
    """Calls `on_stop` as soon as it is told to stop."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def stop(self) -> None:
        """End as after a SIGTERM."""
        self._on_stop()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_stop()
        super().handle_exit(sig, frame)
        # uvicorn would send the signal to its process once more when all is done, which then ends by the
        # signal and not with the exit code of an orderly end
        self._captured_signals.clear()


def serving(
    app: Any,
    *,
    on_stop: Callable[[], None],
    host: str,
    port: int,
    fd: int | None = None,
    lifespan: Literal["on", "off"] = "on",
) -> Uvicorn:
    """A server for `app`; `await it.serve()`."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        fd=fd,
        http=Protocol,
        ws="none",
        lifespan=lifespan,
        access_log=False,  # ours does not show queries
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=1024,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    return Uvicorn(config, on_stop=on_stop)


class Beside(uvicorn.Server):
    """A server that leaves signals to another one in the same process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def beside(
    health: Health, *, of: uvicorn.Server | None = None, host: str, port: int
) -> AsyncIterator[int]:
    """Serve `health` as well, until the block ends; the port, for one that was chosen by `port` 0. It says
    ready only when the server that it speaks `of` takes requests.

    Raises OSError when it cannot listen there.
    """
    if of is not None:
        health.only_when(lambda: of.started)
    listener = socket.create_server((host, port))
    config = uvicorn.Config(
        health,
        http=ProbeProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = Beside(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()
