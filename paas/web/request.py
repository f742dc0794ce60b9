"""One HTTP request of a plain ASGI endpoint: what is read of it, and the ways to answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

from paas.web import basic
from paas.web.body import Body, Receive, Send, TooLarge
from paas.web.body_budget import Share
from paas.web.refused import Headers, Refused

Scope = MutableMapping[str, Any]
TEXT: Final = "text/plain; charset=utf-8"
MOST_FIELDS: Final = 64
"""Fields of a query or a form."""


def fields(text: str) -> dict[str, list[str]]:
    """The fields of a query or of a form. Raises Refused for too many."""
    try:
        return parse_qs(text, max_num_fields=MOST_FIELDS)
    except ValueError as problem:
        raise Refused(400, f"more than {MOST_FIELDS} fields are not taken") from problem


class Request:
    """Reads a request and answers it once. Header names are in lower case."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[str, str] = {
            name.decode("latin-1"): value.decode("latin-1").strip() for name, value in scope["headers"]
        }

    # -- reading ---------------------------------------------------------------------------------------

    def header(self, name: str) -> str:
        """Value of a header, '' when there is none."""
        return self.headers.get(name, "")

    def query(self, name: str) -> str:
        """First value of a query parameter, '' when there is none."""
        return self.fields().get(name, [""])[0]

    def fields(self) -> dict[str, list[str]]:
        """Query parameters. Raises Refused."""
        query: bytes = self._scope.get("query_string", b"")
        return fields(query.decode("latin-1"))

    def require(self, *methods: str) -> None:
        """Refuse any other method."""
        if self.method not in methods:
            allow = [(b"allow", ", ".join(methods).encode())]
            raise Refused(405, f"Only {methods[0]} is answered here", allow)

    def login(self) -> tuple[str, str]:
        """User and password of Basic authentication, two empty texts when there are none."""
        return basic.user_and_password(basic.decoded(self.header("authorization")))

    def token(self) -> str:
        """A bearer token, also as the password of Basic authentication, which is how git sends it."""
        return basic.token(self.header("authorization"))

    def client(self) -> str:
        """Who sends: the ingress controller appends whom it saw to X-Forwarded-For."""
        if forwarded := self.header("x-forwarded-for"):
            return forwarded.rpartition(",")[2].strip()[:64]
        return str((self._scope.get("client") or ("unknown",))[0])

    def body(
        self, *, limit: int, idle: float, total: float, slowest: int = 0, share: Share | None = None
    ) -> Body:
        """The body, still to be read, as `Body` takes it. Raises Refused for one that says that it is too
        large."""
        length = self.header("content-length")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(limit)
        encoding = self.header("content-encoding").lower()
        return Body(
            self._receive,
            encoding=encoding,
            limit=limit,
            idle=idle,
            total=total,
            slowest=slowest,
            share=share,
        )

    # -- answering -------------------------------------------------------------------------------------

    async def text(self, status: int, message: str, headers: Headers | None = None) -> None:
        """Answer with one text, the only form that git shows."""
        await self.reply(status, TEXT, f"{message}\n".encode(), headers)

    async def json(self, status: int, content: Any, headers: Headers | None = None) -> None:
        """Answer with a JSON document."""
        await self.reply(status, "application/json", json.dumps(content).encode() + b"\n", headers)

    async def reply(
        self, status: int, content_type: str, body: bytes, headers: Headers | None = None
    ) -> None:
        """Answer with a body that is there as a whole."""
        about = [(b"content-length", str(len(body)).encode()), (b"content-type", content_type.encode())]
        start = {"type": "http.response.start", "status": status, "headers": [*about, *(headers or [])]}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    async def stream(
        self, content_type: str, pieces: AsyncIterator[bytes], headers: Headers | None = None
    ) -> None:
        """Answer 200 with `pieces`, until they end or the client leaves. A stream that breaks after it
        began is cut off, so that the client sees that it is not whole."""
        about = [(b"content-type", content_type.encode()), *(headers or [])]
        leaving = asyncio.ensure_future(self._gone())
        sending = asyncio.ensure_future(self._send_all(about, pieces))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await sending

    async def _send_all(self, headers: Headers, pieces: AsyncIterator[bytes]) -> None:
        started = False
        async for piece in pieces:
            if not started:
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
                started = True
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if not started:
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b""})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
