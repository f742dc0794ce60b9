"""What the platform has decided about a Route, as far as its status says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paas.api.names import Condition
from paas.reconcile.conditions import find


@dataclass(frozen=True)
class Published:
    """It answers at `url`; `warning` is what is not as it should be all the same."""

    url: str
    warning: str = ""


@dataclass(frozen=True)
class Refused:
    """It will not be published until a person changes something."""

    reason: str
    message: str


def decision(route: Mapping[str, Any] | None) -> Published | Refused | str:
    """Published, refused, or (a text) what it waits for; '' while nobody has looked at it."""
    route = route or {}
    ready, admitted = find(route, Condition.READY) or {}, find(route, Condition.ADMITTED) or {}
    url = str((route.get("status") or {}).get("url") or "")
    if admitted.get("status") == "False":
        return Refused(str(admitted.get("reason") or ""), str(admitted.get("message") or ""))
    if ready.get("status") == "True":
        return Published(url)
    if (stalled := find(route, Condition.STALLED)) is not None:
        message = str(stalled.get("message") or "")
        return Published(url, message) if url else Refused(str(stalled.get("reason") or ""), message)
    return str(ready.get("message") or "")
