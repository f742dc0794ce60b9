"""The decision about one host: who owns it, and what each of the Routes that want it gets.

All Routes of a host are decided together, because one's admission is another's refusal. What those that lost
publish, and what is left of Routes that are gone, is taken down before the one that won is put up; where that
takes time (a finalizer) or is refused, the winner waits, so that no moment has two projects under one host.
Which objects publish a Route is the dialect's knowledge alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from paas.api.names import Condition, Reason
from paas.api.resources import SECRET, Key, Manifest, key_of, resource_of
from paas.api.route import RouteSpec
from paas.reconcile.conditions import Wanted
from paas.reconcile.meta import apply_if_needed, owned_by
from paas.reconcile.plan import Action, Delete, Effect, Plan, Requeue
from paas.reconcile.refusal import Cause, Refusal, subject_of
from paas.reconcile.status import refused
from paas.routes import capabilities, status, tls
from paas.routes.backend import backend_problem
from paas.routes.claims import Verdict, judge
from paas.routes.dialects import Child, Dialect
from paas.routes.intent import Intent, intent_of
from paas.routes.snapshot import HostSnapshot, RouteSnapshot, Unreadable
from paas.settings import Settings

_LOOK_AGAIN: Final = 1.0
"""Seconds after which a certificate that was asked for is looked at."""
_RECHECK: Final = 15.0
"""Seconds after which a taken name or a lingering child is looked at again: not all of them are watched."""
_LONGEST: Final = 86400.0
_WHY: Final = {
    Cause.RIGHTS: "the platform lacks the right, which `paas install` gives it again",
    Cause.POLICY: "a rule of the cluster forbids it",
}
"""Why a Delete is refused, in words that name no project."""


@dataclass(frozen=True)
class IssueCertificate(Effect):
    """Write Secret `secret` with a certificate of the platform's authority for `hosts`, owned by the Route.

    `secret_uid` is that of the Route's Secret when it exists, to be written again."""

    route: Key
    route_uid: str
    secret: str
    hosts: tuple[str, ...]
    secret_uid: str | None = None

    @property
    def subject(self) -> str:
        return f"Secret {self.secret}"


def plan(observed: HostSnapshot, *, dialect: Dialect, now: datetime, settings: Settings) -> Plan:
    """What belongs to no Route first, then refused Routes, then the admitted ones, oldest first."""
    verdicts = judge(observed.host, [snapshot.claim for snapshot in observed.routes], settings)
    ordered = sorted(
        observed.routes, key=lambda snapshot: (verdicts[snapshot.uid].admitted, snapshot.claim.age)
    )
    losing = [
        live
        for snapshot in ordered
        if not verdicts[snapshot.uid].admitted
        for live in snapshot.own_children.values()
        if observed.host in dialect.hosts(live)
    ]
    lingering: dict[str, tuple[Refusal, ...]] = {}
    for live in (*observed.strays, *losing):
        undeletable = observed.undeletable(live)
        if undeletable or _stays_for_a_while(live):
            namespace = live["metadata"]["namespace"]
            lingering[namespace] = (*lingering.get(namespace, ()), *undeletable)
    actions: list[Action] = [
        Delete(resource_of(live), key_of(live), live["metadata"]["uid"])
        for live in observed.strays
        if not live["metadata"].get("deletionTimestamp")
    ]
    for snapshot in ordered:
        decision = _Decision(observed.host, snapshot, dialect, now, settings, lingering)
        actions += decision.actions(verdicts[snapshot.uid])
    return Plan(tuple(actions))


def _stays_for_a_while(child: Manifest) -> bool:
    """Whether a child is still there, and perhaps served, after it was deleted."""
    metadata = child["metadata"]
    return bool(metadata.get("deletionTimestamp") or metadata.get("finalizers"))


def refusals_of(
    snapshot: RouteSnapshot, refusals: tuple[Refusal, ...], dialect: Dialect
) -> tuple[Refusal, ...]:
    """Those of a host's refusals that are about this Route."""
    route = key_of(snapshot.route)
    children = [(child, Key(route.namespace, name)) for child, name in dialect.children(snapshot.name)]
    return tuple(
        refusal
        for refusal in refusals
        if any(refusal.concerns(*child) for child in children)
        or (isinstance(refusal.action, IssueCertificate) and refusal.action.route == route)
    )


@dataclass(frozen=True)
class _Decision:
    """About one of the host's Routes."""

    host: str
    snapshot: RouteSnapshot
    dialect: Dialect
    now: datetime
    settings: Settings
    lingering: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)
    """Namespaces that still publish the host, though they may not; and which Deletes there were refused."""

    @property
    def namespace(self) -> str:
        return str(self.snapshot.route["metadata"]["namespace"])

    def actions(self, verdict: Verdict) -> list[Action]:
        spec = self.snapshot.spec
        if isinstance(spec, Unreadable):
            return self._refused(Verdict(False, Reason.INVALID_SPEC, spec.problem))
        if not verdict.admitted:
            return self._refused(verdict)
        secret = self.snapshot.secret_name(self.host, self.settings)
        intent = intent_of(spec, self.host, services=self.snapshot.services, secret=secret)
        if lacking := capabilities.unsupported(intent, self.dialect.capabilities):
            return self._refused(Verdict(False, Reason.INVALID_SPEC, capabilities.refusal(lacking)))
        return self._admitted(spec, intent, verdict)

    def _refused(self, verdict: Verdict) -> list[Action]:
        """Nothing of the Route is published."""
        text = "the Route is not admitted; see condition Admitted"
        certificate = Wanted(Condition.CERTIFICATE_READY, "False", verdict.reason, text)
        leftovers = self._leftovers(keep=())
        planned = {subject_of(action) for action in leftovers}
        # Also what was left behind in the project by a Route that is gone, and so can say nothing itself.
        stuck = [
            *(refusal for refusal in self.snapshot.refusals if refusal.subject in planned),
            *self.lingering.get(self.namespace, ()),
        ]
        return [*leftovers, *self._status(verdict, self._told(stuck) or verdict, certificate)]

    def _admitted(self, spec: RouteSpec, intent: Intent, verdict: Verdict) -> list[Action]:
        actions: list[Action] = []
        problem = self._not_released() or self._name_taken(intent)
        if problem is None:
            wanted = self.dialect.render(self.snapshot.route, intent, self.settings)
            applies = (
                apply_if_needed(child, self.snapshot.children.get(key)) for key, child in wanted.items()
            )
            actions += self._certificate(intent)
            actions += [apply for apply in applies if apply is not None]
            actions += self._leftovers(keep=wanted)
        else:
            actions.append(Requeue(_RECHECK))
        certificate = status.certificate(self.snapshot, self.host, now=self.now, settings=self.settings)
        external = self.settings.external_http_url if spec.tls is None else self.settings.external_url
        url = f"{external(self.host)}{spec.path or ''}"
        address = self.dialect.address(self.snapshot.name, self.snapshot.own_children)
        ready = (
            problem
            or self._told((*self.snapshot.refusals, *self.lingering.get(self.namespace, ())))
            or backend_problem(spec, self.snapshot.services)
            or status.without_certificate(certificate)
            or self._without_address(address)
            or Verdict(True, Reason.RECONCILED, f"published at {url}")
        )
        return actions + self._status(verdict, ready, certificate, url=url, address=address)

    def _not_released(self) -> Verdict | None:
        """Whether another project still publishes the host. Which one is not said, nor in what words the
        cluster refuses to end it, as they name it: not all may know of it."""
        elsewhere = [refused for namespace, refused in self.lingering.items() if namespace != self.namespace]
        if not elsewhere:
            return None
        kinds = ",".join(resource.kind.lower() for resource in self.dialect.resources)
        found = f"an administrator finds it with: kubectl get {kinds} -A | grep -F {self.host}"
        undeletable = next((refusal for refused in elsewhere for refusal in refused), None)
        if undeletable is None:
            text = (
                f"what another project published under {self.host} is still being taken down; the Route is "
                f"published when that is done; if it lasts, a finalizer keeps it, and {found}"
            )
        else:
            why = _WHY.get(undeletable.cause, "the log of the operator says why")
            text = (
                f"what another project published under {self.host} is still there, as the cluster refuses "
                f"its deletion ({why}); the Route is published when it is gone; {found}"
            )
        return Verdict(False, Reason.HOST_NOT_RELEASED, text)

    def _name_taken(self, intent: Intent) -> Verdict | None:
        """Whether a name that the Route's children need belongs to somebody else."""
        taken = [(resource.kind, name) for resource, name in self.snapshot.foreign]
        secret = self.snapshot.secret
        if intent.secret is not None and secret is not None and not owned_by(secret, self.snapshot.uid):
            taken.append((SECRET.kind, intent.secret))
        if not taken:
            return None
        kind, name = taken[0]
        return Verdict(
            False,
            Reason.NAME_TAKEN,
            f"{kind} {name} exists but is not this Route's; rename the Route, or: "
            f"kubectl delete {kind.lower()} {name}",
        )

    def _told(self, refusals: Sequence[Refusal]) -> Verdict | None:
        """What the cluster does not let be done. It is asked for again, so the rest of the plan stands."""
        if not refusals:
            return None
        found = refused(refusals[0], namespace=self.namespace)
        return Verdict(False, found.reason, found.message)

    def _without_address(self, address: str) -> Verdict | None:
        if address:
            return None
        resource, name = self.dialect.children(self.snapshot.name)[0]
        return Verdict(
            False,
            Reason.ADDRESS_PENDING,
            f"the ingress controller of class {self.settings.ingress_class} has not taken it up yet; "
            f"if that lasts, see: kubectl get {resource.kind.lower()} {name}",
        )

    def _leftovers(self, *, keep: Collection[Child]) -> list[Action]:
        """Deletes of the Route's own children that it no longer has."""
        return [
            Delete(child[0], key_of(live), live["metadata"]["uid"])
            for child, live in sorted(self.snapshot.own_children.items(), key=lambda item: item[0][1])
            if child not in keep and not live["metadata"].get("deletionTimestamp")
        ]

    def _certificate(self, intent: Intent) -> list[Action]:
        """What keeps the host's own certificate good, if it has one of its own."""
        if intent.secret is None:
            return []
        found, secret = self.snapshot.certificate, self.snapshot.secret
        if found is not None and tls.is_good(found, self.host, now=self.now):
            return [Requeue(max(1.0, min(tls.renewal_in(found, now=self.now), _LONGEST)))]
        issue = IssueCertificate(
            route=key_of(self.snapshot.route),
            route_uid=self.snapshot.uid,
            secret=intent.secret,
            hosts=(self.host,),
            secret_uid=secret["metadata"]["uid"] if secret is not None else None,
        )
        if any(isinstance(refusal.action, IssueCertificate) for refusal in self.snapshot.refusals):
            return [issue]  # the Secret comes when it is accepted, and not before
        return [issue, Requeue(_LOOK_AGAIN)]

    def _status(
        self, admitted: Verdict, ready: Verdict, certificate: Wanted, *, url: str = "", address: str = ""
    ) -> list[Action]:
        found = status.Found(self.host, admitted, ready, certificate, url, address)
        return status.written(self.snapshot, found, now=self.now, settings=self.settings)
