"""Why the Job controller cannot make a build's pod, which no field of the Job says: only an Event. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from paas.api.resources import POD, Manifest
from paas.kube.errors import ApiError
from paas.reconcile.plan import Create
from paas.reconcile.refusal import Refusal, cause_of, shortened

FAILED_CREATE: Final = "FailedCreate"
"""Reason of the Event."""
_SAID: Final = re.compile(
    r'^(?:Error creating: )?(?:pods|Pod) "[^"]*" is (?P<how>forbidden|invalid): (?P<words>.*)$', re.DOTALL
)
"""What client-go's pod control says: the API server's answer, which names a pod that differs each time."""


def pod_refusal(job: Manifest, events: Iterable[Manifest]) -> Refusal | None:
    """The answer that the Job controller got last, from the Events about its Job; None when there is none."""
    own = [
        event
        for event in events
        if event.get("reason") == FAILED_CREATE
        and (event.get("involvedObject") or {}).get("uid") == job["metadata"]["uid"]
    ]
    if not own:
        return None
    said = str(max(own, key=_seen_last).get("message") or "")
    found = _SAID.match(said)
    words = found["words"] if found else said.removeprefix("Error creating: ")
    status = 422 if found and found["how"] == "invalid" else 403
    metadata = {key: job["metadata"][key] for key in ("name", "namespace")}
    pod = {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": metadata}
    answer = ApiError(status, FAILED_CREATE, words)
    return Refusal(Create(pod, owner_uid=job["metadata"]["uid"]), cause_of(answer), shortened(words), status)


def _seen_last(event: dict[str, Any]) -> str:
    """When it was seen last, RFC 3339; Events of either API have one of these."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max((str(time)[:19] for time in times if time), default="")
