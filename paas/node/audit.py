"""The API server's audit log: what is written, and how a reader takes it.

Every request at level Metadata, once, when it ends. The log is how tests know that nothing was refused to
the platform, that nothing was created twice, and when a certain write happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    nonResourceURLs: ["/healthz*", "/readyz*", "/livez*"]
  - level: Metadata
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One request; `resource` like "builds" or "builds/status", `name` empty for collections."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    stage: str
    at: str  # RFC 3339, microseconds
    uri: str
    decision: str = ""  # of the authorizers: "allow" or "forbid"; admission may refuse what they allow


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Entries of audit log lines; a line cut by the end of the file is left out."""
    for line in lines:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        reference = event.get("objectRef") or {}
        subresource = reference.get("subresource")
        resource = reference.get("resource", "")
        yield Entry(
            user=(event.get("user") or {}).get("username", ""),
            verb=event.get("verb", ""),
            group=reference.get("apiGroup", ""),
            resource=f"{resource}/{subresource}" if subresource else resource,
            namespace=reference.get("namespace", ""),
            name=reference.get("name", ""),
            code=(event.get("responseStatus") or {}).get("code", 0),
            stage=event.get("stage", ""),
            at=event.get("stageTimestamp", ""),
            uri=event.get("requestURI", ""),
            decision=(event.get("annotations") or {}).get("authorization.k8s.io/decision", ""),
        )
