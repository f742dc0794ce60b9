"""Tells a build's story while it happens: queue, log, image, rollouts, address.

    Build ──watch──▶ queued, running ──log──▶ lines ──▶ pushed
        DeploymentConfigs that deploy its tag ──watch, with their pods──▶ 1/3 ready ──▶ live, or why not
            Routes to them ──watch──▶ https://…

The server streams it to whoever pushed, `start-build --follow` and `logs -f` to whoever asks. It only
reads: leaving it changes nothing, and ends every watch at once (that is what the `aclosing` are for: a
generator that is left in a loop would be closed only when the collector comes by). It ends by itself on
every final state, and after `wait` seconds with how to go on looking. What is said stands in `apps.progress`;
this file is about when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paas.api import names
from paas.api.build import Phase
from paas.api.names import Condition
from paas.api.resources import BUILD, DEPLOYMENTCONFIG, POD, ROUTE, SERVICE, Key, Manifest
from paas.apps import progress, rollouts
from paas.apps.rollouts import Stage
from paas.builds.job import FETCH
from paas.kube import pods
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.observe import ENDED, Merge, observe, snapshot
from paas.reconcile.conditions import find

WAIT: Final = 900.0
"""Seconds that a story goes on at most."""
LOG_GRACE: Final = 10.0
"""Seconds that the rest of a log may take after the build is over."""
ROUTE_GRACE: Final = 30.0
"""Seconds that a new Route may take to be admitted after its pods are ready."""
CRASH_LINES: Final = 10


class Result(StrEnum):
    """How a story ended."""

    LIVE = "live"  # built, and every DeploymentConfig that shall run it does (or a later build)
    BUILT = "built"  # built, and nothing rolls it out by itself
    BUILD_FAILED = "build failed"
    CANCELLED = "cancelled"
    ROLLOUT_FAILED = "rollout failed"
    GONE = "gone"  # deleted meanwhile
    TIME_UP = "time up"


@dataclass(frozen=True)
class LogLine:
    """One line of a build's log, as a container wrote it."""

    text: str
    container: str


@dataclass(frozen=True)
class Trouble:
    """Why a build's pod does not start; it may yet."""

    text: str


@dataclass(frozen=True)
class End:
    """The last item of a story."""

    result: Result


async def tell(
    cluster: Cluster, build: Manifest, *, wait: float = WAIT, rollout: bool = True
) -> AsyncGenerator[str | End, None]:
    """The lines of a Build's story from now on, then its End. Without `rollout` it ends with the build.

    Raises ApiError when the reader may not see what it is about.
    """
    until = asyncio.get_running_loop().time() + wait
    try:
        last = build
        async with aclosing(_build(cluster, build, until=until)) as building:
            async for item in building:
                if isinstance(item, str):
                    yield item
                else:
                    last = item
        match progress.phase_of(last):
            case Phase.COMPLETE if not rollout:
                yield End(Result.BUILT)
            case Phase.COMPLETE:
                async with aclosing(_deploy(cluster, last, until=until)) as deploying:
                    async for told in deploying:
                        yield told
            case Phase.CANCELLED:
                yield End(Result.CANCELLED)
            case Phase.FAILED | Phase.ERROR:
                yield End(Result.BUILD_FAILED)
            case _:
                yield End(Result.GONE)
    except TimeoutError:
        for line in progress.still_running(build):
            yield line
        yield End(Result.TIME_UP)


# -- the build -------------------------------------------------------------------------------------
async def _build(cluster: Cluster, build: Manifest, *, until: float) -> AsyncGenerator[str | Manifest, None]:
    """Lines until the Build is over; the last item is the Build as it was seen last."""
    namespace, name = build["metadata"]["namespace"], progress.name_of(build)
    selector = f"{names.LABEL_BUILDCONFIG}={build['spec']['buildConfig']}"
    said: set[str] = set()
    reading, logged, over = False, False, False
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
                elif isinstance(item, Trouble):
                    yield progress.problem(f"The build pod does not start yet: {item.text}")
                else:
                    logged = True
                    line = progress.log_line(item.text, own=item.container == FETCH)
                    if line is not None:
                        yield line
                continue
            if name not in item:
                if not over:
                    yield progress.problem(f"Build {name} was deleted.")
                break
            build = item[name]
            for line in _headings(build, item.values(), said):
                yield line
            pod = (build.get("status") or {}).get("pod")
            if pod and "log" not in said:
                said.add("log")
                reading = True
                merge.add("log", build_log(cluster, Key(namespace, pod)))
            if progress.is_over(build) and not over:
                over = True
                if not reading:
                    break
                merge.until = min(until, asyncio.get_running_loop().time() + LOG_GRACE)
    if over:
        for line in progress.finished(build, logged=logged):
            yield line
    yield build


def _headings(build: Manifest, others: object, said: set[str]) -> list[str]:
    """The steps before the log, each once."""
    lines = []
    if "queued" not in said and not progress.is_over(build):
        said.add("queued")
        lines.append(progress.queued(build, others))  # type: ignore[arg-type]
    if "detected" not in said and build["spec"]["source"]["type"] == "External":
        # hosted source was told of before its Build was made; for external source `fetch` finds out
        heading = progress.detected(build)
        if heading is not None and (build.get("status") or {}).get("phase") != Phase.NEW:
            said.add("detected")
            lines.append(heading)
    return lines


async def build_log(cluster: Cluster, key: Key) -> AsyncGenerator[LogLine | Trouble, None]:
    """The log of a build pod's containers, one after the other, to the end; and why it does not start,
    each reason once."""
    waiting_for = ""
    done: set[str] = set()
    watching = observe(cluster, POD, key.namespace, name=key.name)
    try:
        async for found in watching:
            pod = found.get(key.name)
            if pod is None:
                return
            trouble = progress.pod_trouble(pod) if not done else None
            if trouble and trouble != waiting_for and not _started(pod):
                waiting_for = trouble
                yield Trouble(trouble)
            for container in _containers(pod):
                if container in done:
                    continue
                if container not in _started(pod):
                    break
                async for line in whole_log(cluster, key, container=container):
                    yield LogLine(line, container)
                done.add(container)
            if len(done) == len(_containers(pod)) or pods.is_over(pod):
                return
    finally:
        await watching.aclose()


def _containers(pod: Manifest) -> list[str]:
    """Names in the order in which they run."""
    spec = pod["spec"]
    return [c["name"] for c in (*(spec.get("initContainers") or ()), *spec["containers"])]


def _started(pod: Manifest) -> set[str]:
    """Containers that have a log: running, or ended."""
    return {container.name for container in pods.containers(pod) if container.started}


async def whole_log(
    cluster: Cluster, key: Key, *, container: str, tail: int | None = None
) -> AsyncGenerator[str, None]:
    """All lines of a container (or its last `tail`, and those that follow) until it ends.

    A stream that breaks off, or that an API server on its way down ends, is taken up where it was.
    """
    seen, failures = 0, 0
    while True:
        try:
            if tail is not None:
                # a stream is taken up by counting lines from the first, so the tail is counted, too
                count = 0
                async for _ in cluster.logs(key, container=container):
                    count += 1
                seen, tail = max(0, count - tail), None
            position = 0
            async for line in cluster.logs(key, container=container, follow=True):
                position += 1
                if position > seen:
                    seen, failures = position, 0
                    yield line
            if not await _runs(cluster, key, container):
                return
            failures += 1
        except ClusterUnreachable:
            failures += 1
        except ApiError as problem:
            # 400: the container is between states; 404: the pod was taken away; 5xx: the node
            if problem.status == 404 or failures > 5:
                return
            failures += 1
        await asyncio.sleep(min(5.0, 0.2 * 2**failures))


async def _runs(cluster: Cluster, key: Key, container: str) -> bool:
    found = pods.container(await cluster.get(POD, key), container)
    return found is not None and found.running


async def _within(until: float, work: Awaitable[list[Manifest]]) -> list[Manifest]:
    async with asyncio.timeout_at(until):
        return await work


# -- the rollouts ----------------------------------------------------------------------------------
async def _deploy(cluster: Cluster, build: Manifest, *, until: float) -> AsyncGenerator[str | End, None]:
    namespace = build["metadata"]["namespace"]
    configs = [
        config
        for config in await _within(until, snapshot(cluster, DEPLOYMENTCONFIG, namespace))
        if rollouts.deploys(config, build) is not None
    ]
    name, tag = progress.name_of(build), build["spec"]["output"]["to"]["name"]
    if not configs:
        yield progress.result(
            f"{tag} is {progress.digest_of(build)}; no DeploymentConfig deploys it  (build {name})"
        )
        yield End(Result.BUILT)
        return
    results = []
    for config in configs:
        async with aclosing(_roll_out(cluster, config, build, until=until)) as rolling:
            async for item in rolling:
                if isinstance(item, End):
                    results.append(item.result)
                else:
                    yield item
    worst = [f for f in (Result.ROLLOUT_FAILED, Result.GONE, Result.LIVE, Result.BUILT) if f in results]
    yield End(worst[0])


async def _roll_out(
    cluster: Cluster, config: Manifest, build: Manifest, *, until: float
) -> AsyncGenerator[str | End, None]:
    """Lines until the build is live in one DeploymentConfig, or will not be; then the End of that."""
    namespace, name, number = (
        config["metadata"]["namespace"],
        progress.name_of(config),
        progress.name_of(build),
    )
    observed: dict[str, Manifest] = {}
    said: set[str] = set()
    where = rollouts.RolloutState(Stage.WAITING)
    async with Merge(until=until) as merge:
        merge.add("config", observe(cluster, DEPLOYMENTCONFIG, namespace, name=name))
        merge.add("pods", observe(cluster, POD, namespace, labels=f"{names.LABEL_DEPLOYMENTCONFIG}={name}"))
        async for source, item in merge:
            if source == "pods":
                observed = item
            elif name not in item:
                yield progress.problem(f"DeploymentConfig {name} was deleted.")
                yield End(Result.GONE)
                return
            else:
                config = item[name]
                where = rollouts.standing(config, build)
            if where.revision is not None and where.stage in (Stage.ROLLING, Stage.LIVE, Stage.FAILED):
                heading = f"Deploying {name} revision {where.revision}: "
                line = heading + rollouts.ready_text(config, where.revision, observed.values())
                if line not in said and where.stage is Stage.ROLLING:
                    said.add(line)
                    yield progress.step(line)
                async with aclosing(_troubles(cluster, where.revision, observed, said)) as troubles:
                    async for line in troubles:
                        yield line
            if where.stage not in (Stage.WAITING, Stage.ROLLING):
                break
    match where.stage:
        case Stage.LIVE:
            if where.message:
                yield progress.detail(f"{name}: {where.message}; nothing to roll out")
            what = f"(build {number}, revision {where.revision})"
            async with aclosing(_addresses(cluster, config, what, until=until)) as addresses:
                async for line in addresses:
                    yield line
            yield End(Result.LIVE)
        case Stage.FAILED:
            for line in rollouts.failure(config, where):
                yield line
            yield End(Result.ROLLOUT_FAILED)
        case Stage.OVERTAKEN:
            yield progress.result(
                f"{name} runs something newer: {where.message or 'a later rollout'}  (build {number})"
            )
            yield End(Result.LIVE)
        case Stage.HELD:
            yield progress.result(f"Built, not deployed: {where.message}  (build {number})")
            yield progress.detail(f"Let it go on with: paas unpin {name} -n {namespace}")
            yield End(Result.BUILT)
        case _:
            yield progress.result(f"Built, not deployed: {where.message}  (build {number})")
            yield progress.detail(f"Deploy it with: paas rollout latest {name} -n {namespace}")
            yield End(Result.BUILT)


async def _troubles(
    cluster: Cluster, revision: int, observed: dict[str, Manifest], said: set[str]
) -> AsyncGenerator[str, None]:
    """Why pods of a revision do not run, each reason once; with the end of a crashed one's log."""
    for pod in progress.of_revision(observed.values(), revision):
        found = pods.why_not_running(pod)
        if found is None or (trouble := progress.problem_text(found)) in said:
            continue
        said.add(trouble)
        yield progress.problem(f"Pod {found.pod}: {trouble}")
        if not found.crashed or "crash" in said:
            continue
        said.add("crash")
        key = Key(pod["metadata"]["namespace"], found.pod)
        restarted = any(container.restarts for container in pods.containers(pod))
        try:
            async for line in cluster.logs(key, tail=CRASH_LINES, previous=restarted):
                yield progress.detail(line)
        except (ApiError, ClusterUnreachable):
            continue  # the pod has gone; its reason is told


async def _addresses(
    cluster: Cluster, config: Manifest, what: str, *, until: float
) -> AsyncGenerator[str, None]:
    """The addresses of a DeploymentConfig's Routes, once they are admitted (or why they are not)."""
    namespace, name = config["metadata"]["namespace"], progress.name_of(config)
    services = await _within(until, snapshot(cluster, SERVICE, namespace))
    limit = min(until, asyncio.get_running_loop().time() + ROUTE_GRACE)
    routes: list[Manifest] = []
    async with Merge(until=limit) as merge:
        merge.add("routes", observe(cluster, ROUTE, namespace))
        try:
            async for _, item in merge:
                routes = rollouts.routes_to(config, item.values(), services)
                if all(admission(route)[0] is not None for route in routes):
                    break
        except TimeoutError:
            pass  # what is known is told
    if not routes:
        yield progress.result(f"{name} runs; no Route leads to it  {what}")
    for route in routes:
        admitted, message = admission(route)
        url = (route.get("status") or {}).get("url") or ""
        if admitted:
            yield progress.result(f"{url}  {what}")
        else:
            why = message or "the ingress controller has not published it yet"
            yield progress.problem(f"Route {progress.name_of(route)}: {why}")
            yield progress.problem(f"See: paas get route/{progress.name_of(route)} -n {namespace} -o wide")


def admission(route: Manifest) -> tuple[bool | None, str]:
    """Whether a Route is published: True, False, or None while nobody has decided; and why."""
    ready, admitted = find(route, Condition.READY), find(route, Condition.ADMITTED)
    if ready and ready.get("status") == "True":
        return True, ""
    if admitted and admitted.get("status") == "False":
        return False, f"{admitted.get('reason')}: {admitted.get('message')}"
    return None, str((ready or {}).get("message") or "")
