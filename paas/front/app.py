"""The front as one ASGI application.

    /webhooks/…     webhooks.http         deliveries of git hosts
    /registry/…     registry.http         tokens for the registry

What the kubelet and Prometheus ask is answered on another port (`web.health`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from paas.api.build_request import Instantiate
from paas.front.metrics import Metrics
from paas.git.push import FindConfig
from paas.registry.http import TokenDependencies, TokenHttp
from paas.web.dispatch import ByPath, Logged, nothing_here
from paas.web.health import Health
from paas.web.https_only import HttpsOnly
from paas.webhooks.heads import AskHead
from paas.webhooks.http import WebhookHttp
from paas.webhooks.record import Record
from paas.webhooks.source_builds import FindBuilds, SourceBuilds


@dataclass(frozen=True)
class Dependencies:
    """What the front is made of; everything that talks to the cluster is given."""

    find_config: FindConfig
    find_secret: FindConfig
    find_builds: FindBuilds
    ask_head: AskHead
    record: Record
    instantiate: Instantiate
    tokens: TokenDependencies
    ready: Callable[[], Awaitable[bool]]
    """Whether the cluster answers."""
    address: str = ""
    """The platform's own https URL outside, to which plain http is redirected."""


class Front:
    """The application; `app` is ASGI without a lifespan, and `health` is for the port beside it."""

    def __init__(self, needs: Dependencies) -> None:
        self.metrics = Metrics()
        webhooks = WebhookHttp(
            find_config=needs.find_config,
            find_secret=needs.find_secret,
            source_builds=SourceBuilds(
                find_config=needs.find_config,
                find_builds=needs.find_builds,
                instantiate=needs.instantiate,
                ask_head=needs.ask_head,
            ),
            record=needs.record,
            counted=self.metrics.delivered,
        )
        by_path = ByPath({"/webhooks/": webhooks, "/registry/": TokenHttp(needs.tokens)}, nothing_here)
        self.app = Logged(HttpsOnly(by_path, address=needs.address))
        self.health = Health(ended=lambda: "", ready=needs.ready, metrics=self.metrics.text)
