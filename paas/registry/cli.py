"""The command registry gc: collects what nobody needs in the registry of an embedded cluster."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from paas.api.resources import CRONJOB, JOB, POD, Key, Manifest, key_of
from paas.kube.errors import ClusterUnreachable
from paas.registry.gc_job import DEADLINE_SECONDS, DRY_RUN, GC_KEY, job_of, outcome
from paas.terminal.group import group
from paas.terminal.output import plain
from paas.terminal.problem import ExitCode, Problem
from paas.terminal.session import MANAGER, Session, command, interrupted

if TYPE_CHECKING:
    from paas.kube.cluster import Cluster

STARTS_WITHIN = 60.0
"""Seconds that the pod may take to start, and the Job to end after its log."""
LAST_LINES = 5
"""Lines that are shown of a log that broke off."""


def register(app: typer.Typer) -> None:
    registry = group(app, "registry", "Look after the images of an embedded cluster.")
    command(registry, "gc")(gc)


async def gc(
    session: Session,
    *,
    dry_run: Annotated[bool, typer.Option(DRY_RUN, help="Only print what would be removed.")] = False,
) -> ExitCode | None:
    """Remove images that no build, stream, revision or pod needs, and print what that freed.

    It runs by itself every night. Builds that run are waited for, and none starts meanwhile.

    Example: paas registry gc --dry-run
    """
    cluster = await session.cluster()
    cron = await cluster.get(CRONJOB, GC_KEY)
    if cron is None:
        raise Problem(
            "the registry of this cluster is not collected by the platform",
            why=f"there is no CronJob {GC_KEY.name} in namespace {GC_KEY.namespace}: only `paas up` makes it",
            hint="on an embedded cluster: paas up; of a registry of your own, see its documentation",
        )
    job = await cluster.create(job_of(cron, dry_run=dry_run, now=datetime.now(UTC)), manager=MANAGER)
    key = key_of(job)
    session.goes_on = interrupted(
        "the collection goes on", f"kubectl logs -f job/{key.name} -n {key.namespace}"
    )
    pod = key_of(await _pod(cluster, key))
    try:
        async for line in cluster.logs(pod, follow=True):
            session.print(plain(line))
        ended = await _ended(cluster, key, seconds=STARTS_WITHIN)
    except ClusterUnreachable as problem:
        session.say(f"its log broke off ({problem}); waiting for its end")
        ended = None
    if ended is None:  # the log ended before the collection
        ended = await _ended(cluster, key, seconds=DEADLINE_SECONDS + STARTS_WITHIN)
        async for line in cluster.logs(pod, tail=LAST_LINES):
            session.print(plain(line))
    if ended:
        return None
    raise Problem(
        "not all was collected",
        why="see the lines above; what was removed by then was needed by nobody",
        hint=f"kubectl describe job/{key.name} -n {key.namespace}",
        code=ExitCode.FAILED,
    )


async def _pod(cluster: Cluster, key: Key) -> Manifest:
    """The Job's pod, once its log can be read."""
    deadline = asyncio.get_running_loop().time() + STARTS_WITHIN
    while asyncio.get_running_loop().time() < deadline:
        for pod in await cluster.list(POD, key.namespace, labels=f"job-name={key.name}"):
            if (pod.get("status") or {}).get("phase") in ("Running", "Succeeded", "Failed"):
                return pod
        await asyncio.sleep(0.2)
    raise Problem(
        f"the pod of the collection did not start in {STARTS_WITHIN:.0f} s",
        hint=f"kubectl describe pod -l job-name={key.name} -n {key.namespace}",
        code=ExitCode.FAILED,
    )


async def _ended(cluster: Cluster, key: Key, *, seconds: float) -> bool | None:
    """Whether the Job has done its work; None when it has not ended by then."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(ClusterUnreachable):
            ended = outcome(await cluster.get(JOB, key))
            if ended is not None:
                return ended
        await asyncio.sleep(0.2)
    return None
