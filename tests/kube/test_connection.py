"""Writes that must not be sent any more, against a server that notes what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paas.api.resources import NAMESPACE, Key
from paas.kube.cluster import Cluster

MANIFEST = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


class NotOurs(Exception):
    """The right to write is lost."""


@dataclass
class Server:
    """Answers everything with the same object."""

    kubeconfig: Path
    seen: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                self.seen.append(head.partition(" ")[0].upper())
                length = next(
                    (line for line in head.splitlines() if line.startswith("content-length:")), ":0"
                )
                await reader.readexactly(int(length.partition(":")[2]))
                body = json.dumps(MANIFEST).encode()
                about = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
                writer.write(f"HTTP/1.1 200 OK\r\n{about}\r\n\r\n".encode() + body)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    server = Server(folder / "kubeconfig")
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    named = {"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    users = [{"name": "it", "user": {}}]
    document = {"clusters": [named], "contexts": [context], "users": users, "current-context": "it"}
    server.kubeconfig.write_text(json.dumps(document))
    try:
        yield server
    finally:
        listening.close()


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("asked", [1, 2])
async def test_what_may_not_be_written_any_more_is_not_sent(
    tmp_path: Path, connected: bool, asked: int
) -> None:
    """Also when that comes out only after the request got its connection, a new one or one of before."""
    async with serving(tmp_path) as server, await Cluster.connect(server.kubeconfig) as cluster:
        if connected:
            await cluster.get(NAMESPACE, Key("", "shop"))
        before = list(server.seen)
        times = 0

        def check() -> None:
            nonlocal times
            times += 1
            if times == asked:
                raise NotOurs

        cluster.before_write = check
        with pytest.raises(NotOurs):
            await cluster.create(MANIFEST, manager="test")
        await cluster.get(NAMESPACE, Key("", "shop"))
        assert server.seen == [*before, "GET"]
        assert times == asked, "reads ask nobody"


async def test_a_write_that_is_allowed_is_sent_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, await Cluster.connect(server.kubeconfig) as cluster:
        asked: list[None] = []
        cluster.before_write = lambda: asked.append(None)
        await cluster.create(MANIFEST, manager="test")
        assert (server.seen, len(asked)) == (["POST"], 2)
