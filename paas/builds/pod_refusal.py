"""Why the Job controller cannot make a build's pod, which no field of the Job says: only an Event. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paas.api.resources import Manifest
from paas.reconcile.refusal import Refusal
from paas.reconcile.refused_pods import FAILED_CREATE, refused_pods


def pod_refusal(job: Manifest, events: Iterable[Manifest]) -> Refusal | None:
    """The answer that the Job controller got last, from the Events about its Job; None when there is none."""
    own = [
        event
        for event in events
        if event.get("reason") == FAILED_CREATE
        and (event.get("involvedObject") or {}).get("uid") == job["metadata"]["uid"]
    ]
    return refused_pods(str(max(own, key=_seen_last).get("message") or ""), job) if own else None


def _seen_last(event: dict[str, Any]) -> str:
    """When it was seen last, RFC 3339; Events of either API have one of these."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max((str(time)[:19] for time in times if time), default="")
