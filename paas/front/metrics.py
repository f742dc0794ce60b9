"""The front's metrics: webhooks."""

from __future__ import annotations

from prometheus_client import Counter

from paas.web import metrics


class Metrics(metrics.Metrics):
    """Counters of one front."""

    def __init__(self) -> None:
        super().__init__()
        self._webhooks = Counter(
            "paas_webhook_total",
            "How many webhook deliveries were received, by git host and decision",
            ["host", "decision"],
            registry=self.registry,
        )

    def delivered(self, host: str, decision: str) -> None:
        self._webhooks.labels(host, decision).inc()
