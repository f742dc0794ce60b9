"""What came by plain http is answered without a look at it."""

from __future__ import annotations

from typing import Any

import pytest

from paas.web.https_only import HttpsOnly

ADDRESS = "https://paas.apps.example.com:8443"


async def ask(method: str = "GET", path: str = "/git/demo/shop.git/info/refs", **headers: str) -> Any:
    """Status, headers and body of one request; 200 is the application's own answer."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        raise AssertionError("the body of a request by plain http is read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"service=git-receive-pack",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    await HttpsOnly(app, address=ADDRESS)(scope, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"].decode()


@pytest.mark.parametrize(
    "headers", [{}, {"x_forwarded_proto": "https"}, {"x_forwarded_proto": "HTTPS, https"}]
)
async def test_https_and_requests_from_within_pass(headers: dict[str, str]) -> None:
    assert (await ask(**headers))[0] == 200


async def test_a_read_is_sent_to_the_external_https_address() -> None:
    for host in ("paas.apps.example.com", "paas.apps.example.com:8080"):
        status, headers, _ = await ask(x_forwarded_proto="http", host=host)
        assert status == 302
        assert headers[b"location"].decode() == (
            f"{ADDRESS}/git/demo/shop.git/info/refs?service=git-receive-pack"
        )


@pytest.mark.parametrize(
    ("method", "host"),
    [("POST", "paas.apps.example.com"), ("GET", "paas.paas.internal"), ("GET", "evil.example")],
)
async def test_everything_else_is_refused_and_says_what_to_do(method: str, host: str) -> None:
    status, headers, body = await ask(method, x_forwarded_proto="http", host=host)
    assert status == 403
    assert b"location" not in headers
    assert f"Use {ADDRESS}" in body


@pytest.mark.parametrize("said", ["http", "HTTP", "ws", "", "https, http", "http,https"])
async def test_anything_but_https_on_the_whole_way_is_plain(said: str) -> None:
    assert (await ask("POST", x_forwarded_proto=said))[0] == 403
