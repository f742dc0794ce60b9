"""Which certificate a Route's host is served with.

Hosts right below the domain share the ingress controller's default certificate, a wildcard of the
platform's authority. Deeper ones get a certificate of their own from that authority, in a Secret of the
Route, renewed in time. The authority is constrained to the domain, so for other hosts it could only make
certificates that nobody accepts; it makes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

LIFETIME: Final = timedelta(days=90)
RENEW_BEFORE: Final = timedelta(days=30)


class Source(StrEnum):
    """Where a host's certificate comes from."""

    DEFAULT = "Default"  # the ingress controller's wildcard
    OWN = "Own"  # a Secret of the Route, issued by the platform's authority
    UNAVAILABLE = "Unavailable"  # nobody here may sign for it
    NONE = "None"  # plain http


@dataclass(frozen=True)
class Certificate:
    """What is in a Route's Secret; `trusted` says that the present authority signed it for its key."""

    hosts: frozenset[str]
    not_after: datetime
    trusted: bool


def source(host: str, *, domain: str, tls: bool) -> Source:
    """Where the certificate of `host` comes from."""
    if not tls:
        return Source.NONE
    label, _, parent = host.partition(".")
    if parent == domain and label:
        return Source.DEFAULT
    return Source.OWN if host.endswith(f".{domain}") else Source.UNAVAILABLE


def secret_name(route: str) -> str:
    """Name of the Secret with a Route's own certificate."""
    return f"{route}.route-tls"  # no Route or other object of ours has a dot in its name


def is_good(certificate: Certificate | None, host: str, *, now: datetime) -> bool:
    """Whether a certificate can serve `host` for some time yet."""
    return (
        certificate is not None
        and certificate.trusted
        and certificate.hosts == {host}
        and certificate.not_after - now > RENEW_BEFORE
    )


def is_usable(certificate: Certificate | None, host: str, *, now: datetime) -> bool:
    """Whether a certificate serves `host` now, though it may have to be renewed."""
    return (
        certificate is not None
        and certificate.trusted
        and host in certificate.hosts
        and certificate.not_after > now
    )


def renewal_in(certificate: Certificate, *, now: datetime) -> float:
    """Seconds until a good certificate has to be renewed."""
    return (certificate.not_after - RENEW_BEFORE - now).total_seconds()
