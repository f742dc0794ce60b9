"""The status of a Route: where it is published, and why not.

All of it follows from the decision; nothing in it is ever decided upon.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from paas.api.names import Condition, Reason
from paas.api.resources import ROUTE, key_of
from paas.api.route import RouteIngress, RouteStatus
from paas.reconcile import conditions
from paas.reconcile.conditions import Wanted
from paas.reconcile.plan import Action, Event, Status
from paas.routes import tls
from paas.routes.claims import Verdict
from paas.routes.snapshot import RouteSnapshot
from paas.routes.tls import Source
from paas.settings import Settings

_STALLED: Final = frozenset(
    {
        Reason.HOST_ALREADY_CLAIMED, Reason.HOST_RESERVED, Reason.INVALID_HOST, Reason.INVALID_SPEC,
        Reason.NAME_TAKEN, Reason.CERTIFICATE_UNAVAILABLE,
    }
)  # fmt: skip
"""Reasons that do not go away without a person."""


@dataclass(frozen=True)
class Found:
    """What was found out about a Route."""

    host: str
    admitted: Verdict
    ready: Verdict
    certificate: Wanted
    """Condition CertificateReady."""
    url: str = ""
    address: str = ""


def written(snapshot: RouteSnapshot, found: Found, *, now: datetime, settings: Settings) -> list[Action]:
    """The write of the status and the Event about it; nothing when it is stored already."""
    stored, key = snapshot.status, key_of(snapshot.route)
    status = _status(snapshot, found, now=now, settings=settings)
    if status == stored:
        return []
    actions: list[Action] = [Status(ROUTE, key, snapshot.uid, status.dump())]
    verdict = found.admitted
    if _admission(stored) != verdict.reason:
        actions.append(
            Event(
                ROUTE,
                key,
                snapshot.uid,
                verdict.reason,
                verdict.message,
                "Normal" if verdict.admitted else "Warning",
            )
        )
    return actions


def _status(snapshot: RouteSnapshot, found: Found, *, now: datetime, settings: Settings) -> RouteStatus:
    generation = int(snapshot.route["metadata"].get("generation") or 0)
    before = [condition.dump() for condition in snapshot.status.conditions or ()]
    listed = tuple(conditions.merge(before, _wanted(found), generation=generation, now=now))
    return RouteStatus(
        observed_generation=generation,
        host=found.host,
        url=found.url,
        address=found.address,
        ingress=(
            RouteIngress(
                host=found.host,
                router_name=settings.ingress_class,
                conditions=tuple(c for c in listed if c["type"] == Condition.ADMITTED),
            ),
        ),
        conditions=listed,
    )


def _wanted(found: Found) -> list[Wanted]:
    ready = found.ready
    wanted = [
        _condition(Condition.ADMITTED, found.admitted),
        found.certificate,
        _condition(Condition.READY, ready),
    ]
    if not ready.admitted:
        state = Condition.STALLED if ready.reason in _STALLED else Condition.RECONCILING
        wanted.append(Wanted(state, "True", ready.reason, ready.message))
    return wanted


def _condition(type_: Condition, verdict: Verdict) -> Wanted:
    return Wanted(type_, "True" if verdict.admitted else "False", verdict.reason, verdict.message)


def _admission(status: RouteStatus) -> str | None:
    return next((c.reason for c in status.conditions or () if c.type == Condition.ADMITTED), None)


def certificate(snapshot: RouteSnapshot, host: str, *, now: datetime, settings: Settings) -> Wanted:
    """Condition CertificateReady of an admitted Route."""
    match snapshot.source(host, settings):
        case Source.NONE:
            return _certificate(True, Reason.NO_TLS, "served over plain http only, as spec.tls is not set")
        case Source.DEFAULT:
            text = f"the wildcard certificate of *.{settings.domain}"
            return _certificate(True, Reason.DEFAULT_CERTIFICATE, text)
        case Source.UNAVAILABLE:
            text = (
                f"the platform's authority signs for names below {settings.domain} only, so browsers will "
                f"warn about {host}; choose a host below {settings.domain}"
            )
            return _certificate(False, Reason.CERTIFICATE_UNAVAILABLE, text)
        case _ if tls.is_usable(snapshot.certificate, host, now=now):
            return _certificate(True, Reason.CERTIFICATE_ISSUED, f"a certificate for {host}")
        case _:
            return _certificate(False, Reason.CERTIFICATE_PENDING, f"a certificate for {host} is being made")


def _certificate(ready: bool, reason: Reason, message: str) -> Wanted:
    return Wanted(Condition.CERTIFICATE_READY, "True" if ready else "False", reason, message)


def without_certificate(certificate: Wanted) -> Verdict | None:
    """Why a Route whose certificate is not ready is not ready either."""
    if certificate.status == "True":
        return None
    return Verdict(False, certificate.reason, certificate.message)
