"""Plain http is answered before anything is read of the request.

The ingress controller does so by itself where it knows how (`deploy/`); this holds with every other one, as
long as it says by X-Forwarded-Proto how the client came. What does not come through an ingress controller,
such as a probe of the kubelet, says nothing and passes.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from paas.web.body import Receive, Send

_SAFE: Final = frozenset({"GET", "HEAD"})


class HttpsOnly:
    """ASGI application: passes https on to `app`. Plain http is redirected to `address` (the platform's own
    https URL) when the method is one that may be repeated and the host is that of the address, else
    refused."""

    def __init__(self, app: Any, *, address: str) -> None:
        self._app, self._address = app, address.rstrip("/")
        self._host = self._address.partition("://")[2].partition(":")[0].encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = scope["headers"] if scope["type"] == "http" else ()
        if not any(name == b"x-forwarded-proto" and not _is_https(value) for name, value in headers):
            await self._app(scope, receive, send)
            return
        host = next((value.partition(b":")[0] for name, value in headers if name == b"host"), b"")
        text = (
            "Plain http is not answered: everybody on the way can read a token. "
            f"Use {self._address or 'https'}, and replace a token that was sent without it"
        )
        about = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        status = 403
        if scope["method"] in _SAFE and host == self._host:
            status = 302
            query = b"?" + scope["query_string"] if scope.get("query_string") else b""
            path: bytes = scope.get("raw_path") or scope["path"].encode()
            about.append((b"location", self._address.encode() + path + query))
        body = f"{text}\n".encode()
        about.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": about})
        await send({"type": "http.response.body", "body": body})


def _is_https(value: bytes) -> bool:
    """Whether every proxy on the way saw https."""
    return all(part.strip().lower() == b"https" for part in value.split(b","))
