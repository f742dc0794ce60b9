"""Tells on the BuildConfig that a push waits because the cluster refuses its Build: the pusher, who is told
by the push, may be gone, and others look here.

    worker: refused ──▶ status.waitingPush ──▶ operator: the condition Ready

The server alone writes this field, as a field manager of its own; the operator alone writes conditions.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from paas.api.buildconfig_status import WaitingPush
from paas.api.resources import BUILDCONFIG, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.reconcile.conditions import timestamp
from paas.reconcile.refusal import cause_of, is_refusal, shortened

log = logging.getLogger(__name__)
MANAGER: Final = "paas-pushes"

TellWaiting = Callable[[Key, str, WaitingPush | None], Awaitable[bool]]
"""(BuildConfig, its UID, the push; None: none waits any more) -> False when that is to be tried again. Never
raises: it is told to people and not decided by."""


async def tell_nobody(_key: Key, _uid: str, _waiting: WaitingPush | None) -> bool:
    return True


def stored(config: Manifest) -> Manifest | None:
    """What the BuildConfig says now."""
    return (config.get("status") or {}).get("waitingPush")


def refused(config: Manifest, ref: str, commit: str, problem: ApiError) -> WaitingPush | None:
    """What is to be told of a push whose Build was answered with this; None when that is no refusal."""
    if not is_refusal(problem):
        return None
    before = stored(config) or {}
    since = before["since"] if before.get("commit") == commit else timestamp(datetime.now(UTC))
    return WaitingPush(
        ref=ref[:1024],
        commit=commit,
        since=since,
        cause=cause_of(problem),
        message=shortened(problem.message),
    )


async def tell(cluster: Cluster, key: Key, uid: str, waiting: WaitingPush | None) -> bool:
    """See `TellWaiting`."""
    status: dict[str, Any] = {"waitingPush": waiting.dump()} if waiting is not None else {}
    body = {
        "apiVersion": BUILDCONFIG.api_version,
        "kind": BUILDCONFIG.kind,
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
        "status": status,
    }
    try:
        await cluster.apply(body, manager=MANAGER, subresource="status")
    except (ApiError, ClusterUnreachable) as problem:
        log.warning("that a push to %s waits, or waits no more, is not in its status: %s", key, problem)
        return isinstance(problem, ApiError) and not problem.is_passing
    return True
