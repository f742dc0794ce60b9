"""Generic webhooks: who has the secret gets a build, and is told what was not taken."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
from typing import Any

import pytest

from paas.api.build import Person, TriggerType
from paas.api.build_request import BuildRequest
from paas.api.resources import Manifest
from paas.webhooks.decision import decide, decide_asked
from paas.webhooks.generic import Generic
from paas.webhooks.host import Asked, Ignored, MalformedDelivery, Pushed
from tests.support.git_server import Serving, name_of

GENERIC = Generic()
JSON = {"content-type": "application/json"}
COMMIT = "a" * 40
URI = "https://git.example/team/shop.git"
SECRET = b"s3cret"


def config(**git: Any) -> Manifest:
    return {"metadata": {"name": "shop", "uid": "u"}, "spec": {"source": {"git": {"uri": URI, **git}}}}


def read(content: Any, headers: dict[str, str] | None = None) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return GENERIC.event(JSON if headers is None else headers, body)


@pytest.mark.parametrize(
    ("header", "genuine"),
    [
        ("Bearer s3cret", True),
        ("bearer  s3cret ", True),
        ("Bearer s3cre", False),
        ("Bearer ", False),
        ("Basic s3cret", False),
        ("s3cret", False),
        ("", False),
        ("Bearer \xff\u20ac", False),
    ],
)
def test_who_has_the_secret(header: str, genuine: bool) -> None:
    headers = {"authorization": header}
    assert GENERIC.is_genuine(headers, b"", [b"older", SECRET]) is genuine
    assert GENERIC.is_genuine(headers, b"", [b"older", SECRET + b"\n"]) is genuine
    assert not GENERIC.is_genuine(headers, b"", [b""])
    assert not GENERIC.is_genuine(headers, b"", [b"\n"])
    assert not GENERIC.is_genuine(headers, b"", [])


def test_a_post_without_a_body_asks_for_the_branchs_head() -> None:
    told = read(b"", {})
    assert told == Asked("", "", "", None, None, "")
    wanted = decide_asked(config(), told, trigger_id="t")
    assert isinstance(wanted, BuildRequest)
    assert (wanted.commit, wanted.trigger_id, wanted.trigger_type) == (None, "t", TriggerType.MANUAL)


def test_branch_and_commit_are_a_push() -> None:
    git = {
        "uri": URI, "ref": "refs/heads/main", "commit": COMMIT, "message": "Fix it",
        "author": {"name": "Alice", "email": "alice@example.com"},
    }  # fmt: skip
    told = read({"git": git})
    assert isinstance(told, Pushed)
    assert told.author == Person(name="Alice", email="alice@example.com")
    wanted = decide(config(ref="main"), told)
    assert isinstance(wanted, BuildRequest)
    assert (wanted.commit, wanted.ref, wanted.commit_message) == (COMMIT, "main", "Fix it")
    assert wanted.trigger_type is TriggerType.WEBHOOK


def test_a_commit_alone_is_built_as_it_is() -> None:
    wanted = decide_asked(config(ref="main"), read({"git": {"commit": COMMIT}}), trigger_id="t")
    assert isinstance(wanted, BuildRequest)
    assert (wanted.commit, wanted.trigger_type) == (COMMIT, TriggerType.MANUAL)


@pytest.mark.parametrize(
    ("git", "why"),
    [
        ({"ref": "other"}, "branch other is not watched; shop is built from main"),
        ({"uri": "https://git.example/team/another.git"}, "but shop is built from"),
    ],
)
def test_what_is_about_something_else_builds_nothing(git: dict[str, str], why: str) -> None:
    decided = decide_asked(config(ref="main"), read({"git": git}), trigger_id="t")
    assert isinstance(decided, Ignored)
    assert why in decided.reason
    pushed = read({"git": {"ref": "main", "commit": COMMIT, **git}})
    assert isinstance(decide(config(ref="main"), pushed), Ignored)


@pytest.mark.parametrize(
    ("body", "headers", "note"),
    [
        (
            b"git=x",
            {"content-type": "application/x-www-form-urlencoded"},
            "its content type is application/x-www",
        ),
        (b"{}", {}, "its content type is not said"),
        (b"{", JSON, "the body was not read: the body is not JSON"),
        (b"[]", JSON, "the body was not read: the body is not a JSON object"),
        (b"[" * 100_000, JSON, "the body was not read: the body is not JSON"),
        (b'{"env": [{"name": "A", "value": "b"}]}', JSON, "env is not taken"),
        (b'{"dockerStrategyOptions": {"noCache": true}}', JSON, "dockerStrategyOptions are not taken"),
        (b'{"git": "x"}', JSON, None),
        (b'{"git": {"ref": 7, "commit": null}}', JSON, None),
        (b" ", {}, None),
    ],
)
def test_what_is_not_taken_is_noted_and_builds_all_the_same(
    body: bytes, headers: dict[str, str], note: str | None
) -> None:
    told = read(body, headers)
    assert isinstance(told, Asked)
    assert (len(told.notes), note in "".join(told.notes) if note else True) == (bool(note), True)


@pytest.mark.parametrize(
    ("git", "why"),
    [
        ({"commit": "abc"}, "git.commit is not the full id"),
        ({"refs": [{"ref": "main", "commit": COMMIT}]}, "git.refs is not supported yet"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(git: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedDelivery, match=why):
        read({"git": git})


def test_long_texts_are_cut() -> None:
    long = "x" * 100_000
    told = read({"git": {"ref": long, "uri": long, "message": long}})
    assert [len(text) for text in (told.branch, told.repository, told.message)] == [1024, 2048, 8192]


# -- over HTTP ---------------------------------------------------------------------------------------
@pytest.fixture
def hooked(server: Serving) -> Manifest:
    """An external application with a Generic trigger."""
    app = server.cluster.add_config(f"gen-{secrets.token_hex(4)}", uri=URI)
    hook = f"{name_of(app)}-hook"
    app["spec"]["triggers"] = [{"type": "Generic", "generic": {"secretReference": {"name": hook}}}]
    server.cluster.put_config(app)
    server.cluster.add_secret(hook, {"WebHookSecretKey": base64.b64encode(SECRET).decode()})
    return app


def post(
    server: Serving, name: str, *, query: str = "", host: str = "generic", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, Any]]:
    about = {name.replace("_", "-"): value for name, value in headers.items()}
    about["X-Forwarded-For"] = f"test-{name}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", f"/webhooks/demo/{name}/{host}{query}", body=body, headers=about)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


BEARER = "Bearer s3cret"
JSON_HEADER = {"Content_Type": "application/json"}


@pytest.mark.integration
def test_each_delivery_is_a_build_unless_it_is_a_repetition(server: Serving, hooked: Manifest) -> None:
    name = name_of(hooked)
    git = json.dumps({"git": {"commit": COMMIT}}).encode()
    told = [
        post(server, name, Authorization=BEARER, body=git, **JSON_HEADER, **more)
        for more in ({}, {"Idempotency_Key": "one"}, {"Idempotency_Key": "one"}, {})
    ]
    assert [status for status, _ in told] == [202, 202, 200, 202]
    assert [content["build"] for _, content in told] == [f"{name}-1", f"{name}-2", f"{name}-2", f"{name}-3"]
    assert "made" in told[2][1]["reason"]
    builds = server.cluster.builds(name)
    assert {build["spec"]["trigger"]["type"] for build in builds} == {"Manual"}
    assert {build["spec"]["revision"]["git"]["commit"] for build in builds} == {COMMIT}


@pytest.mark.integration
def test_the_secret_may_be_in_the_address(server: Serving, hooked: Manifest) -> None:
    git = json.dumps({"git": {"commit": COMMIT}}).encode()
    status, told = post(server, name_of(hooked), query="?secret=s3cret", body=git, **JSON_HEADER)
    assert (status, told["decision"]) == (202, "build")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("query", "headers", "host"),
    [
        ("", {}, "generic"),
        ("?secret=wrong", {}, "generic"),
        ("", {"Authorization": "Bearer wrong"}, "generic"),
        ("?secret=s3cret", {}, "github"),
        ("", {"Authorization": BEARER}, "github"),
    ],
)
def test_who_has_not_the_secret_learns_nothing(
    server: Serving, hooked: Manifest, query: str, headers: dict[str, str], host: str
) -> None:
    status, told = post(server, name_of(hooked), query=query, host=host, **headers)
    unknown = post(server, "unknown-app", query=query, host=host, **headers)
    assert (status, told) == unknown
    assert (status, told["reason"]) == (401, "unknown address or wrong signature")
    assert server.cluster.builds(name_of(hooked)) == []


@pytest.mark.integration
def test_what_is_not_taken_is_told_to_the_sender(server: Serving, hooked: Manifest) -> None:
    body = json.dumps({"git": {"commit": COMMIT}, "env": [{"name": "A", "value": "b"}]}).encode()
    status, told = post(server, name_of(hooked), Authorization=BEARER, body=body, **JSON_HEADER)
    assert status == 202
    assert told["reason"].endswith("; env is not taken, as allowEnv is not supported yet")
