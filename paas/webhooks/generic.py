"""Deliveries of anything that can send a POST, as OpenShift's generic webhooks: the secret itself says that
they are genuine, and the body, which may say what to build, may be absent. Pure.

    Authorization: Bearer SECRET, or ?secret=SECRET
    {"git": {"uri": …, "ref": …, "commit": …, "author": {"name": …, "email": …}, "message": …}}
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from paas.git.push import BRANCHES
from paas.git.refs import is_object_id
from paas.webhooks.host import Asked, Ignored, MalformedDelivery, Ping, Pushed
from paas.webhooks.payload import json_object, mapping, person, text

_BEARER: Final = "bearer "
_NOT_TAKEN: Final = {
    "env": "env is not taken, as allowEnv is not supported yet",
    "dockerStrategyOptions": "dockerStrategyOptions are not taken; set them in the BuildConfig",
}


class Generic:
    """Whoever has the secret."""

    name = "generic"
    trigger_type = "Generic"
    secret_in_query = True

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Iterable[bytes]) -> bool:
        """Whether one of the secrets was sent."""
        given = headers.get("authorization", "")
        sent = given[len(_BEARER) :].strip() if given.lower().startswith(_BEARER) else ""
        genuine = False
        for secret in secrets:
            # header values come as latin-1; a secret's spaces and line ends at its end cannot be in one
            same = hmac.compare_digest(secret.strip(), sent.encode("latin-1", errors="replace"))
            genuine = genuine or (same and bool(secret.strip()))
        return genuine

    def named(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """The sender's id of the delivery, by which a repetition makes no second Build, and the event."""
        return headers.get("idempotency-key", ""), self.name

    def event(self, headers: Mapping[str, str], body: bytes) -> Ping | Pushed | Asked | Ignored:
        """What a genuine delivery asks for. A body that cannot be read is no reason not to build: that is
        noted, as in OpenShift. Raises MalformedDelivery for one that says what cannot be built."""
        content, notes = _content(headers, body)
        notes += [why for field, why in _NOT_TAKEN.items() if content.get(field)]
        git = mapping(content.get("git"))
        if git.get("refs"):
            raise MalformedDelivery(
                "git.refs is not supported yet; send git.ref and git.commit of one branch"
            )
        commit, ref = text(git.get("commit")), text(git.get("ref")).removeprefix(BRANCHES)[:1024]
        if commit and not is_object_id(commit):
            raise MalformedDelivery("git.commit is not the full id of a commit")
        about: dict[str, Any] = {
            "author": person(git.get("author")),
            "committer": person(git.get("committer")),
            "message": text(git.get("message"))[:8192],
        }
        uri = text(git.get("uri"))[:2048]
        if commit and ref:
            return Pushed(ref, commit, "", 0, "", uri, "", **about, notes=tuple(notes))
        return Asked(ref, commit, uri, **about, notes=tuple(notes))


def _content(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, Any], list[str]]:
    """The body, and why it was not read."""
    if not body.strip():
        return {}, []
    given = headers.get("content-type", "").split(";")[0].strip().lower()
    if given not in ("application/json", "text/json"):
        return {}, [f"the body was not read, as its content type is {given[:60] or 'not said'}; send JSON"]
    try:
        return json_object(body), []
    except MalformedDelivery as problem:
        return {}, [f"the body was not read: {problem}"]
