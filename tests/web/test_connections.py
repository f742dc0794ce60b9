"""Clients that send when they should read, and that do not read when they should."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import time
from collections.abc import AsyncIterator

import pytest

from paas.web import linger
from paas.web import serving as shell
from paas.web.body import Receive, Send
from paas.web.refused import Refused
from paas.web.request import Request, Scope

LIMIT = 2**16


async def small_bodies(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 413 to what is larger than 64 KiB, as every endpoint does."""
    request = Request(scope, receive, send)
    try:
        body = await request.body(limit=LIMIT, idle=10, total=10).read()
        await request.text(200, str(len(body)))
    except Refused as refusal:
        await request.text(refusal.status, refusal.message, refusal.headers)


class Endless:
    """Answers without end, and notes whether anybody still waits for the rest."""

    def __init__(self) -> None:
        self.sent, self.ended = 0, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive, send).stream("text/plain", self._pieces())
        finally:
            self.ended.set()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            self.sent += 2**16
            yield bytes(2**16)


@contextlib.asynccontextmanager
async def served(app: object) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = shell.serving(app, on_stop=lambda: None, host="", port=0, fd=listener.fileno(), lifespan="off")
    # signals are the test runner's
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.force_exit = True
        server.stop()
        await serving
        listener.close()


def sent(port: int, size: int, **headers: str) -> tuple[int, str]:
    """A client that sends all of its body before it reads, and the answer it gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", body=bytes(size), headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


async def keep_sending(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Until the connection is cut."""
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("size", [LIMIT + 1, 2**20, 16 * 2**20])
async def test_an_answer_is_read_by_a_client_that_still_sends(size: int) -> None:
    """W4: closing at once would reset the connection, and the client would read 'broken pipe'."""
    async with served(small_bodies) as port:
        for _ in range(5):
            status, text = await asyncio.to_thread(sent, port, size)
            assert (status, text) == (413, f"the request is larger than {LIMIT} bytes\n")
        # and one that is small enough is answered as ever
        assert await asyncio.to_thread(sent, port, LIMIT) == (200, f"{LIMIT}\n")


async def early_or_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one path before it reads the body, and the other for a second."""
    request = Request(scope, receive, send)
    if scope["path"] == "/early":
        await request.text(401, "who is this?")
    elif scope["path"] == "/body":
        await asyncio.sleep(1)
        await request.text(200, str(len(await request.body(limit=LIMIT, idle=10, total=10).read())))
    else:
        await request.stream("text/plain", ticks())


async def ticks() -> AsyncIterator[bytes]:
    for _ in range(10):
        await asyncio.sleep(0.1)
        yield b"tick\n"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("following", "expected"),
    [
        (b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n", b"tick\n"),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12345", b"9\n"),
    ],
)
async def test_the_next_request_on_a_connection_is_not_cut_for_the_one_before(
    monkeypatch: pytest.MonkeyPatch, following: bytes, expected: bytes, at_once: bool
) -> None:
    """A proxy keeps a connection on which a request was refused early, and sends somebody else's on it."""
    monkeypatch.setattr(shell, "LINGER_SECONDS", 0.3)
    async with served(early_or_late) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        assert await reader.readexactly(len("who is this?\n"))
        rest = bytes(100_000)
        if not at_once:
            writer.write(rest)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write((rest if at_once else b"") + following)
        await writer.drain()
        await asyncio.sleep(0.6)
        if following.startswith(b"POST"):
            writer.write(b"6789")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        for _ in range(10 if expected == b"tick\n" else 1):
            assert await asyncio.wait_for(reader.readuntil(expected), 10)
        writer.close()


async def test_a_body_that_was_answered_and_stops_ends_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "LINGER_SECONDS", 0.2)
    monkeypatch.setattr(linger, "LINGER_SECONDS", 0.2)
    async with served(early_or_late) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"who is this?\n")
        writer.close()


async def test_a_rest_without_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "LARGEST_REST", 2**20)
    monkeypatch.setattr(linger, "LINGER_SECONDS", 30.0)
    async with served(small_bodies) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(keep_sending(writer, bytes(2**16)), 20)


async def test_a_client_that_says_no_more_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stops in the middle of a body that was answered."""
    monkeypatch.setattr(linger, "LINGER_SECONDS", 0.2)
    async with served(small_bodies) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 413 ")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(keep_sending(writer, b"x"), 20)


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """R27: what was sent for it has a bound, and so has the time that it holds whatever it holds."""
    monkeypatch.setattr(shell, "STALLED_SECONDS", 0.5)
    app = Endless()
    async with served(app) as port:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
        with client:
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(app.ended.wait(), 20)
        assert app.sent < 2 * 2**20


async def test_a_client_that_reads_slowly_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "STALLED_SECONDS", 2.0)
    app = Endless()
    async with served(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**14)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(40):
            await asyncio.wait_for(reader.readexactly(2**18), 10)
            await asyncio.sleep(0.1)
        assert not app.ended.is_set()
        writer.close()
        await asyncio.wait_for(app.ended.wait(), 20)


async def test_an_answer_waits_for_nothing() -> None:
    """Head and body are two writes: the second must not wait until the first is acknowledged, 40 ms later."""

    def ask(port: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        times = []
        for _ in range(50):
            began = time.monotonic()
            connection.request("POST", "/", body=b"x")
            connection.getresponse().read()
            times.append(time.monotonic() - began)
        return min(times)  # the machine may be busy, but not each time

    async with served(small_bodies) as port:
        assert await asyncio.to_thread(ask, port) < 0.03
