"""The Job of a collection by hand, made from the CronJob that collects every night. Pure."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Final

from paas.api.resources import JOB, Key, Manifest

GC_KEY: Final = Key("kube-system", "paas-registry-gc")
"""The CronJob. It mounts the registry's storage from the node, which no pod of paas-system may."""
DRY_RUN: Final = "--dry-run"
DEADLINE_SECONDS: Final = 3600
"""How long a collection may take, and wait for builds."""


def job_of(cron: Manifest, *, dry_run: bool, now: datetime) -> Manifest:
    """A Job that does now what the CronJob does."""
    template = copy.deepcopy(cron["spec"]["jobTemplate"])
    if dry_run:
        template["spec"]["template"]["spec"]["containers"][0]["args"].append(DRY_RUN)
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": f"{GC_KEY.name}-{now:%Y%m%d%H%M%S%f}",
            "namespace": GC_KEY.namespace,
            "labels": dict(metadata.get("labels") or {}),
        },
        "spec": template["spec"] | {"ttlSecondsAfterFinished": 3600},
    }


def outcome(job: Manifest | None) -> bool | None:
    """Whether a Job ended well; None while it has not ended."""
    conditions = ((job or {}).get("status") or {}).get("conditions") or ()
    true = {each["type"] for each in conditions if each.get("status") == "True"}
    if "Complete" in true:
        return True
    return False if "Failed" in true or job is None else None
