"""Metrics of the controllers (Prometheus), by controller and result, never by application."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_RECONCILED = Counter(
    "paas_reconcile_total",
    "How many times a controller looked at a key, by result: ok, outdated, refused, failed or error",
    ["controller", "result"],
)
_DURATION = Histogram(
    "paas_reconcile_duration_seconds", "How long a controller worked on a key at a time", ["controller"]
)
QUEUE_DEPTH = Gauge("paas_queue_depth", "How many keys wait or are worked on", ["controller"])
QUEUE_OLDEST = Gauge("paas_queue_oldest_seconds", "How long the oldest key has waited", ["controller"])


def reconciled(controller: str, result: str, seconds: float) -> None:
    """Count one reconcile: result is ok, outdated, refused, failed or error."""
    _RECONCILED.labels(controller, result).inc()
    _DURATION.labels(controller).observe(seconds)
