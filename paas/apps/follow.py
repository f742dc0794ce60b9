"""Follows a Build while it happens: queue, log, image, rollouts, address.

    Build ──watch──▶ queued, running ──log──▶ lines ──▶ pushed
        DeploymentConfigs that deploy its tag ──watch, with their pods──▶ 1/3 ready ──▶ live, or why not
            Routes to them ──watch──▶ https://…

The server streams it to the pusher, `start-build --follow` to the person who typed it. It only reads:
leaving it changes nothing, and ends every watch at once (that is what the `aclosing` are for: a generator
that is left in a loop would be closed only when the collector comes by). It ends by itself on every final
state, and after `wait` seconds. What happens is events of `apps.progress`; `apps.render_progress` has the
words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from paas.api import names
from paas.api.build import Phase
from paas.api.resources import BUILD, Key, Manifest
from paas.apps import builds, read_progress
from paas.apps.container_logs import build_log
from paas.apps.follow_rollout import follow_rollouts
from paas.apps.progress import BuildDeleted, Detected, End, LogLine, ProgressEvent, Queued, Result, Running
from paas.kube.cluster import Cluster
from paas.kube.observe import ENDED, Merge, observe

WAIT: Final = 900.0
"""Seconds for which a Build is followed at most."""
LOG_GRACE: Final = 10.0
"""Seconds that the rest of a log may take after the build is over."""


async def follow(
    cluster: Cluster, build: Manifest, *, wait: float = WAIT, rollout: bool = True
) -> AsyncGenerator[ProgressEvent, None]:
    """What happens to a Build from now on; the last event is its End. Without `rollout` it ends with the
    build, and reads no log.

    Raises ApiError when the reader may not see what it is about.
    """
    until = asyncio.get_running_loop().time() + wait
    try:
        last = build
        async with aclosing(follow_to_its_end(cluster, build, until=until, log=rollout)) as building:
            async for item in building:
                if isinstance(item, dict):
                    last = item
                else:
                    yield item
        match builds.phase_of(last):
            case Phase.COMPLETE if not rollout:
                yield End(Result.BUILT)
            case Phase.COMPLETE:
                async with aclosing(follow_rollouts(cluster, last, until=until)) as rolling:
                    async for event in rolling:
                        yield event
            case Phase.CANCELLED:
                yield End(Result.CANCELLED)
            case Phase.FAILED | Phase.ERROR:
                yield End(Result.BUILD_FAILED)
            case _:
                yield End(Result.GONE)
    except TimeoutError:
        yield read_progress.still_running(build)
        yield End(Result.TIME_UP)


async def follow_to_its_end(
    cluster: Cluster, build: Manifest, *, until: float | None = None, log: bool = True
) -> AsyncGenerator[ProgressEvent | Manifest, None]:
    """What happens until the Build is over; the last item is the Build as it was seen last."""
    namespace, name = build["metadata"]["namespace"], builds.name_of(build)
    selector = f"{names.LABEL_BUILDCONFIG}={build['spec']['buildConfig']}"
    said: set[type[ProgressEvent]] = set()
    asked, reading, logged, over = False, False, False, False
    obstacle = ""
    async with Merge(until=until) as merge:
        merge.add("builds", observe(cluster, BUILD, namespace, labels=selector))
        while True:
            try:
                source, item = await anext(merge)
            except TimeoutError:
                if over:
                    break  # only the rest of the log is missing
                raise
            if source == "log":
                if item is ENDED:
                    reading = False
                    if over:
                        break
                else:
                    logged = logged or isinstance(item, LogLine)
                    yield item
                continue
            if not builds.is_same(item.get(name), build):
                if not over:
                    yield BuildDeleted(name)
                break
            build = item[name]
            for event in _before_the_log(build, item.values(), said):
                said.add(type(event))
                yield event
            blocked = read_progress.blocked(build)
            if blocked is not None and blocked.reason != obstacle:
                yield blocked
            obstacle = blocked.reason if blocked is not None else ""
            pod = (build.get("status") or {}).get("pod")
            if pod and log and not asked:
                asked = reading = True
                merge.add("log", build_log(cluster, Key(namespace, pod)))
            if builds.is_over(build) and not over:
                over = True
                if not reading:
                    break
                grace = asyncio.get_running_loop().time() + LOG_GRACE
                merge.until = grace if until is None else min(until, grace)
    if over:
        # without a log the end of it is not shown either
        yield read_progress.finished(build, logged=logged or not log)
    yield build


def _before_the_log(
    build: Manifest, others: Iterable[Manifest], said: set[type[ProgressEvent]]
) -> list[ProgressEvent]:
    """What is known before there is a log, each once."""
    events: list[ProgressEvent] = []
    if not said & {Queued, Running} and not builds.is_over(build):
        events.append(read_progress.queued(build, others))
    if Detected not in said and build["spec"]["source"]["type"] == "External":
        # a push says it before its Build is made; of an external source only `fetch` finds it out
        found = read_progress.detected(build)
        if found is not None and builds.phase_of(build) != Phase.NEW:
            events.append(found)
    return events
