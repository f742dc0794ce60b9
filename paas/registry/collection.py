"""While unused images are collected, nobody pushes: the Lease that says so, and how it is read. Pure.

The registry's garbage collection takes every layer that no manifest names, and a push that is under way has
sent layers whose manifest is still to come. So:

    collector   takes the Lease ─▶ lists the pods of builds, live ─▶ none: collects ─▶ gives the Lease back
    front       a token to push is asked for ─▶ reads the Lease, live ─▶ held: "ask again later" (503)
    operator    a build is due ─▶ reads the Lease, live ─▶ held: the build waits for its turn

A pod that the collector did not see was made after the Lease was taken, so it asks for its token after that,
and gets none. Only the front's answer decides; the operator's spares the build the refusal. Pulls go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from paas.api import names
from paas.api.resources import Key, Manifest

LEASE_KEY: Final = Key(names.SYSTEM_NAMESPACE, "registry-gc")
LOCK: Final = "registry-gc-lock"
"""File in the storage: locked by who collects, and shared by those who load images on the node."""
SLACK: Final = 30
"""Seconds that a Lease counts for longer than it says: clocks of nodes differ."""
RETRY_AFTER: Final = 3
"""Seconds after which a build, or a client that asks for a token, is to ask again."""


class CannotCollect(Exception):
    """Nothing, or not all, was collected; why, and what follows."""


def under_way(lease: Mapping[str, Any] | None, *, now: datetime) -> bool:
    """Whether somebody collects. One that died holds the Lease for as long as that says, and no longer."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity"):
        return False
    try:
        renewed = datetime.fromisoformat(str(spec.get("renewTime")))
        seconds = int(spec.get("leaseDurationSeconds") or 0) + SLACK
        return now < renewed + timedelta(seconds=seconds)
    except (ValueError, TypeError, OverflowError):
        return False


def may_push(pod: Manifest) -> bool:
    """Whether a build's pod may be pushing. One that no node has room for has never run, so it has no token
    yet; on a full disk, such pods wait for what a collection frees."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or ()
    unschedulable = any(
        each.get("type") == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions
    )
    return status.get("phase") not in ("Succeeded", "Failed") and not unschedulable


def is_other_version(pod: Manifest, image: str) -> bool:
    """Whether a pod of the platform runs another version of it. One from before the Lease, also after a
    downgrade, gives tokens to push while images are collected."""
    images = {container.get("image") for container in pod["spec"]["containers"]}
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") and image not in images
