"""Several ASGI applications as one, and around them the access log and the last resort.

Whatever is logged of a request is its method, path and status: never a query or a header.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from paas.web.body import Receive, Send
from paas.web.request import Request

access = logging.getLogger(f"{__name__}.access")
log = logging.getLogger("paas.web")

Scope = MutableMapping[str, Any]


class ByPath:
    """Dispatches by the beginning of the path; everything else, and the lifespan, goes to `rest`."""

    def __init__(self, fronts: Mapping[str, Any], rest: Any) -> None:
        self._fronts, self._rest = fronts, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for beginning, front in self._fronts.items():
                if scope["path"].startswith(beginning):
                    await front(scope, receive, send)
                    return
        await self._rest(scope, receive, send)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The `rest` of an application that has none."""
    if scope["type"] == "http":
        await Request(scope, receive, send).text(404, "There is nothing here")


class Logged:
    """The access log, and the last resort when something raises: a 500 that tells nothing of the inside."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.monotonic()

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            # the last resort, which says it in the log and nothing of the inside to the client
            log.exception("%s %s", scope["method"], _shown(scope["path"]))
            if status:
                raise  # the connection is cut, so that the client sees that the answer is not whole
            body = b"The server failed; what happened is in its log\n"
            about = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ]
            await noting({"type": "http.response.start", "status": 500, "headers": about})
            await send({"type": "http.response.body", "body": body})
        finally:
            spent = round((time.monotonic() - began) * 1000)
            access.info("%s %s %d %d ms", scope["method"], _shown(scope["path"]), status, spent)


def _shown(path: str) -> str:
    """A path as it may stand in a log: of a strangers' text, no line of its own."""
    return "".join(character if character.isprintable() else "?" for character in path[:200])
