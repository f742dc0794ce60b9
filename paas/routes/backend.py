"""The Services behind a Route, and which of their ports it means.

OpenShift's `port.targetPort` names a port of the pods; an ingress controller wants one of the Service. So the
Service's port that leads there is looked up: by its targetPort, then by its own name or number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paas.api.names import Reason
from paas.api.route import RouteSpec
from paas.routes.claims import Verdict


def service_names(route: Mapping[str, Any]) -> Iterator[str]:
    """The Services that a Route (as stored) names."""
    spec = route.get("spec") or {}
    for target in (spec.get("to"), *(spec.get("alternateBackends") or ())):
        name = target.get("name") if isinstance(target, Mapping) else None
        if isinstance(name, str):
            yield name


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


def backend_problem(spec: RouteSpec, services: Mapping[str, Mapping[str, Any]]) -> Verdict | None:
    """Why a Route's traffic cannot reach one of its Services, or None."""
    target = spec.port.target_port if spec.port is not None else None
    for number, wanted in enumerate((spec.to, *(spec.alternate_backends or ()))):
        field = f"spec.alternateBackends[{number - 1}].name" if number else "spec.to.name"
        service = services.get(wanted.name)
        if service is None:
            text = f"there is no Service {wanted.name} yet; create it, or change {field}"
            return Verdict(False, Reason.SERVICE_NOT_FOUND, text)
        if service_port(service, target) is None:
            port = "at all" if target is None else target
            text = f"Service {wanted.name} has no port {port}; change spec.port.targetPort or the Service"
            return Verdict(False, Reason.PORT_NOT_FOUND, text)
    return None
