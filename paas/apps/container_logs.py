"""Reads the logs of a build's pod and of single containers to their end, also when the connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from paas.api.resources import POD, Key, Manifest
from paas.apps.progress import BuildPodWaits, LogLine
from paas.kube import pods
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.observe import observe
from paas.reconcile import backoff


async def build_log(cluster: Cluster, key: Key) -> AsyncGenerator[LogLine | BuildPodWaits, None]:
    """The log of a build pod's containers, one after the other, to the end; and why it does not start,
    each reason once."""
    waits_for = None
    done: set[str] = set()
    async with aclosing(observe(cluster, POD, key.namespace, name=key.name)) as watching:
        async for found in watching:
            pod = found.get(key.name)
            if pod is None:
                return
            started = {container.name for container in pods.containers(pod) if container.started}
            problem = pods.why_not_running(pod) if not done and not started else None
            if problem is not None and (problem.reason, problem.message) != waits_for:
                waits_for = (problem.reason, problem.message)
                yield BuildPodWaits(problem)
            for container in _containers(pod):
                if container in done:
                    continue
                if container not in started:
                    break
                async for line in whole_log(cluster, key, container=container):
                    yield LogLine(line, container)
                done.add(container)
            if len(done) == len(_containers(pod)) or pods.is_over(pod):
                return


def _containers(pod: Manifest) -> list[str]:
    """Names in the order in which they run."""
    spec = pod["spec"]
    return [c["name"] for c in (*(spec.get("initContainers") or ()), *spec["containers"])]


async def whole_log(
    cluster: Cluster, key: Key, *, container: str, tail: int | None = None, run: str = ""
) -> AsyncGenerator[str, None]:
    """All lines of a container (or its last `tail`, and those that follow) until it ends.

    A stream that breaks off, or that an API server on its way down ends, is taken up where it was. With `run`
    it ends with this run of the container: the next one has a log of its own. Raises ApiError when the reader
    may not read logs.
    """
    seen, failures = 0, 0
    # a container that has ended is reported as running for a moment, and is perhaps started again by then
    first = 0.5 if run else 0.2
    while True:
        try:
            if failures and run and await _run_of(cluster, key, container) != run:
                return
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
            if problem.status in (401, 403):
                raise
            # 404: the pod was taken away; 400: the container is between states, which does not last; 429 and
            # 5xx: the API server or the node does not answer, and the container goes on writing
            if problem.status == 404 or (problem.status == 400 and failures > 5):
                return
            failures += 1
        await asyncio.sleep(backoff.pause(failures, first=first, longest=5.0))


async def _run_of(cluster: Cluster, key: Key, container: str) -> str | None:
    found = pods.container(await cluster.get(POD, key), container)
    return found.run if found is not None else None


async def _runs(cluster: Cluster, key: Key, container: str) -> bool:
    found = pods.container(await cluster.get(POD, key), container)
    return found is not None and found.running
