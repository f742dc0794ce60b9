"""The decision about one host: who owns it, and what each of the Routes that want it gets.

All Routes of a host are decided together, because one's admission is another's refusal. Those that lost are
taken down before the one that won is put up, so no moment has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from paas.api.names import Condition, Reason
from paas.api.resources import INGRESS, ROUTE, Key, Manifest, key_of
from paas.api.route import InsecurePolicy, RouteIngress, RouteSpec, RouteStatus, Termination
from paas.reconcile import conditions
from paas.reconcile.conditions import Wanted
from paas.reconcile.meta import apply_if_needed, owned_by
from paas.reconcile.plan import Action, Delete, Effect, Event, Plan, Requeue, Status
from paas.routes import tls
from paas.routes.backend import service_port
from paas.routes.claims import Verdict, claim_of, judge
from paas.routes.dialects import ingress as dialect
from paas.routes.intent import Intent
from paas.routes.tls import Certificate, Source
from paas.settings import Settings

_LOOK_AGAIN: Final = 1.0
"""Seconds after which a certificate that was asked for is looked at."""
_LONGEST: Final = 86400.0
_STALLED: Final = frozenset(
    {
        Reason.HOST_ALREADY_CLAIMED, Reason.HOST_RESERVED, Reason.INVALID_HOST, Reason.INVALID_SPEC,
        Reason.NAME_TAKEN, Reason.CERTIFICATE_UNAVAILABLE,
    }
)  # fmt: skip


@dataclass(frozen=True)
class IssueCertificate(Effect):
    """Write Secret `secret` with a certificate of the platform's authority for `hosts`, owned by the Route.

    `secret_uid` is that of the Route's Secret when it exists, to be written anew."""

    route: Key
    route_uid: str
    secret: str
    hosts: tuple[str, ...]
    secret_uid: str | None = None


@dataclass(frozen=True)
class RouteSnapshot:
    """One Route and what it depends on."""

    route: Manifest
    ingresses: Mapping[str, Manifest] = field(default_factory=dict)
    """What exists under `dialect.child_names`, whoever made it."""
    service: Manifest | None = None
    secret: Manifest | None = None
    """What exists under `tls.secret_name` (metadata only); read only when the host needs it."""
    certificate: Certificate | None = None
    """What is in that Secret, when it can be read as a certificate and its key."""


@dataclass(frozen=True)
class Observed:
    """A host and all Routes that want it."""

    host: str
    routes: tuple[RouteSnapshot, ...]


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """Refused Routes first, then the admitted ones, oldest first."""
    verdicts = judge(observed.host, [claim_of(snapshot.route) for snapshot in observed.routes], settings)
    ordered = sorted(
        observed.routes,
        key=lambda snapshot: (verdicts[_uid(snapshot)].admitted, claim_of(snapshot.route).age),
    )
    actions: list[Action] = []
    for snapshot in ordered:
        actions += _route(observed.host, snapshot, verdicts[_uid(snapshot)], now=now, settings=settings)
    return Plan(tuple(actions))


def _uid(snapshot: RouteSnapshot) -> str:
    return str(snapshot.route["metadata"]["uid"])


def _route(
    host: str, snapshot: RouteSnapshot, verdict: Verdict, *, now: datetime, settings: Settings
) -> list[Action]:
    try:
        spec = RouteSpec.model_validate(snapshot.route.get("spec") or {})
    except ValidationError as problem:
        verdict = Verdict(False, Reason.INVALID_SPEC, _why(problem))
        return _refused(host, snapshot, verdict, now=now, settings=settings)
    if not verdict.admitted:
        return _refused(host, snapshot, verdict, now=now, settings=settings)
    if spec.tls is not None and spec.tls.termination != Termination.EDGE:
        text = f"tls.termination {spec.tls.termination} is not supported yet; use edge"
        return _refused(host, snapshot, Verdict(False, Reason.INVALID_SPEC, text), now=now, settings=settings)
    return _admitted(host, snapshot, spec, verdict, now=now, settings=settings)


def _refused(
    host: str, snapshot: RouteSnapshot, verdict: Verdict, *, now: datetime, settings: Settings
) -> list[Action]:
    """Nothing of the Route is published."""
    actions: list[Action] = [*_leftovers(snapshot, keep=())]
    no_certificate = Wanted(
        Condition.CERTIFICATE_READY,
        "False",
        verdict.reason,
        "the Route is not admitted; see condition Admitted",
    )
    return actions + _status(
        host, snapshot, verdict, verdict, no_certificate, url="", now=now, settings=settings
    )


def _admitted(
    host: str,
    snapshot: RouteSnapshot,
    spec: RouteSpec,
    verdict: Verdict,
    *,
    now: datetime,
    settings: Settings,
) -> list[Action]:
    route = snapshot.route
    source = tls.source(host, domain=settings.domain, tls=spec.tls is not None)
    secret = tls.secret_name(route["metadata"]["name"]) if source is Source.OWN else None
    actions: list[Action] = []
    problem = _taken(snapshot, secret)
    target = spec.port.target_port if spec.port is not None else None
    port = service_port(snapshot.service, target) if snapshot.service is not None else None
    certificate = _certificate(source, snapshot, host, now=now, settings=settings)
    if problem is None:
        if secret is not None:
            actions += _minting(snapshot, host, secret, now=now)
        # Without the Service (yet) the port is a guess: the host is ours and has its address, and the
        # port is put right when the Service comes.
        guess = target if isinstance(target, int) else 80
        intent = Intent(
            host=host,
            path=spec.path or "/",
            service=spec.to.name,
            port=port or guess,
            tls=spec.tls is not None,
            insecure=_insecure(spec),
            secret=secret,
        )
        manifests = dialect.render(route, intent, settings)
        for manifest in manifests:
            apply = apply_if_needed(manifest, snapshot.ingresses.get(manifest["metadata"]["name"]))
            if apply is not None:
                actions.append(apply)
        actions += _leftovers(snapshot, keep=tuple(manifest["metadata"]["name"] for manifest in manifests))
    external = settings.external_url(host) if spec.tls is not None else settings.external_http_url(host)
    url = f"{external}{spec.path or ''}"
    ready = problem or _backend_problem(snapshot, spec, port) or _unready(certificate)
    if ready is None and not _address(snapshot):
        ready = Verdict(
            False,
            Reason.ADDRESS_PENDING,
            f"the ingress controller of class {settings.ingress_class} has not taken it up yet; "
            f"if that lasts, see: kubectl get ingress {route['metadata']['name']}",
        )
    if ready is None:
        ready = Verdict(True, Reason.RECONCILED, f"published at {url}")
    return actions + _status(host, snapshot, verdict, ready, certificate, url=url, now=now, settings=settings)


def _insecure(spec: RouteSpec) -> InsecurePolicy:
    if spec.tls is None:
        return InsecurePolicy.ALLOW
    return InsecurePolicy(spec.tls.insecure_edge_termination_policy or InsecurePolicy.NONE)


def _taken(snapshot: RouteSnapshot, secret: str | None) -> Verdict | None:
    """Whether a name that the Route's children need belongs to somebody else."""
    foreign = [
        ("Ingress", live) for live in snapshot.ingresses.values() if not owned_by(live, _uid(snapshot))
    ]
    if secret is not None and snapshot.secret is not None and not owned_by(snapshot.secret, _uid(snapshot)):
        foreign.append(("Secret", snapshot.secret))
    if not foreign:
        return None
    kind, live = foreign[0]
    name = live["metadata"]["name"]
    return Verdict(
        False,
        Reason.NAME_TAKEN,
        f"{kind} {name} exists but is not this Route's; rename the Route, or: "
        f"kubectl delete {kind.lower()} {name}",
    )


def _leftovers(snapshot: RouteSnapshot, *, keep: tuple[str, ...]) -> list[Action]:
    """Deletes of the Route's own Ingresses that it no longer has."""
    return [
        Delete(INGRESS, key_of(live), live["metadata"]["uid"])
        for name, live in sorted(snapshot.ingresses.items())
        if name not in keep
        and owned_by(live, _uid(snapshot))
        and not live["metadata"].get("deletionTimestamp")
    ]


def _minting(snapshot: RouteSnapshot, host: str, secret: str, *, now: datetime) -> list[Action]:
    if snapshot.certificate is not None and tls.is_good(snapshot.certificate, host, now=now):
        return [Requeue(max(1.0, min(tls.renewal_in(snapshot.certificate, now=now), _LONGEST)))]
    mint = IssueCertificate(
        route=key_of(snapshot.route),
        route_uid=_uid(snapshot),
        secret=secret,
        hosts=(host,),
        secret_uid=snapshot.secret["metadata"]["uid"] if snapshot.secret is not None else None,
    )
    return [mint, Requeue(_LOOK_AGAIN)]


def _certificate(
    source: Source, snapshot: RouteSnapshot, host: str, *, now: datetime, settings: Settings
) -> Wanted:
    match source:
        case Source.NONE:
            status, reason, text = (
                "True",
                Reason.NO_TLS,
                "served over plain http only, as spec.tls is not set",
            )
        case Source.DEFAULT:
            text = f"the wildcard certificate of *.{settings.domain}"
            status, reason = "True", Reason.DEFAULT_CERTIFICATE
        case Source.UNAVAILABLE:
            text = (
                f"the platform's authority signs for names below {settings.domain} only, so browsers will "
                f"warn about {host}; choose a host below {settings.domain}"
            )
            status, reason = "False", Reason.CERTIFICATE_UNAVAILABLE
        case _ if tls.is_usable(snapshot.certificate, host, now=now):
            status, reason, text = "True", Reason.CERTIFICATE_ISSUED, f"a certificate for {host}"
        case _:
            status, reason, text = (
                "False",
                Reason.CERTIFICATE_PENDING,
                f"a certificate for {host} is being made",
            )
    return Wanted(Condition.CERTIFICATE_READY, "True" if status == "True" else "False", reason, text)


def _unready(certificate: Wanted) -> Verdict | None:
    if certificate.status == "True":
        return None
    return Verdict(False, certificate.reason, certificate.message)


def _backend_problem(snapshot: RouteSnapshot, spec: RouteSpec, port: int | None) -> Verdict | None:
    if snapshot.service is None:
        text = f"there is no Service {spec.to.name} yet; create it, or change spec.to.name"
        return Verdict(False, Reason.SERVICE_NOT_FOUND, text)
    if port is None:
        target = spec.port.target_port if spec.port is not None else "at all"
        text = f"Service {spec.to.name} has no port {target}; change spec.port.targetPort or the Service"
        return Verdict(False, Reason.PORT_NOT_FOUND, text)
    return None


def _address(snapshot: RouteSnapshot) -> str:
    main, _ = dialect.child_names(snapshot.route["metadata"]["name"])
    live = snapshot.ingresses.get(main)
    return dialect.address(live) if live is not None and owned_by(live, _uid(snapshot)) else ""


def _status(
    host: str,
    snapshot: RouteSnapshot,
    verdict: Verdict,
    ready: Verdict,
    certificate: Wanted,
    *,
    url: str,
    now: datetime,
    settings: Settings,
) -> list[Action]:
    route = snapshot.route
    metadata = route["metadata"]
    generation = int(metadata.get("generation") or 0)
    stored = _stored(route)
    admitted = Wanted(
        Condition.ADMITTED, "True" if verdict.admitted else "False", verdict.reason, verdict.message
    )
    wanted = [
        admitted,
        certificate,
        Wanted(Condition.READY, "True" if ready.admitted else "False", ready.reason, ready.message),
    ]
    if not ready.admitted:
        state = Condition.STALLED if ready.reason in _STALLED else Condition.RECONCILING
        wanted.append(Wanted(state, "True", ready.reason, ready.message))
    before = [condition.dump() for condition in stored.conditions or ()]
    listed = conditions.merge(before, wanted, generation=generation, now=now)
    status = RouteStatus(
        observed_generation=generation,
        host=host,
        url=url,
        address=_address(snapshot) if verdict.admitted else "",
        ingress=(
            RouteIngress(
                host=host,
                router_name=settings.ingress_class,
                conditions=tuple(c for c in listed if c["type"] == Condition.ADMITTED),
            ),
        ),
        conditions=tuple(listed),
    )
    if status == stored:
        return []
    actions: list[Action] = [Status(ROUTE, key_of(route), metadata["uid"], status.dump())]
    if _reason(stored) != verdict.reason:
        kind = "Normal" if verdict.admitted else "Warning"
        text = verdict.message
        actions.append(Event(ROUTE, key_of(route), metadata["uid"], verdict.reason, text, kind))  # type: ignore[arg-type]
    return actions


def _reason(status: RouteStatus) -> str | None:
    return next((c.reason for c in status.conditions or () if c.type == Condition.ADMITTED), None)


def _stored(route: Manifest) -> RouteStatus:
    try:
        return RouteStatus.model_validate(route.get("status") or {})
    except ValidationError:
        return RouteStatus()


def _why(problem: ValidationError) -> str:
    first = problem.errors(include_url=False, include_input=False)[0]
    return f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}; correct it"
