"""An ASGI application asked in the test's own process, so that what it reads and waits for can be watched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    """What was answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Arriving:
    """A body that arrives in pieces; after the last one that is there, the client waits for ever."""

    pieces: asyncio.Queue[tuple[bytes, bool]] = field(default_factory=asyncio.Queue)

    def send(self, piece: bytes, *, last: bool = False) -> None:
        self.pieces.put_nowait((piece, not last))

    async def receive(self) -> MutableMapping[str, Any]:
        piece, more = await self.pieces.get()
        return {"type": "http.request", "body": piece, "more_body": more}


async def settled() -> None:
    """Until all that can go on without the world outside has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def ask(
    app: Callable[..., Awaitable[None]],
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | Arriving = b"",
) -> Answer:
    """One request."""
    answer = Answer()
    if isinstance(body, bytes):
        whole, body = body, Arriving()
        body.send(whole, last=True)

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    given = headers.items() if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given],
        "client": ("192.0.2.1", 1),
    }
    await app(scope, body.receive, send)
    return answer
