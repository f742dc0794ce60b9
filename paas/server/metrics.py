"""The server's metrics (Prometheus): pushes, webhooks, and how long accepted pushes wait for their Build."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Counters of one server, in a registry of their own so that tests can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._pushes = Counter(
            "paas_push_total", "How many pushes were received, by result", ["result"], registry=self.registry
        )
        self._webhooks = Counter(
            "paas_webhook_total",
            "How many webhook deliveries were received, by git host and decision",
            ["host", "decision"],
            registry=self.registry,
        )

    def pushed(self, result: str) -> None:
        self._pushes.labels(result).inc()

    def delivered(self, host: str, decision: str) -> None:
        self._webhooks.labels(host, decision).inc()

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when asked for."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
