"""What a Route may ask for that not every dialect can do.

A Route that needs something its dialect cannot do is refused with the reason, and nothing of it is published.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from paas.api.route import InsecurePolicy, Termination
from paas.routes.intent import Intent


class Feature(StrEnum):
    """Something that a Route may ask for; the value is what it is called in messages."""

    EDGE = "tls.termination edge"
    PASSTHROUGH = "tls.termination passthrough"
    REENCRYPT = "tls.termination reencrypt"
    OWN_CERTIFICATE = "a certificate of its own"
    INSECURE_ALLOW = "plain http beside https"
    INSECURE_REDIRECT = "a redirect from http to https"
    PATH = "a path"
    WEIGHTS = "sharing traffic by weight"


INSTEAD: Final[Mapping[Feature, str]] = {
    Feature.EDGE: "remove spec.tls",
    Feature.PASSTHROUGH: "use edge",
    Feature.REENCRYPT: "use edge",
    Feature.OWN_CERTIFICATE: "choose a host right below the domain",
    Feature.INSECURE_ALLOW: "set tls.insecureEdgeTerminationPolicy to None",
    Feature.INSECURE_REDIRECT: "set tls.insecureEdgeTerminationPolicy to None",
    Feature.PATH: "remove spec.path",
    Feature.WEIGHTS: "remove spec.alternateBackends and spec.to.weight",
}
"""What to do where a feature is not there."""

_OF_TERMINATION: Final = {
    Termination.EDGE: Feature.EDGE,
    Termination.PASSTHROUGH: Feature.PASSTHROUGH,
    Termination.REENCRYPT: Feature.REENCRYPT,
}
_OF_INSECURE: Final = {
    InsecurePolicy.ALLOW: Feature.INSECURE_ALLOW,
    InsecurePolicy.REDIRECT: Feature.INSECURE_REDIRECT,
}


def needed(intent: Intent) -> frozenset[Feature]:
    """The features that this intent needs."""
    found: set[Feature | None] = set()
    if intent.termination is not None:
        found |= {_OF_TERMINATION[intent.termination], _OF_INSECURE.get(intent.insecure)}
    if intent.secret is not None:
        found.add(Feature.OWN_CERTIFICATE)
    if intent.path != "/":
        found.add(Feature.PATH)
    if len(intent.backends) > 1 or any(backend.weight == 0 for backend in intent.backends):
        found.add(Feature.WEIGHTS)
    return frozenset(feature for feature in found if feature is not None)


def unsupported(intent: Intent, capabilities: Collection[Feature]) -> tuple[Feature, ...]:
    """The features that this intent needs and a dialect with these capabilities does not have, in order."""
    lacking = needed(intent) - frozenset(capabilities)
    return tuple(feature for feature in Feature if feature in lacking)


def refusal(lacking: Collection[Feature]) -> str:
    """The message to a Route that needs these."""
    return "; ".join(f"{feature} is not supported yet; {INSTEAD[feature]}" for feature in lacking)
