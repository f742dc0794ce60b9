"""What the API server, or an effect on the outside, refused: data that the next plan turns into a condition.

A refusal is about what was asked for and stays until something changes: a full quota, a policy, an invalid
field, a missing right. It is no refusal that the API server is busy, does not answer, or has a newer object:
that is tried again.

A plan that is told of a refusal asks for the same again as long as it is wanted, and says in the status that
it was refused: nothing in the plan may depend on its success.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paas.api.resources import SECRET, Key, Resource, key_of, resource_of
from paas.kube.errors import ApiError
from paas.reconcile.plan import Action, Apply, Create, Delete, Effect, Event, Patch, Requeue, Status

Subject = tuple[str, str, str]
"""What is done, to which kind of object, and its name: by it a refusal is found again."""
WORDS_LIMIT: Final = 1000
"""Characters kept of what was said."""
_NOT_ABOUT_THE_REQUEST: Final = frozenset({401, 404, 408, 409, 410, 429})
"""Answers that depend on who asks and when: expired credentials, something gone or new, a busy server."""
_UNTYPED: Final = ("failed to create typed patch object", "unable to convert unstructured object")
"""Parts of the answers (500) of server-side apply to a field that is unknown or not of its type."""
_GOING_AWAY: Final = "because it is being terminated"
"""Part of the answer (403) in a namespace that is being deleted."""


class Cause(StrEnum):
    """Why something was refused, as far as it matters for what to do about it."""

    QUOTA = "Quota"
    RIGHTS = "Rights"
    POLICY = "Policy"
    INVALID = "Invalid"
    EFFECT = "Effect"


class EffectRefused(Exception):
    """An outside system refused an effect for good; the message says why and what to do."""


@dataclass(frozen=True)
class Refusal:
    """An action that was refused, and the refuser's own words; `status` is the API server's, if it was it."""

    action: Action
    cause: Cause
    words: str
    status: int | None = None

    @property
    def subject(self) -> Subject:
        found = subject_of(self.action)
        assert found is not None, "only what changes something is refused"
        return found

    def concerns(self, resource: Resource, key: Key) -> bool:
        """Whether it is about this object."""
        return self.subject[1:] == (resource.kind, str(key))


def subject_of(action: Action) -> Subject | None:
    """What an action is about; None for those that nobody refuses."""
    match action:
        case Create() | Apply():
            manifest = action.manifest
            return type(action).__name__, resource_of(manifest).kind, str(key_of(manifest))
        case Delete() | Patch() | Status():
            return type(action).__name__, action.resource.kind, str(action.key)
        case Effect():
            return type(action).__name__, "", action.subject
        case Event() | Requeue():
            return None


def of_answer(action: Action, answer: ApiError) -> Refusal | None:
    """The refusal that an answer of the API server is; None when the same may well be accepted soon."""
    if not is_refusal(answer):
        return None
    return Refusal(
        action, cause_of(answer), shortened(_without_secrets(answer.message, action)), answer.status
    )


def is_refusal(answer: ApiError) -> bool:
    """Whether an answer is about what was asked for, so that the same is answered the same way until
    something changes."""
    untyped = any(part in answer.message for part in _UNTYPED)
    if not untyped and (answer.status >= 500 or answer.status in _NOT_ABOUT_THE_REQUEST):
        return False
    return _GOING_AWAY not in answer.message


def of_effect(effect: Effect, problem: EffectRefused) -> Refusal:
    """The refusal of an effect."""
    return Refusal(effect, Cause.EFFECT, shortened(str(problem)))


def concerning(refusals: Iterable[Refusal], resource: Resource, key: Key) -> tuple[Refusal, ...]:
    """The refusals that are about this object."""
    return tuple(refusal for refusal in refusals if refusal.concerns(resource, key))


def cause_of(answer: ApiError) -> Cause:
    """Why the API server refuses, as far as its words tell."""
    said = answer.message
    if "exceeded quota" in said or "failed quota" in said:
        return Cause.QUOTA
    if "ValidatingAdmissionPolicy" in said or "admission webhook" in said:
        return Cause.POLICY
    if answer.status == 403:
        return Cause.RIGHTS if " cannot " in said and ' resource "' in said else Cause.POLICY
    return Cause.INVALID


def _without_secrets(text: str, action: Action) -> str:
    """What was said without the values of the Secret it is about: validation quotes what it does not accept,
    and a status is read by more people than a Secret is."""
    if not isinstance(action, (Create, Apply)) or action.manifest["kind"] != SECRET.kind:
        return text
    encoded = [str(value) for value in (action.manifest.get("data") or {}).values()]
    plain = [str(value) for value in (action.manifest.get("stringData") or {}).values()]
    values = {*encoded, *plain, *map(_decoded, encoded)}
    # what is quoted has its line ends and quotes escaped
    quoted = {json.dumps(value, ensure_ascii=False)[1:-1] for value in values}
    for value in sorted(values | quoted, key=len, reverse=True):
        if value:
            text = text.replace(value, "(hidden)")
    return text


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return ""


def shortened(text: str) -> str:
    """The text on one line, printable and not endless, as the part of a sentence."""
    line = " ".join(text.split())
    return "".join(char for char in line if char.isprintable())[:WORDS_LIMIT].rstrip(" .;")
