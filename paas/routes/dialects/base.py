"""What every dialect answers: which objects an ingress controller needs to publish what a Route asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from paas.api.resources import Manifest, Resource
from paas.routes.capabilities import Feature
from paas.routes.intent import Intent
from paas.settings import Settings

Child = tuple[Resource, str]
"""An object that a dialect writes in the Route's namespace: its resource and its name."""
Children = Mapping[Child, Manifest]


class Dialect(Protocol):
    """The language of one ingress controller. Pure: a dialect decides nothing and reads nothing."""

    name: ClassVar[str]
    resources: ClassVar[tuple[Resource, ...]]
    """All resources that it writes: they are watched."""
    capabilities: ClassVar[frozenset[Feature]]
    """What it can do. It is never asked to render an intent that needs more."""

    def children(self, route: str) -> tuple[Child, ...]:
        """All children that a Route of this name may have, whatever it asks for."""

    def render(self, route: Manifest, intent: Intent, settings: Settings) -> Children:
        """The children that publish an intent, in the order in which they are applied."""

    def hosts(self, child: Manifest) -> frozenset[str]:
        """The hosts that a live child publishes, whoever wrote it."""

    def address(self, route: str, live: Children) -> str:
        """Where the ingress controller says that it serves a Route, by the Route's live children; empty
        when it has not said so yet."""
