"""Where a command finds the platform, and what it does when nothing good is there."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.terminal import platform_client
from paas.terminal.platform_client import Address, address, post
from paas.terminal.problem import Problem
from paas.terminal.session import Platform, Session


@pytest.mark.parametrize(
    ("url", "inside", "found"),
    [
        (
            "https://paas.apps.localhost:8443",
            False,
            Address("https://127.0.0.1:8443", "paas.apps.localhost:8443", "paas.apps.localhost"),
        ),
        ("https://localhost", False, Address("https://127.0.0.1:443", "localhost", "localhost")),
        (
            "https://paas.apps.localhost:8443",
            True,
            Address("https://paas.paas.internal", "paas.paas.internal", "paas.paas.internal"),
        ),
        (
            "https://paas.example.com:444",
            True,
            Address("https://paas.example.com:444", "paas.example.com:444", "paas.example.com"),
        ),
        (
            "https://notlocalhost",
            False,
            Address("https://notlocalhost", "notlocalhost", "notlocalhost"),
        ),
    ],
)
def test_where_the_platform_is(url: str, inside: bool, found: Address) -> None:
    assert address(url, inside=inside) == found


@pytest.fixture
def plain_port() -> Iterator[int]:
    """Something that is not the platform: it speaks http."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def session(tmp_path: Path, port: int) -> Session:
    config = tmp_path / "config"
    config.write_text("""
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me, namespace: demo}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: abc}}]
""")
    made = Session(kubeconfig=config)
    made._platform = Platform(f"https://paas.apps.localhost:{port}", "", "apps.localhost", port, 80)
    return made


async def test_no_token_goes_to_something_else(tmp_path: Path, plain_port: int) -> None:
    with pytest.raises(Problem, match="is not the platform, or its certificate has changed"):
        await post(session(tmp_path, plain_port), "/x", {}, project="demo")


async def test_nothing_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_client, "REPEATED_SECONDS", 0.0)
    monkeypatch.setattr(platform_client, "PAUSE_SECONDS", 0.0)
    with pytest.raises(Problem, match=r"the platform at https://paas.apps.localhost:1 does not answer"):
        await post(session(tmp_path, 1), "/x", {}, project="demo")
