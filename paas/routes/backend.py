"""Which port of a Service a Route means.

OpenShift's `port.targetPort` names a port of the pods; an ingress controller wants one of the Service. So the
Service's port that leads there is looked up: by its targetPort, then by its own name or number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def service_port(service: Mapping[str, Any], target: int | str | None) -> int | None:
    """The number of the Service's port for `target` (None: its first); None when it has no such port."""
    ports = [
        port for port in (service.get("spec") or {}).get("ports") or () if isinstance(port.get("port"), int)
    ]
    if target is None:
        return ports[0]["port"] if ports else None
    wanted = str(target)
    for port in ports:
        # A Service port without a targetPort leads to the same number.
        if str(port.get("targetPort") or port["port"]) == wanted:
            return int(port["port"])
    for port in ports:
        if wanted in (str(port.get("name") or ""), str(port["port"])):
            return int(port["port"])
    return None
