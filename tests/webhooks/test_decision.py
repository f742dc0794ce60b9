"""What a GitHub delivery leads to."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from paas.api.build import Person, TriggerType
from paas.api.build_request import BuildRequest
from paas.webhooks.decision import decide
from paas.webhooks.github import GitHub
from paas.webhooks.host import Ignored, MalformedDelivery, Ping, Pushed
from paas.webhooks.hosts import HOSTS
from tests.support.deliveries import COMMIT, payload

GITHUB = GitHub()
HEADERS = {"content-type": "application/json", "x-github-event": "push"}


def config(**git: Any) -> dict[str, Any]:
    source = {"uri": "https://git.example/team/shop.git", **git}
    return {"metadata": {"name": "shop", "uid": "u-1"}, "spec": {"source": {"git": source}}}


def read(body: Any, **headers: str) -> Ping | Pushed | Ignored:
    about = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return GITHUB.event(about, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_push_to_the_watched_branch_is_built_at_its_commit() -> None:
    told = read(payload())
    assert isinstance(told, Pushed)
    wanted = decide(config(), told)
    assert isinstance(wanted, BuildRequest)
    assert (wanted.commit, wanted.ref, wanted.user) == (COMMIT, "main", "alice")
    assert wanted.trigger_type is TriggerType.WEBHOOK
    assert (wanted.author, wanted.committer) == (
        Person(name="Alice", email="alice@example.com"),
        Person(name="Bob", email="bob@example.com"),
    )
    assert wanted.commit_message == "Fix login"
    assert wanted.dockerfile is None


@pytest.mark.parametrize(
    ("ref", "default", "pushed", "built"),
    [
        (None, "main", "main", True),
        (None, "trunk", "main", False),  # the remote's HEAD, not a name we made up
        (None, "trunk", "trunk", True),
        ("release", "main", "release", True),
        ("release", "main", "main", False),
        ("refs/heads/release", "main", "release", True),
        (None, "", "main", False),
    ],
)
def test_the_watched_branch(ref: str | None, default: str, pushed: str, built: bool) -> None:
    body = payload(ref=f"refs/heads/{pushed}", repository={"default_branch": default})
    told = read(body)
    assert isinstance(told, Pushed)
    wanted = decide(config(ref=ref) if ref else config(), told)
    assert isinstance(wanted, BuildRequest) == built
    if isinstance(wanted, Ignored):
        assert "not watched" in wanted.reason or "default branch" in wanted.reason


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ref": "refs/tags/v1"}, "refs/tags/v1 is not a branch"),
        ({"deleted": True}, "was deleted"),
        ({"after": "0" * 40}, "was deleted"),
    ],
)
def test_pushes_that_build_nothing(change: dict[str, Any], why: str) -> None:
    told = read(payload(**change))
    assert isinstance(told, Ignored)
    assert why in told.reason


@pytest.mark.parametrize("event", ["issues", "pull_request", "", "PUSH", "x" * 1000])
def test_other_events_build_nothing_and_say_so(event: str) -> None:
    told = read(payload(), x_github_event=event)
    assert isinstance(told, Ignored)
    assert "only push does" in told.reason


def test_ping() -> None:
    assert read({"zen": "x"}, x_github_event="ping") == Ping()


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[1]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
     b"{}", b'{"ref": 1, "after": "a"}', b'{"ref": "refs/heads/main", "after": 1}',
     b'{"ref": "refs/heads/main"}', b'{"ref": "refs/heads/main", "after": "--upload-pack=x"}',
     b'{"ref": "refs/heads/main", "after": "' + b"A" * 40 + b'"}'],
)  # fmt: skip
def test_what_is_no_push_is_not_understood(body: bytes) -> None:
    with pytest.raises(MalformedDelivery):
        read(body)


def test_form_bodies_are_explained() -> None:
    with pytest.raises(MalformedDelivery, match="application/json"):
        read(payload(), content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("field", ["repository", "head_commit", "pusher"])
@pytest.mark.parametrize(
    "value", [None, 1, "x", [], {"name": 1, "author": "x", "clone_url": 5, "pushed_at": "y"}]
)
def test_odd_parts_are_ignored(field: str, value: Any) -> None:
    told = read(payload(**{field: value}))
    assert isinstance(told, Pushed)
    decide(config(ref="main"), told)


def test_the_source_is_the_buildconfig_s_whatever_the_payload_says() -> None:
    told = read(payload(repository={"clone_url": "https://evil.example/x.git", "default_branch": "main"}))
    assert isinstance(told, Pushed)
    wanted = decide(config(), told)
    assert isinstance(wanted, Ignored)
    assert "is built from https://git.example/team/shop.git" in wanted.reason


@pytest.mark.parametrize(
    "url",
    ["https://git.example/team/shop", "https://GIT.example/Team/shop.git", "https://git.example/team/shop/"],
)
def test_the_same_repository_may_be_written_differently(url: str) -> None:
    told = read(payload(repository={"clone_url": url, "default_branch": "main"}))
    assert isinstance(told, Pushed)
    assert isinstance(decide(config(), told), BuildRequest)


def test_a_hosted_repository_is_not_built_by_webhooks() -> None:
    told = read(payload())
    assert isinstance(told, Pushed)
    hosted = {"metadata": {"name": "shop", "uid": "u"}, "spec": {"source": {}}}
    wanted = decide(hosted, told)
    assert isinstance(wanted, Ignored)
    assert "hosted here" in wanted.reason


SECRET = b"It's a Secret to Everybody"
BODY = b"Hello, World!"


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_the_signature_of_github_s_own_documentation() -> None:
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert GITHUB.is_genuine({"x-hub-signature-256": expected}, BODY, [SECRET])


@pytest.mark.parametrize(
    "signature",
    [
        "", "sha256=", "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest(), signed(BODY).upper(),
        signed(BODY)[:-1], signed(BODY) + "0", signed(BODY)[7:], signed(BODY).replace("sha256=", "SHA256="),
        signed(b"Hello, World"), "sha256=ünïcode", "sha256=\udcff", signed(BODY, b""), signed(BODY, b"other"),
        " " + signed(BODY),
    ],
)  # fmt: skip
def test_forged_signatures(signature: str) -> None:
    assert not GITHUB.is_genuine({"x-hub-signature-256": signature}, BODY, [SECRET])


def test_an_empty_secret_proves_nothing() -> None:
    assert not GITHUB.is_genuine({"x-hub-signature-256": signed(BODY, b"")}, BODY, [b""])
    assert not GITHUB.is_genuine({"x-hub-signature-256": signed(BODY, b"")}, BODY, [])


def test_several_secrets_for_rotation() -> None:
    for secret in (SECRET, b"new"):
        assert GITHUB.is_genuine({"x-hub-signature-256": signed(BODY, secret)}, BODY, [b"", SECRET, b"new"])


def test_comparing_takes_the_same_time_wherever_the_difference_is() -> None:
    """W2: medians of many comparisons, first digit wrong against last digit wrong."""
    good = signed(BODY)[7:]
    first = "sha256=" + ("0" if good[0] != "0" else "1") + good[1:]
    last = "sha256=" + good[:-1] + ("0" if good[-1] != "0" else "1")

    def median(signature: str) -> float:
        headers = {"x-hub-signature-256": signature}
        times = []
        for _ in range(4000):
            began = time.perf_counter_ns()
            GITHUB.is_genuine(headers, BODY, [SECRET])
            times.append(time.perf_counter_ns() - began)
        return sorted(times)[len(times) // 2]

    pairs = [(median(first), median(last)) for _ in range(5)]
    assert min(abs(a - b) / a for a, b in pairs) < 0.1


def test_what_a_push_says_is_taken_only_where_it_is_meant() -> None:
    of_another = payload()
    of_another["head_commit"]["id"] = "c" * 40
    repository = {"html_url": "https://git.example/team/shop", "pushed_at": True}
    told = read({**of_another, "repository": repository}, content_type="application/json; charset=utf-8")
    assert isinstance(told, Pushed)
    assert told.message == ""
    assert told.pushed_at == 0
    assert told.repository == "https://git.example/team/shop"


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ; charset=utf-8"])
def test_the_content_type_is_read_as_http_writes_it(kind: str) -> None:
    assert isinstance(read(payload(), content_type=kind), Pushed)


def test_what_is_kept_of_a_delivery_is_not_endless() -> None:
    """It goes into labels, annotations, specs and answers."""
    long = "x" * 20_000
    person = {"name": long, "email": long}
    head = {"id": COMMIT, "message": long, "author": person, "committer": person}
    told = read(payload(ref=f"refs/heads/{long}", head_commit=head))
    assert isinstance(told, Pushed)
    assert told.author is not None
    kept = (told.branch, told.author.name, told.author.email, told.message)
    assert [len(text) for text in kept] == [1024, 1024, 1024, 8192]
    for ignored in (
        read(payload(), x_github_event=long),
        read(payload(ref=f"refs/tags/{long}")),
        read(payload(ref=f"refs/heads/{long}", deleted=True)),
    ):
        assert isinstance(ignored, Ignored)
        assert len(ignored.reason) < 300


def test_older_names_of_fields_are_read_too() -> None:
    told = read(payload(repository={"master_branch": "trunk"}))
    assert isinstance(told, Pushed)
    assert told.default_branch == "trunk"


@pytest.mark.parametrize(
    ("said", "person"),
    [
        ({"name": "Alice"}, Person(name="Alice", email="")),
        ({"email": "a@example.com"}, Person(name="", email="a@example.com")),
        ({"name": "", "email": ""}, None),
        (None, None),
    ],
)
def test_an_author_has_a_name_or_an_address(said: Any, person: Person | None) -> None:
    told = read(payload(head_commit={"id": COMMIT, "author": said}))
    assert isinstance(told, Pushed)
    assert told.author == person


def test_every_host_is_found_by_the_last_part_of_its_address() -> None:
    assert {name: host.name for name, host in HOSTS.items()} == {"github": "github", "generic": "generic"}


def test_half_of_an_escape_pair_does_not_keep_a_push_from_being_built() -> None:
    """JSON allows it; neither the models nor the API server do."""
    body = json.dumps(
        {
            "ref": "refs/heads/main", "after": "1" * 40,
            "head_commit": {
                "id": "1" * 40, "message": "Fix \ud83d it", "author": {"name": "A\udce9", "email": "a@b"},
            },
        }
    )  # fmt: skip
    found = read(body.encode())
    assert isinstance(found, Pushed)
    assert found.message == "Fix \ufffd it"
    assert found.author is not None
    assert found.author.name == "A\ufffd"
