"""The token endpoint before strangers: what it reads for them, how long it listens, and what it tells."""

from __future__ import annotations

import hashlib
import urllib.parse
from typing import Any

import pytest

from paas.api.resources import Key, Manifest
from paas.auth.credentials import build_credential, key_of, platform_credential, project_credential
from paas.kube.errors import ClusterUnreachable
from paas.registry import http
from paas.registry.http import TokenDependencies, TokenHttp
from paas.registry.repositories import Repositories
from paas.registry.signer import Signer
from paas.web import basic
from tests.support.asgi import Answer, Arriving, ask
from tests.support.guarded_registry import new_signing_key

KEY = key_of("k" * 32)
BUILD: Manifest = {
    "metadata": {"namespace": "demo", "name": "shop-1", "uid": "uid-of-shop-1"},
    "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}},
    "status": {"phase": "Running"},
}
DEMO: Manifest = {
    "name": "demo",
    "uid": "uid-of-demo",
    "creationTimestamp": "2026-11-26T10:00:00Z",
    "labels": {"paas.dev/project": "true"},
}
NAMESPACES: dict[str, Manifest] = {
    "demo": {"metadata": DEMO},
    "default": {"metadata": {"name": "default", "uid": "uid-of-default"}},
}


OWN = Repositories("demo", f"uid_{hashlib.sha256(b'uid-of-demo').hexdigest()[:12]}")
SHOP = OWN.images("shop")


class Endpoint:
    """The endpoint, and what it read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.unreachable = False
        self.collecting = False
        self.app = TokenHttp(
            TokenDependencies(
                signer=Signer(new_signing_key()),
                service="registry.test",
                credential_key=KEY,
                find_build=self.find_build,
                find_namespace=self.find_namespace,
                collecting=self.is_collecting,
            )
        )

    async def find_build(self, key: Key) -> Manifest | None:
        self.reads.append(str(key))
        if self.unreachable:
            raise ClusterUnreachable("no answer")
        return BUILD if key == Key("demo", "shop-1") else None

    async def is_collecting(self) -> bool:
        return self.collecting

    async def find_namespace(self, name: str) -> Manifest | None:
        self.reads.append(name)
        return NAMESPACES.get(name)

    async def get(self, user: str, password: str, **query: str | list[str]) -> Answer:
        asked = urllib.parse.urlencode({"service": "registry.test", **query}, doseq=True)
        about = {"Authorization": basic.encoded(user, password)}
        return await ask(self.app, "GET", "/registry/token", query=asked, headers=about)

    async def post(self, body: bytes | Arriving, **headers: str) -> Answer:
        return await ask(self.app, "POST", "/registry/token", headers=headers, body=body)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


async def test_a_build_a_project_and_the_platform_are_known(endpoint: Endpoint) -> None:
    for user, password in (
        ("build:demo/shop-1", build_credential(KEY, "uid-of-shop-1", "registry")),
        ("project:demo", project_credential(KEY, "uid-of-demo")),
        ("platform", platform_credential(KEY)),
    ):
        answer = await endpoint.get(user, password, scope=f"repository:{SHOP}:pull")
        assert (answer.status, answer.json["scope"]) == (200, f"repository:{SHOP}:pull"), user


async def test_nobody_pushes_while_unused_images_are_collected_and_all_pull(endpoint: Endpoint) -> None:
    build = ("build:demo/shop-1", build_credential(KEY, "uid-of-shop-1", "registry"))
    endpoint.collecting = True
    for actions in ("push", "pull,push"):
        answer = await endpoint.get(*build, scope=f"repository:{SHOP}:{actions}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    for scope in (f"repository:{SHOP}:pull", "repository:paas/runtime-python:pull,push", ""):
        assert (await endpoint.get(*build, scope=scope)).status == 200
    project = ("project:demo", project_credential(KEY, "uid-of-demo"))
    assert (await endpoint.get(*project, scope=f"repository:{SHOP}:pull,push")).status == 200
    endpoint.collecting = False
    assert (await endpoint.get(*build, scope=f"repository:{SHOP}:pull,push")).status == 200


async def test_known_and_unknown_names_are_told_apart_by_nothing(endpoint: Endpoint) -> None:
    """As many reads, the same answer; also for a namespace that is no project, with its right password."""
    answers = set()
    for user, password in (
        ("build:demo/shop-1", "wrong"),
        ("build:demo/shop-2", "wrong"),
        ("build:nowhere/shop-1", "wrong"),
        ("project:demo", "wrong"),
        ("project:nowhere", "wrong"),
        ("project:default", project_credential(KEY, "uid-of-default")),
    ):
        endpoint.reads.clear()
        answer = await endpoint.get(user, password)
        answers.add((answer.status, answer.body, str(answer.headers), len(endpoint.reads)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


async def test_one_name_is_read_a_few_times_however_often_it_is_guessed(endpoint: Endpoint) -> None:
    for number in range(200):
        assert (await endpoint.get("build:demo/shop-1", f"guess-{number}")).status == 401
    assert len(endpoint.reads) <= 4 * http.READS, "each half second a few"
    good = build_credential(KEY, "uid-of-shop-1", "registry")
    assert (await endpoint.get("build:demo/shop-1", good)).status == 200


@pytest.mark.parametrize("count", [70, 5000])
async def test_too_many_fields_are_refused_in_query_and_form(endpoint: Endpoint, count: int) -> None:
    fields = urllib.parse.urlencode([(f"f{number}", "x") for number in range(count)])
    answer = await ask(endpoint.app, "GET", "/registry/token", query=fields)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    answer = await endpoint.post(fields.encode())
    assert answer.status in (400, 413)
    assert "Traceback" not in answer.body.decode()
    assert endpoint.reads == []


async def test_scopes_are_bounded(endpoint: Endpoint) -> None:
    scopes = " ".join(f"repository:{OWN.images(f'r{number}')}:pull" for number in range(500))
    answer = await endpoint.get("project:demo", project_credential(KEY, "uid-of-demo"), scope=scopes)
    assert answer.status == 200
    assert len(answer.json["scope"].split(" ")) == 32


async def test_a_form_that_is_too_large_is_not_read_to_its_end(endpoint: Endpoint) -> None:
    said = await endpoint.post(b"", **{"Content-Length": str(2**30)})
    assert said.status == 413
    arriving = Arriving()
    for _ in range(20):
        arriving.send(b"x" * 1000)
    assert (await endpoint.post(arriving)).status == 413
    assert not arriving.pieces.empty()


async def test_a_form_that_does_not_arrive_is_not_waited_for(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("paas.web.body.time.monotonic", lambda: now[0])
    arriving = Arriving()
    arriving.send(b"grant_type=")

    async def receive() -> Any:
        now[0] += 11.0  # the body as a whole has ten seconds
        return await Arriving.receive(arriving)

    arriving.receive = receive  # type: ignore[method-assign]
    answer = await endpoint.post(arriving)
    assert answer.status == 408


@pytest.mark.parametrize("body", [b"\xff\xfe%%%=&&=;", b"grant_type=password&username=%00&password=%ff", b""])
async def test_odd_forms_are_answered(endpoint: Endpoint, body: bytes) -> None:
    assert (await endpoint.post(body)).status in (400, 401, 405)


async def test_other_methods_and_paths(endpoint: Endpoint) -> None:
    assert (await ask(endpoint.app, "PUT", "/registry/token")).status == 405
    assert (await ask(endpoint.app, "GET", "/registry/other")).status == 404


async def test_a_cluster_that_does_not_answer_is_no_refusal(endpoint: Endpoint) -> None:
    endpoint.unreachable = True
    answer = await endpoint.get("build:demo/shop-1", "x")
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
