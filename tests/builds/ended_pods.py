"""Build pods that have ended, and what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paas.api.resources import Manifest
from paas.builds.outcome import assess

NOW = datetime(2027, 1, 1, tzinfo=UTC)
RUNTIMES = ("registry.paas.internal:5000/paas/runtime-python:latest",)
DIGEST = "sha256:" + "d" * 64
JOB: Manifest = {"metadata": {"name": "shop-1-build", "namespace": "demo"}}


def info(message: str) -> str:
    return f'time="2027-01-01T00:00:00Z" level=info msg="{message}"'


def ended(code: int, message: str = "", reason: str = "Error") -> Manifest:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def pod(
    *, kaniko: Manifest | None = None, fetch: Manifest | None = None, phase: str = "Failed", **status: Any
) -> Manifest:
    good = ended(0, "{}", "Completed")
    return {
        "metadata": {"name": "shop-1-build-x"},
        "status": {
            "phase": phase,
            "startTime": "2027-01-01T00:00:00Z",
            "initContainerStatuses": [{"name": "fetch", "state": fetch or good}],
            "containerStatuses": [
                {"name": "kaniko", "state": kaniko or {"waiting": {"reason": "PodInitializing"}}}
            ],
            **status,
        },
    }


def judged(pod: Manifest | None, *, job: Manifest | None = JOB, tail: str | None = None) -> Any:
    return assess(job=job, pod=pod, tail=tail, now=NOW, runtimes=RUNTIMES)
