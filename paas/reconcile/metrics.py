"""Metrics of the controllers (Prometheus), by controller and result, never by application."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_RECONCILED = Counter("paas_reconcile_total", "Reconciles", ["controller", "result"])
_DURATION = Histogram("paas_reconcile_duration_seconds", "Time of one reconcile", ["controller"])
QUEUE_DEPTH = Gauge("paas_queue_depth", "Keys waiting or worked on", ["controller"])
QUEUE_OLDEST = Gauge("paas_queue_oldest_seconds", "Age of the key that waits longest", ["controller"])


def reconciled(controller: str, result: str, seconds: float) -> None:
    """Count one reconcile: result is ok, outdated, refused or error."""
    _RECONCILED.labels(controller, result).inc()
    _DURATION.labels(controller).observe(seconds)
