"""What the kubelet and Prometheus ask a process: on a port of its own, which no Service and no Ingress has.

/healthz    the process answers, and no task has ended that should run as long as it does
/readyz     and so does what it cannot work without
/metrics    numbers, for Prometheus
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from paas.web.body import Receive, Send
from paas.web.request import Request

PORT: Final = 8080


class Health:
    """ASGI application. `ended` names a task that ended and should not have, `ready` says whether to send
    requests here; `metrics` is Prometheus' text."""

    def __init__(
        self,
        *,
        ended: Callable[[], str],
        ready: Callable[[], Awaitable[bool]],
        metrics: Callable[[], bytes],
    ) -> None:
        self._ended, self._ready, self._metrics = ended, ready, metrics
        self._serving: Callable[[], bool] = lambda: True

    def only_when(self, serving: Callable[[], bool]) -> None:
        """Ready only when `serving` says that requests are taken: this port answers earlier than that one."""
        self._serving = serving

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive, send)
        match request.path:
            case "/healthz" if name := self._ended():
                await request.text(503, f"task {name!r} ended")
            case "/healthz":
                await request.text(200, "ok")
            case "/readyz" if not self._serving():
                await request.text(503, "it is starting")
            case "/readyz" if await self._ready():
                await request.text(200, "ok")
            case "/readyz":
                await request.text(503, "the API server does not answer")
            case "/metrics":
                await request.reply(200, "text/plain; version=0.0.4", self._metrics())
            case _:
                await request.text(404, "there are /healthz, /readyz and /metrics here")
