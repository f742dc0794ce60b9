"""What is sent to the API server: text that JSON and YAML read alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import CONFIGMAP, Key
from paas.kube.body import encoded, is_unicode
from paas.kube.cluster import Cluster
from paas.kube.errors import NotUnicode
from paas.terminal.kubeconfig import Login
from paas.terminal.problem import ExitCode, explain
from paas.terminal.rest import LeanClient

UNICODE = st.text(st.characters(exclude_categories=("Cs",)))


@given(UNICODE)
def test_any_text_is_the_same_in_json_and_in_yaml(text: str) -> None:
    sent = encoded({"value": text})
    assert json.loads(sent) == yaml.safe_load(sent.decode()) == {"value": text}
    assert b"\\ud" not in sent.replace(b"\\\\", b"")


def test_text_that_is_not_unicode_is_named() -> None:
    containers = [{"env": [{"name": "A", "value": "fine"}, {"name": "B", "value": "caf\udce9"}]}]
    with pytest.raises(NotUnicode) as raised:
        encoded({"spec": {"containers": containers}})
    assert raised.value.path == "spec.containers[0].env[1].value"
    problem = explain(raised.value)
    assert problem.code is ExitCode.USAGE
    assert problem.lines() == [
        "error: nothing was sent, since a text is not valid UTF-8 (spec.containers[0].env[1].value)",
        "hint: give it in UTF-8: the command locale says what this terminal writes",
    ]
    with pytest.raises(NotUnicode):
        encoded({"caf\udce9": 1})
    assert is_unicode("🎈")


def _full(url: str) -> Any:
    from kubernetes.aio import client as api

    return api.ApiClient(api.Configuration(host=url))


def _lean(url: str) -> Any:
    return LeanClient(Login(context="", server=url, namespace="demo", user=""))


@pytest.mark.parametrize("client", [_full, _lean], ids=["full", "lean"])
async def test_both_clients_send_an_apply_without_surrogate_escapes(
    client: Any, unused_tcp_port: int
) -> None:
    seen: list[tuple[str, bytes]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers["Content-Type"], await request.read()))
        return web.json_response({"metadata": {"name": "x"}})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    manifest = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "demo"},
        "data": {"a": "🎈\u0085é"},
    }  # fmt: skip
    try:
        async with Cluster(client(f"http://127.0.0.1:{unused_tcp_port}"), namespace="demo") as cluster:
            await cluster.apply(manifest, manager="test")
            await cluster.patch(CONFIGMAP, Key("demo", "x"), {"data": {"a": "🎈"}}, manager="test")
            await cluster.create(manifest, manager="test")
            lone = {**manifest, "data": {"a": "\udc80"}}
            for refused in (cluster.apply(lone, manager="test"), cluster.create(lone, manager="test")):
                with pytest.raises(NotUnicode, match=r"data\.a"):
                    await refused
    finally:
        await runner.cleanup()
    assert [kind for kind, _ in seen] == [
        "application/apply-patch+yaml; charset=utf-8", "application/merge-patch+json", "application/json",
    ]  # fmt: skip
    assert "🎈\\u0085é".encode() in seen[0][1]
    assert yaml.safe_load(seen[0][1]) == json.loads(seen[2][1]) == manifest
