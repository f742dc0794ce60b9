"""What the decision about one host looks at: every Route that wants it, and what each depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.names import LABEL_ROUTE
from paas.api.resources import ROUTE, Manifest, key_of, resource_of
from paas.api.route import RouteSpec
from paas.reconcile.meta import owned_by
from paas.reconcile.plan import Delete
from paas.reconcile.refusal import Refusal, concerning
from paas.routes import tls
from paas.routes.claims import Claim, claim_of
from paas.routes.dialects import Child, Children
from paas.routes.tls import Certificate, Source
from paas.settings import Settings


@dataclass(frozen=True)
class Unreadable:
    """A spec that is not valid, and why."""

    problem: str


@dataclass(frozen=True)
class RouteSnapshot:
    """One Route, parsed once, and what it depends on."""

    route: Manifest
    spec: RouteSpec | Unreadable
    namespace: Manifest | None = None
    """The Route's; None when it is gone."""
    services: Mapping[str, Manifest] = field(default_factory=dict)
    """The Services that it names, as far as they exist."""
    children: Children = field(default_factory=dict)
    """What exists under the names of the dialect's children, also when others made it."""
    secret: Manifest | None = None
    """What exists under `tls.secret_name` (metadata only); read only when the host needs it."""
    certificate: Certificate | None = None
    """What is in that Secret, when it can be read as a certificate and its key."""
    refusals: tuple[Refusal, ...] = ()
    """What was asked for before on behalf of this Route and refused."""

    @classmethod
    def of(
        cls,
        route: Manifest,
        *,
        namespace: Manifest | None,
        services: Mapping[str, Manifest] | None = None,
    ) -> Self:
        """Parses a Route."""
        spec: RouteSpec | Unreadable
        try:
            spec = RouteSpec.model_validate(route.get("spec") or {})
        except ValidationError as problem:
            spec = Unreadable(f"{first_problem(problem)}; correct it")
        return cls(route, spec, namespace, services or {})

    @property
    def uid(self) -> str:
        return str(self.route["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.route["metadata"]["name"])

    @property
    def claim(self) -> Claim:
        return claim_of(self.route, self.namespace)

    def source(self, host: str, settings: Settings) -> Source:
        """Where the certificate of its host comes from."""
        encrypted = isinstance(self.spec, RouteSpec) and self.spec.tls is not None
        return tls.source(host, domain=settings.domain, tls=encrypted)

    def secret_name(self, host: str, settings: Settings) -> str | None:
        """Name of the Secret with the host's own certificate; None when it has none of its own."""
        return tls.secret_name(self.name) if self.source(host, settings) is Source.OWN else None

    @property
    def own_children(self) -> Children:
        """The children that are this Route's."""
        return {child: live for child, live in self.children.items() if self.is_own(live)}

    def is_own(self, child: Manifest) -> bool:
        """Whether a child is this Route's."""
        return owned_by(child, self.uid)

    @property
    def foreign(self) -> tuple[Child, ...]:
        """Names of its children that something has which is not this Route's."""
        return tuple(child for child, live in self.children.items() if not self.is_own(live))


def is_orphan(child: Manifest) -> bool:
    """Whether a child's Route was deleted without it (`--cascade=orphan`); the label says whose it was."""
    metadata = child["metadata"]
    owned = any(ref.get("controller") for ref in metadata.get("ownerReferences") or ())
    return LABEL_ROUTE in (metadata.get("labels") or {}) and not owned


def is_of_a_route(child: Manifest) -> bool:
    """Whether a child was made for a Route, also for one that is gone."""
    return is_orphan(child) or any(
        ref.get("controller") and ref.get("kind") == ROUTE.kind and ref.get("apiVersion") == ROUTE.api_version
        for ref in child["metadata"].get("ownerReferences") or ()
    )


@dataclass(frozen=True)
class HostSnapshot:
    """A host, all Routes that want it, and whatever else publishes it."""

    host: str
    routes: tuple[RouteSnapshot, ...]
    strays: tuple[Manifest, ...] = ()
    """Children that publish the host for no Route that wants it: theirs is gone, or wants another now."""
    refusals: tuple[Refusal, ...] = ()
    """What was asked for before about the host, whomever it is for, and refused."""

    def undeletable(self, child: Manifest) -> tuple[Refusal, ...]:
        """What the cluster said when it refused to delete a child."""
        about = concerning(self.refusals, resource_of(child), key_of(child))
        return tuple(refusal for refusal in about if isinstance(refusal.action, Delete))
