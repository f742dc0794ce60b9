"""Builds that somebody asks for: of what the repository holds now, once for each request."""

from __future__ import annotations

import http.client
import json
import subprocess
import uuid
from typing import Any

import pytest

from paas.api.resources import Manifest
from paas.git.instantiate import MalformedRequest, start_request
from tests.support.git_server import TOKEN, Clone, Serving, name_of

pytestmark = pytest.mark.integration
ID = "0123-4567-89ab"


def ask(
    server: Serving, app: Manifest, *, token: str = TOKEN, project: str = "demo", **body: Any
) -> tuple[int, Manifest]:
    """Status and answer of a request; each has an id of its own if none is given."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    content = json.dumps({"id": str(uuid.uuid4()), **body})
    path = f"/git/{project}/{name_of(app)}/instantiate"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", path, content, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def push(clone: Clone, server: Serving, app: Manifest, *refs: str) -> None:
    clone.git("push", server.url(name_of(app)), *(refs or ("main",)), ok=True)


def commit_of(build: Manifest) -> str:
    return str(build["spec"]["revision"]["git"]["commit"])


def reconfigure(server: Serving, app: Manifest, **source: Any) -> None:
    app["spec"]["source"] |= source
    server.cluster.put_config(app)


def test_the_head_is_built_whatever_was_built_before(server: Serving, app: Manifest, clone: Clone) -> None:
    """The newest push could not be built, and an older commit was built by hand after it: neither is the
    next Build."""
    good = clone.commit("Good")
    push(clone, server, app)
    head = clone.commit("Broken", Dockerfile="FORM scratch\n", notes="x")
    clone.git("rm", "-q", "Dockerfile", ok=True)
    clone.git("commit", "-q", "--amend", "-m", "Broken", ok=True)
    head = clone.head()
    push(clone, server, app)
    assert server.cluster.builds(name_of(app))[-1]["spec"]["invalid"] == {"reason": "NoBuildpack"}
    status, older = ask(server, app, commit=good[:8])
    assert (status, commit_of(older), older["spec"]["invalid"]) == (201, good, None)
    assert older["spec"]["dockerfile"].startswith("FROM scratch")
    status, newest = ask(server, app)
    assert (status, commit_of(newest)) == (201, head)
    assert newest["spec"]["invalid"] == {"reason": "NoBuildpack"}
    assert newest["spec"]["trigger"]["type"] == "Manual"
    assert newest["spec"]["trigger"]["user"] == "alice"
    assert newest["spec"]["revision"]["git"]["message"].strip() == "Broken"
    assert server.cluster.commits(name_of(app)) == [good, head, good, head]


def test_a_commit_that_was_never_built_is_built(server: Serving, app: Manifest, clone: Clone) -> None:
    """One in the middle of a push, one of a branch that does not deploy, one that was pushed over."""
    middle, tip = clone.commit("Middle"), clone.commit("Tip")
    push(clone, server, app)
    clone.git("switch", "-q", "-c", "other", ok=True)
    other = clone.commit("Other")
    push(clone, server, app, "other")
    clone.git("switch", "-q", "main", ok=True)
    clone.git("commit", "-q", "--amend", "-m", "Tip again", ok=True)
    push(clone, server, app, "+main")
    for commit in (middle, other, tip):
        status, build = ask(server, app, commit=commit)
        assert (status, commit_of(build), build["spec"]["revision"]["git"]["ref"]) == (201, commit, None)


def test_how_it_is_built_is_what_the_buildconfig_says_now(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    clone.commit("Two", **{"Dockerfile": "FROM scratch\n", "web/Dockerfile": "FROM scratch\n# web\n"})
    push(clone, server, app)
    reconfigure(server, app, contextDir="web")
    assert ask(server, app)[1]["spec"]["dockerfile"] == "FROM scratch\n# web\n"
    reconfigure(server, app, git={"ref": "release"})
    status, refused = ask(server, app)
    assert (status, refused["hint"]) == (409, "git push paas HEAD:release")
    assert "nothing was pushed to branch release" in refused["message"]


def test_a_repeated_request_makes_no_second_build(server: Serving, app: Manifest, clone: Clone) -> None:
    commit = clone.commit()
    push(clone, server, app)
    status, first = ask(server, app, id=ID)
    assert status == 201
    clone.commit("Meanwhile")
    push(clone, server, app)
    status, again = ask(server, app, id=ID)
    assert (status, again["metadata"]["name"]) == (200, first["metadata"]["name"])
    assert len(server.cluster.builds(name_of(app))) == 3
    number = first["spec"]["number"]
    pin = ["git", f"--git-dir={server.repository(app)}", "rev-parse", f"refs/paas/builds/{number}"]
    assert subprocess.run(pin, capture_output=True, text=True, check=True).stdout.strip() == commit


def test_what_is_not_stored_is_refused_with_what_to_type(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    status, nothing = ask(server, app)
    assert (status, nothing["hint"]) == (409, "git push paas HEAD:main")
    clone.commit()
    push(clone, server, app)
    unpushed = clone.commit("Never pushed")
    status, unknown = ask(server, app, commit=unpushed)
    assert status == 404
    assert f"no commit {unpushed} is stored" in unknown["message"]
    tree = clone.git("rev-parse", "HEAD~^{tree}", ok=True).out.strip()
    assert ask(server, app, commit=tree)[0] == 404
    assert len(server.cluster.builds(name_of(app))) == 1


def test_who_may(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    push(clone, server, app)
    server.cluster.add_token("of-a-stranger", "bob", "elsewhere")
    status, refused = ask(server, app, token="of-a-stranger")
    assert (status, refused["message"]) == (403, f"bob may not start builds of demo/{name_of(app)}")
    assert "kubectl create rolebinding" in refused["hint"]
    assert ask(server, app, token="unknown")[0] == 401
    assert ask(server, {"metadata": {"name": "no-such"}})[0] == 404
    # nobody learns whether an application exists that is not theirs
    gone = ask(server, {"metadata": {"name": "no-such"}}, token="of-a-stranger")
    assert gone[0] == 403


def test_an_external_source_is_left_to_fetch(server: Serving) -> None:
    app = server.cluster.add_config(f"ext-{uuid.uuid4().hex[:6]}", uri="https://git.example/team/shop.git")
    status, build = ask(server, app)
    assert (status, commit_of(build), build["spec"]["dockerfile"]) == (201, "None", None)
    assert commit_of(ask(server, app, commit="a" * 40)[1]) == "a" * 40
    status, refused = ask(server, app, commit="abcdef")
    assert (status, refused["hint"]) == (409, "git rev-parse abcdef")


def test_what_the_cluster_says_is_passed_on(own_server: Serving, clone: Clone) -> None:
    app = own_server.cluster.add_config("shop")
    clone.commit()
    push(clone, own_server, app)
    for switch, status, words in (
        ("refuse", 409, "is paused"),
        ("forbid-builds", 403, "exceeded quota"),
        ("unreachable-for-builds", 503, "does not answer"),
    ):
        own_server.cluster.switch(switch)
        code, refused = ask(own_server, app)
        own_server.cluster.switch(switch, False)
        assert (code, words in refused["message"]) == (status, True), refused
        assert refused["hint"]
    assert ask(own_server, app)[0] == 201


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"[" * 3000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "id must be"),
        (b'{"id": "short"}', "id must be"),
        (b'{"id": "../../../etc"}', "id must be"),
        (b'{"id": 12345678}', "id must be"),
        (b'{"id": "0123-4567", "Commit": "abcd"}', "'Commit' is not known"),
        (b'{"id": "0123-4567", "commit": "main"}', "commit must be"),
        (b'{"id": "0123-4567", "commit": "abc"}', "commit must be"),
        (b'{"id": "0123-4567", "commit": "abcd^{tree}"}', "commit must be"),
        (b'{"id": "0123-4567", "commit": "--all\\n"}', "commit must be"),
        (b'{"id": "0123-4567", "commit": ["abcd"]}', "commit must be"),
        (b'{"id": "0123-4567", "noCache": 1}', "noCache must be"),
    ],
)
def test_a_body_that_is_not_understood(body: bytes, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words):
        start_request(body)


def test_a_body() -> None:
    whole = start_request(b'{"id": "0123-4567", "commit": "ABCD12", "noCache": true}')
    assert (whole.id, whole.commit, whole.no_cache) == ("0123-4567", "abcd12", True)
