"""Watching, and single requests, while the API server comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from paas.api.resources import POD, Manifest
from paas.kube.cluster import Cluster
from paas.kube.connection import Connection
from paas.kube.errors import ApiError, ClusterUnreachable, Expired, Forbidden
from paas.kube.observe import observe


class Watched:
    """An API server with one pod whose watches end as given, one after the other."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)

    async def list_page(self, *_: Any) -> Manifest:
        if not self.ends:
            raise Forbidden(403, "Forbidden", "the test has no more answers")
        return {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "shop-1"}}]}

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[tuple[str, Manifest]]:
        if (end := self.ends.pop(0)) is not None:
            raise end
        return
        yield


@pytest.mark.parametrize(
    "end",
    [
        None,
        Expired(410, "Expired", "too old resource version"),
        ApiError(429, "TooManyRequests", "later"),
        ApiError(500, "InternalError", "etcd"),
        ClusterUnreachable("connection refused"),
    ],
)
async def test_however_a_watch_ends_the_next_one_waits_longer(
    end: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def at_once(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    seen: list[str] = []
    with contextlib.suppress(Forbidden):
        async for found in observe(cast(Cluster, Watched(*[end] * 7)), POD, "demo"):
            seen += found
    assert seen == ["shop-1"] * 7
    assert slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "cut", [aiohttp.ClientPayloadError("not complete"), TimeoutError(), ConnectionResetError(104, "reset")]
)
async def test_an_answer_that_is_cut_off_is_no_answer(status: int, cut: Exception) -> None:
    """Also the body of a refusal: else the reader gets an exception that nobody expects."""

    async def read() -> bytes:
        raise cut

    with pytest.raises(ClusterUnreachable, match="https://cluster stopped answering"):
        await connection(SimpleNamespace(status=status, headers={}, read=read)).request("GET", "/api")


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/html; charset=utf-8", b"<html>log in", "is no API server: it answered with a web page"),
        ("application/json", b'{"items": [', "answered with no JSON"),
    ],
)
async def test_what_is_no_api_server_is_said_to_be_none(kind: str, body: bytes, said: str) -> None:
    async def read() -> bytes:
        return body

    response = SimpleNamespace(status=200, headers={"Content-Type": kind}, read=read)
    with pytest.raises(ClusterUnreachable, match=said):
        await connection(response).request("GET", "/api")


def connection(response: SimpleNamespace) -> Connection:
    """One whose every request is answered like this."""
    response.release = lambda: None

    async def param_serialize(*given: Any, **_: Any) -> tuple[str, str, dict[str, str], None, None]:
        return given[0], given[1], {}, None, None

    async def call_api(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(response=response)

    client = SimpleNamespace(
        configuration=SimpleNamespace(host="https://cluster"),
        param_serialize=param_serialize,
        call_api=call_api,
    )
    return Connection(client, namespace="demo")


@pytest.mark.parametrize("line", [b'{"type": "ADDED", "obj', b"<html>log in\n"])
async def test_a_watch_that_cannot_be_read_is_broken(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield line

    async def opened(*_: Any) -> Any:
        return SimpleNamespace(content=content(), close=lambda: None)

    cluster = Cluster(SimpleNamespace(), namespace="demo")
    monkeypatch.setattr(cluster, "open", opened)
    with pytest.raises(ClusterUnreachable, match=r"the watch on .* broke"):
        await anext(cluster.watch(POD, "demo"))
