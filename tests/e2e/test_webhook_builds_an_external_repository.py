"""Source that stays elsewhere: built when the application is made, then whenever its host tells of a push."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.external import GitHost, git_host
from tests.support.platform import Answer, Person, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
PLATFORM = "paas.apps.localhost"


@dataclass(frozen=True)
class Hook:
    """Sends what GitHub sends, to where `paas new-app` said."""

    person: Person
    url: str
    key: bytes

    def deliver(
        self,
        event: str,
        payload: dict[str, Any],
        *,
        to: str | None = None,
        host: str = "github",
        signature: str | None = None,
    ) -> Answer:
        """`signature` replaces the right one; an empty one is left out."""
        body = json.dumps(payload).encode()
        right = "sha256=" + hmac.new(self.key, body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": secrets.token_hex(16),
            "X-Hub-Signature-256": right if signature is None else signature,
        }
        path = f"/webhooks/{to or f'{self.person.project}/shop'}/{host}"
        return self.person.instance.get(
            PLATFORM,
            path,
            method="POST",
            body=body,
            headers={name: value for name, value in headers.items() if value},
        )

    def push(self, before: str, after: str, *, branch: str = "main", message: str = "") -> dict[str, Any]:
        """A `push` event's payload, with the parts of GitHub's that say anything about the push."""
        someone = {"name": "Developer", "email": "developer@example.com", "username": "developer"}
        commit = {
            "id": after,
            "distinct": True,
            "message": message,
            "timestamp": "2025-03-01T12:00:00+01:00",
            "author": someone,
            "committer": someone,
            "added": [],
            "removed": [],
            "modified": ["app.py"],
        }
        return {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "repository": {
                "id": 1,
                "name": "shop",
                "full_name": "team/shop",
                "private": False,
                "html_url": self.url.removesuffix(".git"),
                "clone_url": self.url,
                "default_branch": "main",
                "master_branch": "main",
                "pushed_at": int(time.time()),
            },
            "pusher": {"name": "developer", "email": "developer@example.com"},
            "sender": {"login": "developer", "id": 2, "type": "User"},
            "created": False,
            "deleted": False,
            "forced": False,
            "base_ref": None,
            "commits": [commit],
            "head_commit": commit,
        }


def test_a_delivered_push_is_built_exactly_and_once(person: Person) -> None:
    with git_host(person, "shop") as host:
        nonces = [secrets.token_hex(8) for _ in range(3)]
        folder = person.repository("source", python_app(nonces[0]))
        first = _push(person, folder, host)

        made = person.paas("new-app", host.url("shop"), "--name", "shop").ok()
        assert "Python" in made.said, "it looks into the repository from here"
        address = f"https://{PLATFORM}:{person.instance.https_port}/webhooks/{person.project}/shop/github"
        assert address in made.said
        eventually(lambda: _text(person) == nonces[0] + "\n", seconds=240, what="the first build answers")
        assert [_built(build) for build in _builds(person)] == [("ConfigChange", first)]

        # two commits arrive at once, and the delivery is about the first of them
        second = person.commit(folder, python_app(nonces[1]), "Say two")
        person.commit(folder, python_app(nonces[2]), "Say three")
        _push(person, folder, host)
        hook = Hook(person, host.url("shop"), _key(person))
        payload = hook.push(first, second, message="Say two")
        _refuses_what_is_not_genuine(hook, payload)

        accepted = hook.deliver("push", payload)
        assert (accepted.status, _said(accepted)["build"]) == (202, "shop-2"), accepted
        eventually(lambda: _text(person) == nonces[1] + "\n", seconds=240, what="the pushed commit answers")
        assert [_built(build) for build in _builds(person)] == [("ConfigChange", first), ("WebHook", second)]

        again = hook.deliver("push", payload)
        assert (again.status, _said(again)["build"]) == (200, "shop-2"), again
        ping = hook.deliver("ping", {"zen": "Keep it logically awesome.", "hook_id": 1})
        assert (ping.status, _said(ping)["decision"]) == (200, "ignored")
        assert "ping" in _said(ping)["reason"]
        elsewhere = hook.deliver("push", hook.push(second, "f" * 40, branch="side"))
        assert (elsewhere.status, _said(elsewhere)["decision"]) == (200, "ignored")
        assert "side" in _said(elsewhere)["reason"]
        assert "main" in _said(elsewhere)["reason"]
        assert len(_builds(person)) == 2


def _refuses_what_is_not_genuine(hook: Hook, payload: dict[str, Any]) -> None:
    """Whatever is wrong, the answer is the same, so that nobody learns what exists."""
    project = hook.person.project
    refused = [
        hook.deliver("push", payload, signature="sha256=" + "0" * 64),
        hook.deliver("push", payload, signature=""),
        hook.deliver("ping", {}, signature="sha256=" + "0" * 64),
        hook.deliver("push", payload, to=f"{project}/other"),
        hook.deliver("push", payload, to="nobody/shop"),
        hook.deliver("push", payload, host="gitlab"),
    ]
    assert {answer.status for answer in refused} == {401}
    assert len({answer.text for answer in refused}) == 1, refused
    assert len(_builds(hook.person)) == 1


def _push(person: Person, folder: Path, host: GitHost) -> str:
    """Push `main` to the git host; the commit it is at."""
    person.git("push", "-q", host.url("shop"), "main", cwd=folder).ok()
    return person.git("rev-parse", "HEAD", cwd=folder).ok().out.strip()


def _text(person: Person) -> str:
    return person.answer("shop").text


def _said(answer: Answer) -> dict[str, str]:
    return dict(json.loads(answer.text))


def _key(person: Person) -> bytes:
    got = person.paas("get", "secret", "shop-webhook", "-o", "json").ok()
    return base64.b64decode(json.loads(got.out)["data"]["WebHookSecretKey"])


def _builds(person: Person) -> list[dict[str, Any]]:
    return sorted(
        person.instance.objects("builds", person.project), key=lambda build: int(build["spec"]["number"])
    )


def _built(build: dict[str, Any]) -> tuple[str, str]:
    """What started it, and the commit that was fetched."""
    return build["spec"]["trigger"]["type"], build["status"]["commit"]
