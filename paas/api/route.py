"""Route as people and controllers write it, with OpenShift's field names.

A Route publishes a Service under a host (and a path of it). Host and path are narrow on purpose: they end
up in the configuration of an ingress controller, so a character that means something there is refused by
the schema. OpenShift's fields that are not built yet are in the schema and refused by name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, ConditionModel, ConditionType, Kind, Model, Opaque, Status, unsupported
from paas.api.common import LocalReference, Text
from paas.api.names import Condition, Reason
from paas.api.resources import ROUTE

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

Host = Annotated[str, Field(max_length=253, min_length=1, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
"""Lower-case DNS name, without a final dot."""
Path = Annotated[str, Field(max_length=512, pattern=r"^/[A-Za-z0-9/._~@:+,=-]*$")]
"""Path prefix; quotes, spaces, escapes and what ends a statement somewhere are not in it."""
ServiceName = Annotated[str, Field(max_length=63, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
Pem = Annotated[str, Field(max_length=65536)]
Port = Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]


class Termination(StrEnum):
    """Where TLS ends."""

    EDGE = "edge"
    """At the router; it speaks plain http to the pods."""
    PASSTHROUGH = "passthrough"
    """At the pods; the router passes the bytes on."""
    REENCRYPT = "reencrypt"
    """At the router, which speaks TLS to the pods again."""


class InsecurePolicy(StrEnum):
    """What plain http gets on a Route with TLS."""

    NONE = "None"
    """Nothing: the host is not served over plain http."""
    ALLOW = "Allow"
    """The same as https."""
    REDIRECT = "Redirect"
    """A redirect to https."""


class WildcardPolicy(StrEnum):
    """Whether the Route also serves the names below its host's parent."""

    NONE = "None"
    """Only the host itself."""
    SUBDOMAIN = "Subdomain"
    """All names below the host's parent."""


class RouteTarget(Model):
    """A Service of the Route's namespace."""

    kind: Annotated[str, Field(max_length=32)] = "Service"
    """Service."""
    name: ServiceName
    """Name of the Service."""
    weight: Annotated[int, Field(ge=0, le=256)] | None = None
    """Share of the requests, when there are several targets."""
    cel = (
        ("!has(self.kind) || self.kind == 'Service'", "to.kind must be Service"),
        ("!has(self.weight) || self.weight > 0", "to.weight 0 is not supported yet; leave weight out"),
    )


class RoutePort(Model):
    """Which port of the Service."""

    target_port: Port
    """The number or name of a port of the pods, or the name of a port of the Service."""
    cel = (
        (
            "type(self.targetPort) == int ? self.targetPort >= 1 && self.targetPort <= 65535 : "
            "string(self.targetPort).matches('^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$')",
            "port.targetPort must be a port number (1-65535) or a port's name (at most 15 characters)",
        ),
    )


class RouteTls(Model):
    """TLS of the Route; without it the host is served over plain http only."""

    termination: Termination
    """Where TLS ends; edge: at the router, which speaks plain http to the pods."""
    insecure_edge_termination_policy: InsecurePolicy | None = None
    """What plain http gets. None, also when absent: nothing; Allow: the same as https; Redirect: a redirect
    to https."""
    certificate: Pem | None = None
    """Certificate of the host, PEM."""
    key: Pem | None = None
    """Its private key, PEM."""
    ca_certificate: Pem | None = Field(default=None, alias="caCertificate")
    """Its chain, PEM."""
    destination_ca_certificate: Pem | None = Field(default=None, alias="destinationCACertificate")
    """The authority of the pods' certificates, PEM."""
    external_certificate: LocalReference | None = None
    """Secret with the certificate."""
    cel = (
        (
            "self.termination == 'edge'",
            "tls.termination passthrough and reencrypt are not supported yet; use edge",
        ),
        *unsupported("certificate", "key", "caCertificate"),
        *unsupported("destinationCACertificate", "externalCertificate"),
    )


class HeaderAction(Model):
    """A header to set or delete."""

    name: Annotated[str, Field(max_length=255)]
    """Name of the header."""
    action: Opaque
    """What is done with it."""


class HeaderActions(Model):
    """Headers changed on the way."""

    request: Annotated[tuple[HeaderAction, ...], Field(max_length=20)] | None = None
    """Headers of requests."""
    response: Annotated[tuple[HeaderAction, ...], Field(max_length=20)] | None = None
    """Headers of responses."""


class HttpHeaders(Model):
    """Header changes of the Route."""

    actions: HeaderActions | None = None
    """The changes."""


class RouteSpec(Model):
    """Publishes a Service under a host, and a path of it."""

    host: Host | None = None
    """The name under which the application answers. Absent: `<route>-<project>.<domain>`."""
    subdomain: Annotated[str, Field(max_length=253)] | None = None
    """First part of the host, below the router's domain."""
    path: Path | None = None
    """Only requests whose path begins with this go to the Service."""
    to: RouteTarget
    """The Service that gets the requests."""
    alternate_backends: Annotated[tuple[RouteTarget, ...], Field(max_length=3)] | None = None
    """More Services that share the requests by weight."""
    port: RoutePort | None = None
    """Which port of the Service; absent means its first one."""
    tls: RouteTls | None = None
    """How https is served; absent means plain http only."""
    wildcard_policy: WildcardPolicy | None = None
    """Whether all names below the host's parent are served, too."""
    http_headers: HttpHeaders | None = None
    """Headers that are changed on the way."""
    cel = (
        (
            "!has(self.host) || !self.host.matches('^[0-9.]+$')",
            "host must be a DNS name, not an IP address",
        ),
        (
            "!has(self.path) || !(self.path.contains('//') || self.path.matches('/[.][.]?(/|$)'))",
            "path must not contain '//', '/./' or '/../'",
        ),
        (
            "!has(self.wildcardPolicy) || self.wildcardPolicy == 'None'",
            "wildcardPolicy Subdomain is not supported yet; leave it out",
        ),
        *unsupported("subdomain", "alternateBackends", "httpHeaders"),
    )


class RouteIngress(Model):
    """How one router sees the Route (there is one)."""

    host: Annotated[str, Field(max_length=253)]
    """The host."""
    router_name: Annotated[str, Field(max_length=253)]
    """The ingress class."""
    conditions: Annotated[tuple[ConditionModel, ...], Field(max_length=8)] = ()
    """Whether this router admitted the Route."""


class RouteStatus(Status):
    """Where the Route is published."""

    host: Annotated[str, Field(max_length=253)] = ""
    """The host, also when the spec leaves it out."""
    url: Text = ""
    """What people type into a browser, with the port that is reached from outside."""
    address: Annotated[str, Field(max_length=253)] = ""
    """Address of the ingress controller, as it reports it."""
    ingress: Annotated[tuple[RouteIngress, ...], Field(max_length=1)] = ()
    """The router that serves it."""


_REFUSED: Final = (
    Reason.BEING_DELETED,
    Reason.HOST_ALREADY_CLAIMED,
    Reason.HOST_RESERVED,
    Reason.INVALID_HOST,
    Reason.INVALID_SPEC,
    Reason.NAME_TAKEN,
    Reason.NOT_A_PROJECT,
)
KIND: Final = Kind(
    resource=ROUTE,
    singular="route",
    short_names=("rt",),
    spec=RouteSpec,
    status=RouteStatus,
    columns=(
        Column("Host", ".status.host"),
        Column("Path", ".spec.path"),
        Column("Services", ".spec.to.name"),
        Column("Port", ".spec.port.targetPort"),
        Column("Termination", ".spec.tls.termination"),
        # not "Ready": it says nothing of the pods behind it
        Column("Published", ".status.conditions[?(@.type=='Ready')].status"),
        Column("URL", ".status.url", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    ),
    conditions=(
        ConditionType(
            Condition.READY,
            "The Route is published at status.url. Whether pods serve it, `paas status` says.",
            (
                Reason.RECONCILED,
                *_REFUSED,
                Reason.REFUSED,
                Reason.RECONCILE_FAILED,
                Reason.HOST_NOT_RELEASED,
                Reason.SERVICE_NOT_FOUND,
                Reason.PORT_NOT_FOUND,
                Reason.ADDRESS_PENDING,
                Reason.CERTIFICATE_PENDING,
                Reason.CERTIFICATE_UNAVAILABLE,
            ),
        ),
        ConditionType(
            Condition.ADMITTED,
            "The host (and path) is the Route's own; whether it is published yet, Ready says.",
            (Reason.ADMITTED, *_REFUSED),
        ),
        ConditionType(
            Condition.CERTIFICATE_READY,
            "The certificate that the host needs is in place.",
            (
                Reason.DEFAULT_CERTIFICATE,
                Reason.CERTIFICATE_ISSUED,
                Reason.NO_TLS,
                Reason.CERTIFICATE_PENDING,
                Reason.CERTIFICATE_UNAVAILABLE,
                *_REFUSED,
            ),
        ),
        ConditionType(
            Condition.RECONCILING,
            "It waits for something that comes by itself (absent when not).",
            (
                Reason.RECONCILE_FAILED,
                Reason.HOST_NOT_RELEASED,
                Reason.SERVICE_NOT_FOUND,
                Reason.PORT_NOT_FOUND,
                Reason.ADDRESS_PENDING,
                Reason.CERTIFICATE_PENDING,
            ),
        ),
        ConditionType(
            Condition.STALLED,
            "Nothing will go on until a person changes something (absent when not).",
            (*_REFUSED, Reason.REFUSED, Reason.CERTIFICATE_UNAVAILABLE),
        ),
    ),
    example="""\
apiVersion: paas.dev/v1
kind: Route
metadata:
  name: shop
spec:
  host: shop.example.com
  to:
    kind: Service
    name: shop
  port:
    targetPort: http
  tls:
    termination: edge
    insecureEdgeTerminationPolicy: Redirect
""",
)
