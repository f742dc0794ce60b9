"""Bounds around an application that has none of its own, such as FastAPI's: it gets a body that has arrived
as a whole, within a size, a time and a memory that all such bodies share.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from paas.web.body import Disconnected, Receive, Send
from paas.web.body_budget import BodyBudget
from paas.web.refused import Refused
from paas.web.request import Request

LARGEST_BODY: Final = 2**20
MEMORY: Final = 16 * 2**20


class Bounded:
    """ASGI application: `app`, bounded. Everything but http passes as it is."""

    def __init__(self, app: Any, *, limit: int = LARGEST_BODY, idle: float = 10, total: float = 30) -> None:
        self._app, self._limit, self._idle, self._total = app, limit, idle, total
        self._budget = BodyBudget(MEMORY)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            with self._budget.share() as share:
                body = request.body(limit=self._limit, idle=self._idle, total=self._total, share=share)
                await self._app(scope, _first(await body.read(), receive), send)
        except Refused as refusal:
            await request.text(refusal.status, refusal.message, refusal.headers)
        except Disconnected:
            return


def _first(body: bytes, receive: Receive) -> Receive:
    """Receives this body, and then what comes."""
    bodies = [body]

    async def receiving() -> MutableMapping[str, Any]:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return await receive()

    return receiving
