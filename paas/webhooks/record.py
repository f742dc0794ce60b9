"""What a BuildConfig's status says of deliveries: the last ones, and the newest commit that was built.

Front (deliveries) and server (polls) write these two fields, as one field manager, by server-side apply; who
finds the object changed reads again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from paas.api.buildconfig_status import DELIVERIES_KEPT, Delivery, SourceHead
from paas.api.resources import BUILDCONFIG, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Conflict, NotFound
from paas.reconcile.refusal import cause_of, is_refusal
from paas.webhooks.order import number_in

log = logging.getLogger(__name__)

ATTEMPTS: Final = 8

Record = Callable[[Key, Delivery | None, SourceHead | None], Awaitable[None]]
"""Write down a delivery, and a head when it is new. Never raises: it is told to people and not decided by
alone."""


def why_refused(problem: ApiError) -> str:
    """Why the API server let no Build be made."""
    refused = "cannot take the build now" if problem.is_passing else "does not allow the build"
    return f"the API server {refused}: {problem.message}"


def cause_refused(problem: ApiError) -> str | None:
    """The cause, when the API server refuses the Build itself and is not only busy."""
    return str(cause_of(problem)) if is_refusal(problem) else None


def recorded(
    stored: Mapping[str, Any], delivery: Delivery | None, head: SourceHead | None
) -> dict[str, Any] | None:
    """The server's part of a BuildConfig's status after a delivery; None when that changes nothing. One that
    is delivered again takes the place of its first entry."""
    before = list(stored.get("deliveries") or ())
    after = before
    if delivery is not None:
        entry = delivery.dump()
        if before and {**before[0], "time": ""} == {**entry, "time": ""} and delivery.event == "poll":
            entry = before[0]  # a poll that finds the same again is no news
        after = [entry, *(each for each in before if each.get("id") != entry["id"])][:DELIVERIES_KEPT]
    newest = _newest(stored.get("head"), head)
    if after == before and newest == stored.get("head"):
        return None
    return {"deliveries": after} | ({"head": newest} if newest else {})


def _newest(stored: Mapping[str, Any] | None, head: SourceHead | None) -> Mapping[str, Any] | None:
    """The head that counts. Two servers may record in another order than they made their Builds in, so of one
    branch the higher number wins; what another branch had before does not hold any more."""
    if head is None:
        return stored
    told = head.dump()
    same = stored is not None and all(stored.get(name) == told[name] for name in ("uri", "ref"))
    if stored is not None and same and number_in(str(stored["build"])) > number_in(head.build):
        return stored
    return told


MANAGER: Final = "paas-webhooks"
"""One for the processes that record, so that each goes on with the list that the other has written."""


async def record(cluster: Cluster, key: Key, delivery: Delivery | None, head: SourceHead | None) -> None:
    """See `Record`."""
    try:
        for _ in range(ATTEMPTS):
            config = await cluster.get(BUILDCONFIG, key)
            if config is None:
                return
            status = recorded(config.get("status") or {}, delivery, head)
            if status is None:
                return
            try:
                await cluster.apply(_body(config, status), manager=MANAGER, subresource="status")
                return
            except Conflict:
                continue  # changed meanwhile, perhaps by another server
        log.warning("what came of a delivery for %s is not in its status: it changes all the time", key)
    except NotFound:
        pass
    except (ApiError, ClusterUnreachable) as problem:
        log.warning("what came of a delivery for %s is not in its status: %s", key, problem)


def _body(config: Manifest, status: dict[str, Any]) -> Manifest:
    about = config["metadata"]
    return {
        "apiVersion": BUILDCONFIG.api_version,
        "kind": BUILDCONFIG.kind,
        "metadata": {name: about[name] for name in ("name", "namespace", "uid", "resourceVersion")},
        "status": status,
    }
