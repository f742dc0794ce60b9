"""Deliveries over HTTP: who is believed, and what every answer says."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import secrets
import time
from typing import Any

import pytest

from paas.api.resources import Manifest
from tests.support.deliveries import payload
from tests.support.git_server import Serving, name_of, peak_memory

pytestmark = pytest.mark.integration

SECRET = "s3cret"


@pytest.fixture
def hooked(server: Serving) -> Manifest:
    """An external application with a GitHub trigger."""
    app = server.cluster.add_config(f"ext-{secrets.token_hex(4)}", uri="https://git.example/team/shop.git")
    app["spec"]["triggers"] = [
        {"type": "GitHub", "github": {"secretReference": {"name": f"{name_of(app)}-hook"}}},
        {"type": "GitHub", "github": {"secretReference": {"name": f"{name_of(app)}-hook-new"}}},
    ]
    server.cluster.put_config(app)
    server.cluster.add_secret(
        f"{name_of(app)}-hook", {"WebHookSecretKey": base64.b64encode(SECRET.encode()).decode()}
    )
    return app


def deliver(
    server: Serving,
    name: str,
    content: Any,
    *,
    secret: str = SECRET,
    project: str = "demo",
    host: str = "github",
    peer: str = "",
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    answer, told = answered(
        server, name, content, secret=secret, project=project, host=host, peer=peer, **headers
    )
    return answer.status, told


def answered(
    server: Serving,
    name: str,
    content: Any,
    *,
    secret: str = SECRET,
    project: str = "demo",
    host: str = "github",
    peer: str = "",
    **headers: str,
) -> tuple[http.client.HTTPResponse, dict[str, Any]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    about = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": secrets.token_hex(8),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "X-Forwarded-For": peer or f"test-{name}",
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", f"/webhooks/{project}/{name}/{host}", body=body, headers=about)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_a_push_is_built_once_however_often_it_is_delivered(server: Serving, hooked: Manifest) -> None:
    """R13, W3"""
    status, told = deliver(server, name_of(hooked), payload())
    assert (status, told["decision"], told["build"]) == (202, "build", f"{name_of(hooked)}-1")
    for _ in range(5):
        status, told = deliver(server, name_of(hooked), payload())
        assert (status, told["decision"], told["build"]) == (200, "ignored", f"{name_of(hooked)}-1")
        assert "built before" in told["reason"]
    assert len(server.cluster.builds(name_of(hooked))) == 1
    (build,) = server.cluster.builds(name_of(hooked))
    assert build["spec"]["trigger"]["type"] == "WebHook"
    assert build["spec"]["dockerfile"] is None


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        ({"zen": "x"}, {"X_GitHub_Event": "ping"}, 200, "the hook of"),
        (payload(), {"X_GitHub_Event": "issues"}, 200, "only push does"),
        (payload(ref="refs/heads/other"), {}, 200, "is not watched"),
        (payload(deleted=True), {}, 200, "was deleted"),
        (payload(), {"Content_Type": "application/x-www-form-urlencoded"}, 400, "application/json"),
        (b"[" * 100_000, {}, 400, "not JSON"),
        (b"\xff\xff", {}, 400, "not JSON"),
        (payload(), {"Content_Encoding": "gzip"}, 415, "compressed"),
    ],
)
def test_what_builds_nothing_says_why(
    server: Serving, hooked: Manifest, content: Any, headers: dict[str, str], status: int, reason: str
) -> None:
    got, told = deliver(server, name_of(hooked), content, **headers)
    assert (got, reason in told["reason"]) == (status, True), told
    assert server.cluster.builds(name_of(hooked)) == []


def test_refusals_are_one_and_the_same(server: Serving, hooked: Manifest) -> None:
    """W1, W5, W6: unknown, disabled, wrong: nobody learns which."""
    plain = server.cluster.add_config(
        f"plain-{secrets.token_hex(4)}", uri="https://git.example/team/shop.git"
    )
    empty = server.cluster.add_config(
        f"empty-{secrets.token_hex(4)}", uri="https://git.example/team/shop.git"
    )
    empty["spec"]["triggers"] = [{"type": "GitHub", "github": {"secretReference": {"name": "empty"}}}]
    server.cluster.put_config(empty)
    server.cluster.add_secret("empty", {"WebHookSecretKey": ""})
    peer = secrets.token_hex(4)
    answers = [
        deliver(server, name_of(hooked), payload(), secret="wrong", peer=peer),
        deliver(server, name_of(hooked), payload(), peer=peer, X_Hub_Signature_256=""),
        deliver(server, "nothing-here", payload(), peer=peer),
        deliver(server, name_of(hooked), payload(), project="other", peer=peer),
        deliver(server, name_of(plain), payload(), peer=peer),
        deliver(server, name_of(empty), payload(), secret="", peer=peer),
        *(
            deliver(server, name_of(hooked), payload(), host=host, peer=peer)
            for host in ("gitlab", "gitea", "bitbucket", "generic", "unknown")
        ),
        deliver(server, "UPPER", payload(), peer=peer),
    ]
    assert {(status, json.dumps(told)) for status, told in answers} == {
        (401, '{"decision": "refused", "reason": "unknown address or wrong signature"}')
    }


def test_the_signature_is_of_the_raw_body(server: Serving, hooked: Manifest) -> None:
    body = json.dumps(payload(), indent=3).encode()
    again = json.dumps(json.loads(body)).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), again, hashlib.sha256).hexdigest()
    assert deliver(server, name_of(hooked), body, X_Hub_Signature_256=signature)[0] == 401
    assert deliver(server, name_of(hooked), body)[0] == 202


def test_a_second_secret_is_good_as_soon_as_it_is_there(server: Serving, hooked: Manifest) -> None:
    encoded = base64.b64encode(b"new").decode()
    server.cluster.add_secret(f"{name_of(hooked)}-hook-new", {"WebHookSecretKey": encoded})
    assert deliver(server, name_of(hooked), payload(), secret="new")[0] == 202
    assert deliver(server, name_of(hooked), payload(after="d" * 40), secret=SECRET)[0] == 202


def test_a_delivery_that_is_too_large(server: Serving, hooked: Manifest) -> None:
    """W4"""
    assert server.process is not None
    before, began = peak_memory(server.process.pid), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", f"/webhooks/demo/{name_of(hooked)}/github")
    connection.putheader("Content-Length", str(100 * 2**20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    assert time.monotonic() - began < 1
    status, _ = deliver(server, name_of(hooked), b" " * (2**20 + 1))
    assert status == 413
    assert peak_memory(server.process.pid) - before < 32 * 2**20


def test_guessing_is_slowed_down(server: Serving, hooked: Manifest) -> None:
    """W6: one address that fails often is put off; others are not."""
    statuses = {deliver(server, secrets.token_hex(4), payload(), peer="guesser")[0] for _ in range(150)}
    assert statuses == {401, 429}
    assert deliver(server, name_of(hooked), payload())[0] == 202


def test_other_methods(server: Serving, hooked: Manifest) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/webhooks/demo/{name_of(hooked)}/github")
    assert connection.getresponse().status == 405


def test_a_cluster_that_does_not_answer(own_server: Serving) -> None:
    own_server.cluster.switch("unreachable")
    status, told = deliver(own_server, "shop", payload())
    assert (status, told["decision"]) == (503, "retry")


@pytest.mark.parametrize(
    ("switch", "says"),
    [
        ("forbid-builds", "does not allow the build: exceeded quota"),
        ("busy-for-builds", "cannot take the build now: etcd is away"),
    ],
)
def test_a_build_that_the_api_server_refuses_says_why(own_server: Serving, switch: str, says: str) -> None:
    app = own_server.cluster.add_config("shop", uri="https://git.example/team/shop.git")
    app["spec"]["triggers"] = [{"type": "GitHub", "github": {"secretReference": {"name": "hook"}}}]
    own_server.cluster.put_config(app)
    secret = base64.b64encode(SECRET.encode()).decode()
    own_server.cluster.add_secret("hook", {"WebHookSecretKey": secret})
    own_server.cluster.switch(switch)
    answer, told = answered(own_server, "shop", payload())
    assert (answer.status, told["decision"]) == (503, "retry")
    assert answer.headers["Retry-After"] == "60"
    assert says in told["reason"]
    config = json.loads((own_server.cluster.root / "configs" / "demo+shop").read_text())
    (delivery,) = config["status"]["deliveries"]
    assert (delivery["decision"], delivery["reason"]) == ("retry", told["reason"])
    assert delivery.get("cause") == ("Quota" if switch == "forbid-builds" else None)


def test_a_burst_of_deliveries_is_answered_and_each_commit_built_once(
    server: Serving, hooked: Manifest
) -> None:
    commits = [f"{number:040x}" for number in range(1, 26)]

    def one(number: int) -> int:
        return deliver(server, name_of(hooked), payload(after=commits[number % 25]))[0]

    # concurrent makers of one number race in the stand-in as they would at the API server
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(one, range(200)))
    assert set(statuses) <= {200, 202}
    assert sorted(server.cluster.commits(name_of(hooked))) == commits


def test_nothing_secret_is_logged(server: Serving, hooked: Manifest) -> None:
    deliver(server, name_of(hooked), payload())
    assert SECRET not in server.log()
