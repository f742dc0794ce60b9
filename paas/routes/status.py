"""The status of a Route: where it is published, and why not.

All of it follows from the decision; nothing in it is ever decided upon.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from paas.api.names import Condition, Reason
from paas.api.route import KIND, RouteIngress, RouteStatus
from paas.reconcile.conditions import Wanted
from paas.reconcile.plan import Action
from paas.reconcile.status import Blocker, ConditionTable, generation_of
from paas.routes import tls
from paas.routes.claims import Verdict
from paas.routes.snapshot import RouteSnapshot
from paas.routes.tls import Source
from paas.settings import Settings

_STALLED: Final = frozenset(
    {
        Reason.BEING_DELETED, Reason.CERTIFICATE_UNAVAILABLE, Reason.HOST_ALREADY_CLAIMED,
        Reason.HOST_RESERVED, Reason.INVALID_HOST, Reason.INVALID_SPEC, Reason.NAME_TAKEN,
        Reason.NOT_A_PROJECT, Reason.REFUSED,
    }
)  # fmt: skip
"""Reasons that do not go away without a person."""
TABLE: Final = ConditionTable(
    KIND, announced={Condition.ADMITTED: frozenset(Reason), Condition.READY: frozenset({Reason.REFUSED})}
)


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
    listed = tuple(TABLE.conditions(snapshot.route, _wanted(found), now=now))
    status = RouteStatus(
        observed_generation=generation_of(snapshot.route),
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
    return TABLE.write(snapshot.route, status.dump())


def _wanted(found: Found) -> list[Wanted]:
    ready = found.ready
    blocker = None if ready.admitted else Blocker(ready.reason, ready.message, ready.reason in _STALLED)
    return [
        _condition(Condition.ADMITTED, found.admitted),
        found.certificate,
        *TABLE.summarised(blocker, _condition(Condition.READY, ready)),
    ]


def _condition(type_: Condition, verdict: Verdict) -> Wanted:
    return Wanted(type_, "True" if verdict.admitted else "False", verdict.reason, verdict.message)


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
