"""GitHub's deliveries: `X-Hub-Signature-256` over the raw body, events `ping` and `push`. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from paas.git.push import BRANCHES
from paas.git.refs import is_object_id
from paas.webhooks.host import Ignored, MalformedDelivery, Ping, Pushed
from paas.webhooks.payload import json_object, mapping, person, text

_PREFIX: Final = "sha256="


class GitHub:
    """github.com and GitHub Enterprise."""

    name = "github"
    trigger_type = "GitHub"
    secret_in_query = False

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes]) -> bool:
        """Whether one of the secrets signed this body."""
        given = headers.get("x-hub-signature-256", "")
        digest = given.removeprefix(_PREFIX) if given.startswith(_PREFIX) else ""
        genuine = False
        for secret in secrets:
            expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
            same = hmac.compare_digest(expected.encode(), digest.encode(errors="replace"))
            genuine = genuine or (same and bool(secret))
        return genuine

    def named(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """The host's id of the delivery and its name of the event; '' for what it does not say."""
        return headers.get("x-github-delivery", ""), headers.get("x-github-event", "")

    def event(self, headers: Mapping[str, str], body: bytes) -> Ping | Pushed | Ignored:
        """What a genuine delivery tells. Raises MalformedDelivery."""
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise MalformedDelivery(
                "the body must be application/json: choose that content type in the hook's settings"
            )
        payload = json_object(body)
        event = headers.get("x-github-event", "")
        if event == "ping":
            return Ping()
        if event != "push":
            return Ignored(f"event {event[:40]!r} makes no build; only push does")
        return _push(payload)


def _push(payload: Mapping[str, Any]) -> Pushed | Ignored:
    ref, commit = payload.get("ref"), payload.get("after")
    if not isinstance(ref, str) or not isinstance(commit, str):
        raise MalformedDelivery("a push needs `ref` and `after`")
    if payload.get("deleted") is True or set(commit) == {"0"}:
        return Ignored(f"{ref[:200]} was deleted")
    if not ref.startswith(BRANCHES):
        return Ignored(f"{ref[:200]} is not a branch")
    if not is_object_id(commit):
        raise MalformedDelivery("`after` is not a commit")
    repository = mapping(payload.get("repository"))
    head = mapping(payload.get("head_commit"))
    return Pushed(
        branch=ref.removeprefix(BRANCHES)[:1024],
        commit=commit,
        before=text(payload.get("before"))[:64],
        pushed_at=_number(repository.get("pushed_at")),
        default_branch=(text(repository.get("default_branch")) or text(repository.get("master_branch")))[
            :1024
        ],
        repository=(text(repository.get("clone_url")) or text(repository.get("html_url")))[:2048],
        user=text(mapping(payload.get("pusher")).get("name"))[:1024],
        author=person(head.get("author")),
        committer=person(head.get("committer")),
        message=text(head.get("message"))[:8192] if head.get("id") == commit else "",
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
