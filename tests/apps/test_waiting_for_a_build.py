"""Who waits for a build alone needs no right to its log, and is held up by none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from paas.api.resources import BUILD, Manifest, Resource
from paas.apps import follow_rollout
from paas.apps.follow import follow
from paas.apps.progress import End, Result
from paas.kube.cluster import Cluster
from paas.kube.errors import Forbidden
from paas.kube.pods import PodProblem, Trouble

POD: Manifest = {"metadata": {"namespace": "demo", "name": "shop-1-x"}}


def build(phase: str) -> Manifest:
    return {
        "metadata": {"namespace": "demo", "name": "shop-1", "uid": "u"},
        "spec": {
            "number": 1, "buildConfig": "shop", "source": {"type": "Hosted"},
            "output": {"to": {"name": "shop:latest"}},
        },
        "status": {"phase": phase, "pod": "shop-1-build"},
    }  # fmt: skip


class BuildsOnly:
    """An API server that shows its Builds, and of pods nothing."""

    async def list_page(self, resource: Resource, *_: Any) -> Manifest:
        if resource != BUILD:
            raise Forbidden(403, "Forbidden", f"{resource} is forbidden")
        return {"metadata": {"resourceVersion": "1"}, "items": [build("Running")]}

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[tuple[str, Manifest]]:
        yield "MODIFIED", build("Complete")
        await asyncio.Event().wait()


async def test_waiting_for_a_build_alone_reads_no_pods_and_no_log() -> None:
    async with asyncio.timeout(10):
        events = [e async for e in follow(cast(Cluster, BuildsOnly()), build("Running"), rollout=False)]
    assert events[-1] == End(Result.BUILT)


async def test_the_log_of_a_crash_is_not_waited_for_for_ever(monkeypatch: Any) -> None:
    class Hanging:
        async def logs(self, *_: Any, **__: Any) -> AsyncIterator[str]:
            yield "Traceback"
            await asyncio.Event().wait()

    monkeypatch.setattr(follow_rollout, "CRASH_LOG_SECONDS", 0.01)
    problem = PodProblem("shop-1-x", Trouble.ENDED, "Error", exit=follow_rollout.pods.Exit(1))
    async with asyncio.timeout(10):
        lines = await follow_rollout._crash_log(
            cast(Cluster, Hanging()), POD, problem, follow_rollout._Seen()
        )
    assert lines == ("Traceback",)
