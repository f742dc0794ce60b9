"""What is to be published, whatever the ingress controller: the input of every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Manifest
from paas.api.route import InsecurePolicy, RouteSpec, Termination
from paas.routes.backend import service_port

DEFAULT_WEIGHT: Final = 100
"""OpenShift's."""
GUESSED_PORT: Final = 80


@dataclass(frozen=True)
class Backend:
    """A port of a Service, and its weight among the other backends."""

    service: str
    port: int
    weight: int = DEFAULT_WEIGHT


@dataclass(frozen=True)
class Intent:
    """One host and path, and the backends behind it."""

    host: str
    path: str
    """Prefix, beginning with a slash."""
    backends: tuple[Backend, ...]
    """spec.to first, then spec.alternateBackends."""
    termination: Termination | None
    """None: there is no TLS."""
    insecure: InsecurePolicy
    """What plain http gets; ALLOW when there is no TLS."""
    secret: str | None
    """Secret with the host's own certificate; None means the ingress controller's default one."""


def intent_of(spec: RouteSpec, host: str, *, services: Mapping[str, Manifest], secret: str | None) -> Intent:
    """What a Route asks for. As long as a Service does not exist, or lacks the port, its port is a guess:
    the host belongs to the Route and gets its address, and the port is corrected when the Service comes."""
    target = spec.port.target_port if spec.port is not None else None
    guess = target if isinstance(target, int) else GUESSED_PORT
    backends = []
    for wanted in (spec.to, *(spec.alternate_backends or ())):
        service = services.get(wanted.name)
        port = service_port(service, target) if service is not None else None
        weight = DEFAULT_WEIGHT if wanted.weight is None else wanted.weight
        backends.append(Backend(wanted.name, port or guess, weight))
    insecure = InsecurePolicy.ALLOW
    if spec.tls is not None:
        insecure = InsecurePolicy(spec.tls.insecure_edge_termination_policy or InsecurePolicy.NONE)
    return Intent(
        host=host,
        path=spec.path or "/",
        backends=tuple(backends),
        termination=Termination(spec.tls.termination) if spec.tls is not None else None,
        insecure=insecure,
        secret=secret,
    )
