"""Reads the bodies of deliveries: JSON of a sender who has the secret, and may nevertheless send anything.
Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paas.api.build import Person
from paas.kube.body import as_unicode
from paas.webhooks.host import MalformedDelivery


def json_object(body: bytes) -> Mapping[str, Any]:
    """The body as a JSON object. Raises MalformedDelivery."""
    try:
        payload = as_unicode(json.loads(body))
    except (ValueError, RecursionError):
        raise MalformedDelivery("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise MalformedDelivery("the body is not a JSON object")
    return payload


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def person(value: Any) -> Person | None:
    """Who an author or a committer is; None when nothing is said."""
    found = mapping(value)
    name, email = text(found.get("name"))[:1024], text(found.get("email"))[:1024]
    return Person(name=name, email=email) if name or email else None
