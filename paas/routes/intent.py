"""What is to be published, whatever the ingress controller: the input of every dialect."""

from __future__ import annotations

from dataclasses import dataclass

from paas.api.route import InsecurePolicy


@dataclass(frozen=True)
class Intent:
    """One host and path, and the Service port behind it."""

    host: str
    path: str
    """Prefix, beginning with a slash."""
    service: str
    port: int
    tls: bool
    insecure: InsecurePolicy
    """What plain http gets; ALLOW when there is no TLS."""
    secret: str | None
    """Secret with the host's own certificate; None means the ingress controller's default one."""
