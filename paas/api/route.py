"""Route as people and controllers write it, with OpenShift's field names.

A Route publishes a Service under a host (and a path of it). Host and path are narrow on purpose: they end
up in the configuration of an ingress controller, so a character that means something there is refused by
the schema. OpenShift's fields that are not built yet are in the schema and refused by name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, ConditionModel, Kind, Model, Opaque, Status, unsupported
from paas.api.common import LocalReference, Text
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
    PASSTHROUGH = "passthrough"
    REENCRYPT = "reencrypt"


class InsecurePolicy(StrEnum):
    """What plain http gets on a Route with TLS."""

    NONE = "None"  # nothing: the host is not served there
    ALLOW = "Allow"  # the same as https
    REDIRECT = "Redirect"  # a redirect to https


class WildcardPolicy(StrEnum):
    """Whether the Route also serves the names below its host's parent."""

    NONE = "None"
    SUBDOMAIN = "Subdomain"


class RouteTarget(Model):
    """A Service of the Route's namespace."""

    kind: Annotated[str, Field(max_length=32)] = "Service"
    name: ServiceName
    weight: Annotated[int, Field(ge=0, le=256)] | None = None
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
    insecure_edge_termination_policy: InsecurePolicy | None = None
    """None (the default) serves nothing over plain http."""
    certificate: Pem | None = None
    key: Pem | None = None
    ca_certificate: Pem | None = Field(default=None, alias="caCertificate")
    destination_ca_certificate: Pem | None = Field(default=None, alias="destinationCACertificate")
    external_certificate: LocalReference | None = None
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
    action: Opaque


class HeaderActions(Model):
    """Headers changed on the way."""

    request: Annotated[tuple[HeaderAction, ...], Field(max_length=20)] | None = None
    response: Annotated[tuple[HeaderAction, ...], Field(max_length=20)] | None = None


class HttpHeaders(Model):
    """Header changes of the Route."""

    actions: HeaderActions | None = None


class RouteSpec(Model):
    """What a person says of a Route."""

    host: Host | None = None
    """Left out: `<route>-<project>.<domain>`."""
    subdomain: Annotated[str, Field(max_length=253)] | None = None
    path: Path | None = None
    to: RouteTarget
    alternate_backends: Annotated[tuple[RouteTarget, ...], Field(max_length=3)] | None = None
    port: RoutePort | None = None
    tls: RouteTls | None = None
    wildcard_policy: WildcardPolicy | None = None
    http_headers: HttpHeaders | None = None
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
    router_name: Annotated[str, Field(max_length=253)]
    conditions: Annotated[tuple[ConditionModel, ...], Field(max_length=8)] = ()


class RouteStatus(Status):
    """Where the Route is published."""

    host: Annotated[str, Field(max_length=253)] = ""
    url: Text = ""
    """What people type into a browser, with the port that is reached from outside."""
    address: Annotated[str, Field(max_length=253)] = ""
    """Of the ingress controller, as it says."""
    ingress: Annotated[tuple[RouteIngress, ...], Field(max_length=1)] = ()


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
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("URL", ".status.url", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    ),
)
