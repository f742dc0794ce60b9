"""Steady load on one address, of which every request that does not come back well is counted.

At least 200 requests a second, half of them on new connections, no retries. It runs in a process of its own,
so that the test's own work does not slow it down.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

RATE = 280.0
"""Requests a second, over all workers."""
WORKERS = 16


@dataclass
class Totals:
    """What the load saw: seconds, requests, failures by kind, and which texts were answered."""

    seconds: float = 0
    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


@contextmanager
def load(host: str, port: int, authority: str, path: str = "/") -> Iterator[Totals]:
    """Load `https://host:port/path` at 127.0.0.1 while the block runs; totals come at its end."""
    totals = Totals()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_main, args=(theirs, host, port, authority, path)
    )
    process.start()
    assert ours.recv() == "running"
    try:
        yield totals
    finally:
        ours.send("stop")
        found: dict[str, Any] = json.loads(ours.recv())
        process.join(30)
        for key, value in found.items():
            setattr(totals, key, value)
        print(f"load on {host}: {json.dumps(found, sort_keys=True)}")


def _main(pipe: Connection, host: str, port: int, authority: str, path: str) -> None:
    asyncio.run(_load(pipe, host, port, authority, path))


async def _load(pipe: Connection, host: str, port: int, authority: str, path: str) -> None:
    context = ssl.create_default_context(cadata=authority)
    failures: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    stop = asyncio.Event()
    count = 0

    async def worker(keep: bool) -> None:
        nonlocal count
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        due = time.monotonic()
        while not stop.is_set():
            due += WORKERS / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            count += 1
            try:
                async with asyncio.timeout(10):
                    if streams is None:
                        streams = await asyncio.open_connection(
                            "127.0.0.1", port, ssl=context, server_hostname=host
                        )
                    status, text, closing = await _request(*streams, host, port, path, keep)
                if status // 100 == 2:
                    texts[text.strip()] += 1
                else:
                    failures[f"status {status}"] += 1
                ended = closing or not keep
            except Exception as problem:  # every kind of failure counts, under its own name
                failures[type(problem).__name__] += 1
                ended = True
            if ended and streams is not None:
                streams[1].close()
                streams = None

    workers = [asyncio.create_task(worker(number % 2 == 0)) for number in range(WORKERS)]
    started = time.monotonic()
    pipe.send("running")
    await asyncio.to_thread(pipe.recv)
    stop.set()
    await asyncio.gather(*workers)
    seconds = time.monotonic() - started
    pipe.send(json.dumps({"seconds": seconds, "requests": count, "failures": failures, "texts": texts}))


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, path: str, keep: bool
) -> tuple[int, str, bool]:
    kind = "keep-alive" if keep else "close"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: {kind}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split()[1]), body.decode(errors="replace"), headers.get("connection") == "close"
