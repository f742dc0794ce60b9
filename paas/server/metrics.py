"""The server's metrics: pushes."""

from __future__ import annotations

from prometheus_client import Counter

from paas.web import metrics


class Metrics(metrics.Metrics):
    """Counters of one server."""

    def __init__(self) -> None:
        super().__init__()
        self._pushes = Counter(
            "paas_push_total", "How many pushes were received, by result", ["result"], registry=self.registry
        )

        self._repacks = Counter(
            "paas_repack_total", "How many repacks of repositories ended, by result", ["result"],
            registry=self.registry,
        )  # fmt: skip

    def packed(self, result: str) -> None:
        self._repacks.labels(result).inc()

    def pushed(self, result: str) -> None:
        self._pushes.labels(result).inc()
