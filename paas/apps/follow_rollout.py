"""Follows a complete Build through the DeploymentConfigs that deploy it, to the addresses of their Routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from paas.api import names
from paas.api.resources import DEPLOYMENTCONFIG, POD, ROUTE, SERVICE, Key, Manifest
from paas.apps import builds, read_progress, rollouts
from paas.apps.progress import (
    ConfigDeleted,
    DoesNotAnswer,
    End,
    NoRoute,
    NotDeployed,
    NotPublished,
    NotRolledOut,
    PodNotRunning,
    ProgressEvent,
    Published,
    Result,
    RolloutProgress,
    ScaledToZero,
    Unchanged,
)
from paas.apps.rollouts import RolloutState, Stage
from paas.apps.routes import admission
from paas.kube import pods
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.observe import Merge, observe, snapshot
from paas.kube.pods import PodProblem

ROUTE_GRACE: Final = 30.0
"""Seconds that a new Route may take to be admitted after its pods are ready."""
CRASH_LINES: Final = 10
CRASH_LOG_SECONDS: Final = 10.0
_WORST_FIRST: Final = (Result.ROLLOUT_FAILED, Result.GONE, Result.LIVE, Result.BUILT)


async def follow_rollouts(
    cluster: Cluster, build: Manifest, *, until: float
) -> AsyncGenerator[ProgressEvent, None]:
    """What happens until every DeploymentConfig that deploys the build runs it, or will not; then the End."""
    namespace = build["metadata"]["namespace"]
    configs = [
        config
        for config in await _within(until, snapshot(cluster, DEPLOYMENTCONFIG, namespace))
        if rollouts.deploys(config, build) is not None
    ]
    if not configs:
        yield NotDeployed(builds.name_of(build), builds.tag_of(build), builds.digest_of(build))
        yield End(Result.BUILT)
        return
    results = []
    for config in configs:
        async with aclosing(_follow_one(cluster, config, build, until=until)) as rolling:
            async for event in rolling:
                if isinstance(event, End):
                    results.append(event.result)
                else:
                    yield event
    yield End(next(result for result in _WORST_FIRST if result in results))


async def _follow_one(
    cluster: Cluster, config: Manifest, build: Manifest, *, until: float
) -> AsyncGenerator[ProgressEvent, None]:
    """What happens until the build is live in one DeploymentConfig, or will not be; then the End of that."""
    namespace, name = config["metadata"]["namespace"], builds.name_of(config)
    observed: dict[str, Manifest] = {}
    seen = _Seen()
    state = RolloutState(Stage.WAITING)
    async with Merge(until=until) as merge:
        merge.add("config", observe(cluster, DEPLOYMENTCONFIG, namespace, name=name))
        merge.add("pods", observe(cluster, POD, namespace, labels=f"{names.LABEL_DEPLOYMENTCONFIG}={name}"))
        async for source, item in merge:
            if source == "pods":
                observed = item
            elif not builds.is_same(item.get(name), config):
                yield ConfigDeleted(name)
                yield End(Result.GONE)
                return
            else:
                config = item[name]
                state = rollouts.rollout_state(config, build)
            if state.revision is not None and state.stage in (Stage.ROLLING, Stage.LIVE, Stage.FAILED):
                ready = rollouts.ready_of(observed.values(), state.revision)
                event = RolloutProgress(name, state.revision, ready, rollouts.replicas_of(config))
                if state.stage is Stage.ROLLING and seen.first(event):
                    yield event
                for message in rollouts.does_not_answer(config) if state.stage is Stage.ROLLING else ():
                    if seen.first(silent := DoesNotAnswer(name, message)):
                        yield silent
                for pod in rollouts.of_revision(observed.values(), state.revision):
                    problem = pods.why_not_running(pod)
                    if problem is not None and seen.first_of(problem):
                        yield PodNotRunning(problem, await _crash_log(cluster, pod, problem, seen))
            if state.stage not in (Stage.WAITING, Stage.ROLLING):
                break
            blocked = read_progress.rollout_blocked(config)
            if blocked is not None and seen.first_obstacle(blocked.reason):
                yield blocked
    match state.stage:
        case Stage.LIVE:
            if state.unchanged:
                yield Unchanged(name)
            number = builds.name_of(build)
            if rollouts.replicas_of(config) == 0:
                yield ScaledToZero(name, namespace, number, state.revision)
            else:
                async with aclosing(_addresses(cluster, config, number, state, until=until)) as addresses:
                    async for each in addresses:
                        yield each
            yield End(Result.LIVE)
        case Stage.FAILED:
            failed = read_progress.rollout_failed(config, state)
            # the log was said when the pod was seen to crash, if it was
            yield replace(failed, log=()) if seen.crash else failed
            yield End(Result.ROLLOUT_FAILED)
        case _:
            yield NotRolledOut(name, namespace, builds.name_of(build), state)
            yield End(Result.LIVE if state.stage is Stage.OVERTAKEN else Result.BUILT)


class _Seen:
    """What was said already: each count, each obstacle, each reason of a pod, and the log of one crash."""

    def __init__(self) -> None:
        self._progress: set[RolloutProgress | DoesNotAnswer] = set()
        self._problems: set[tuple[str, str, int | None]] = set()
        self._obstacles: set[str] = set()
        self.crash = False

    def first(self, event: RolloutProgress | DoesNotAnswer) -> bool:
        """Whether this was not said before; from now on it was."""
        known = event in self._progress
        self._progress.add(event)
        return not known

    def first_obstacle(self, reason: str) -> bool:
        """The same for what keeps the revision from being made, whose words may change all the time."""
        known = reason in self._obstacles
        self._obstacles.add(reason)
        return not known

    def first_of(self, problem: PodProblem) -> bool:
        """The same for the reason of a pod, whichever pod it is."""
        # the kubelet's "back-off 10s, 20s, 40s" after an exit is not another reason
        exit_ = problem.exit.code if problem.exit else None
        key = (problem.reason, problem.message if exit_ is None else "", exit_)
        known = key in self._problems
        self._problems.add(key)
        return not known


async def _crash_log(cluster: Cluster, pod: Manifest, problem: PodProblem, seen: _Seen) -> tuple[str, ...]:
    """The end of the log of the first container that crashed."""
    if not problem.crashed or seen.crash:
        return ()
    seen.crash = True
    key = Key(pod["metadata"]["namespace"], problem.pod)
    restarted = any(container.restarts for container in pods.containers(pod))
    lines: list[str] = []
    try:
        async with asyncio.timeout(CRASH_LOG_SECONDS):
            async for line in cluster.logs(key, tail=CRASH_LINES, previous=restarted):
                lines.append(line)
    except (ApiError, ClusterUnreachable, TimeoutError):
        pass  # the pod has gone, or its node does not answer; its reason is said
    return tuple(lines)


async def _addresses(
    cluster: Cluster, config: Manifest, build: str, state: RolloutState, *, until: float
) -> AsyncGenerator[ProgressEvent, None]:
    """The addresses of a DeploymentConfig's Routes, once they are admitted (or why they are not)."""
    namespace = config["metadata"]["namespace"]
    services = await _within(until, snapshot(cluster, SERVICE, namespace))
    limit = min(until, asyncio.get_running_loop().time() + ROUTE_GRACE)
    routes: list[Manifest] = []
    async with Merge(until=limit) as merge:
        merge.add("routes", observe(cluster, ROUTE, namespace))
        try:
            async for _, item in merge:
                routes = rollouts.routes_to(config, item.values(), services)
                if _decided(routes):
                    break
        except TimeoutError:
            pass  # what is known by then is said
    if not routes:
        yield NoRoute(builds.name_of(config), build, state.revision)
    for route in routes:
        found = admission(route)
        if found.admitted:
            yield Published((route.get("status") or {}).get("url") or "", build, state.revision)
        else:
            yield NotPublished(builds.name_of(route), namespace, found.reason, found.message)


def _decided(routes: Iterable[Manifest]) -> bool:
    return all(admission(route).admitted is not None for route in routes)


async def _within(until: float, work: Awaitable[list[Manifest]]) -> list[Manifest]:
    async with asyncio.timeout_at(until):
        return await work
