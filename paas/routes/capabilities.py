"""What each dialect can carry, as data: a Route that asks for more is told so instead of served halfway."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Feature(StrEnum):
    """Something that a Route may ask for."""

    EDGE = "edge TLS"
    OWN_CERTIFICATE = "a certificate of its own"
    INSECURE_ALLOW = "plain http beside https"
    INSECURE_REDIRECT = "redirect from http to https"
    PATH = "a path"
    WEIGHTS = "weighted backends"
    PASSTHROUGH = "passthrough TLS"
    REENCRYPT = "reencrypt TLS"
    WILDCARD = "wildcard hosts"
    HEADERS = "header changes"


CAPABILITIES: Final[Mapping[str, frozenset[Feature]]] = {
    # networking.k8s.io/v1 Ingress as Traefik reads it, with its annotations for entry points and middlewares.
    # Its Ingress provider takes one Service a path, so it carries no weights.
    "ingress": frozenset(
        {
            Feature.EDGE,
            Feature.OWN_CERTIFICATE,
            Feature.INSECURE_ALLOW,
            Feature.INSECURE_REDIRECT,
            Feature.PATH,
        }
    ),
}
