"""When things happened on the way of one push, on one monotonic clock.

Objects' own timestamps have whole seconds, so a leg is taken from the arrival of watch events here; what
happens inside a container comes from its log's timestamps (nanoseconds, the same machine's wall clock,
whose offset to the monotonic one is read at the start).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from paas.api.resources import BUILD, DEPLOYMENTCONFIG, IMAGESTREAM, JOB, POD, Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.observe import observe

Sight = Callable[[Manifest], bool]


class Timeline:
    """First sights of named moments, in seconds of `time.monotonic`."""

    def __init__(self, cluster: Cluster, namespace: str, application: str, *, number: int) -> None:
        self._cluster, self._namespace, self._app = cluster, namespace, application
        self._build = f"{application}-{number}"
        self._number = number
        self.seen: dict[str, float] = {}
        self.build_pod: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Timeline:
        self._watch(BUILD, {"build made": self._is_build, "build complete": self._complete})
        self._watch(JOB, {"job made": self._is_job})
        self._watch(
            POD,
            {
                "build pod scheduled": self._scheduled,
                "fetch started": self._started("initContainerStatuses", "fetch"),
                "kaniko started": self._started("containerStatuses", "kaniko"),
                "kaniko ended": self._ended("containerStatuses", "kaniko"),
                "app pod made": self._is_app_pod,
                "app container started": self._app_running,
                "app ready": self._app_ready,
            },
        )
        self._watch(IMAGESTREAM, {"tag moved": self._tagged})
        self._watch(DEPLOYMENTCONFIG, {"rollout begun": self._rollout("Pending", "Running", "Complete"),
                                       "rollout complete": self._rollout("Complete")})  # fmt: skip
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, name: str, *, seconds: float) -> None:
        """Wait until the moment `name` was seen."""
        async with asyncio.timeout(seconds):
            while name not in self.seen:
                await self._news.wait()

    async def kaniko_log(self) -> tuple[float, float]:
        """When Kaniko wrote its first and last line, monotonic seconds."""
        assert self.build_pod is not None
        offset = time.monotonic() - time.time()
        stamps = [
            line.split(" ", 1)[0]
            async for line in self._cluster.logs(
                Key(self._namespace, self.build_pod), container="kaniko", timestamps=True
            )
        ]
        first, last = (
            datetime.fromisoformat(stamp[:26] + "+00:00").timestamp() for stamp in (stamps[0], stamps[-1])
        )
        return first + offset, last + offset

    def _watch(self, resource: Resource, sights: Mapping[str, Sight]) -> None:
        async def follow() -> None:
            async for objects in observe(self._cluster, resource, self._namespace):
                now = time.monotonic()
                for name, sight in sights.items():
                    if name not in self.seen and any(sight(obj) for obj in objects.values()):
                        self.seen[name] = now
                self._news.set()
                self._news = asyncio.Event()

        self._tasks.append(asyncio.create_task(follow()))

    def _is_build(self, obj: Manifest) -> bool:
        return bool(obj["metadata"]["name"] == self._build)

    def _complete(self, obj: Manifest) -> bool:
        return self._is_build(obj) and (obj.get("status") or {}).get("phase") == "Complete"

    def _is_job(self, obj: Manifest) -> bool:
        labels = obj["metadata"].get("labels") or {}
        wanted = (self._app, str(self._number))
        return (labels.get("paas.dev/buildconfig"), labels.get("paas.dev/build-number")) == wanted

    def _is_build_pod(self, obj: Manifest) -> bool:
        if not self._is_job(obj):
            return False
        self.build_pod = obj["metadata"]["name"]
        return True

    def _scheduled(self, obj: Manifest) -> bool:
        return self._is_build_pod(obj) and bool(obj["spec"].get("nodeName"))

    def _started(self, group: str, container: str) -> Sight:
        return lambda obj: (
            self._is_build_pod(obj)
            and any("running" in state or "terminated" in state for state in _states(obj, group, container))
        )

    def _ended(self, group: str, container: str) -> Sight:
        return lambda obj: (
            self._is_build_pod(obj) and any("terminated" in state for state in _states(obj, group, container))
        )

    def _is_app_pod(self, obj: Manifest) -> bool:
        labels = obj["metadata"].get("labels") or {}
        wanted = (self._app, str(self._number))
        return (labels.get("paas.dev/deploymentconfig"), labels.get("paas.dev/revision")) == wanted

    def _app_running(self, obj: Manifest) -> bool:
        return self._is_app_pod(obj) and any(
            "running" in (status.get("state") or {})
            for status in obj["status"].get("containerStatuses") or ()
        )

    def _app_ready(self, obj: Manifest) -> bool:
        return self._is_app_pod(obj) and any(
            c["type"] == "Ready" and c["status"] == "True" for c in obj["status"].get("conditions") or ()
        )

    def _tagged(self, obj: Manifest) -> bool:
        tags = (obj.get("status") or {}).get("tags") or ()
        return obj["metadata"]["name"] == self._app and any(
            tag["items"] and tag["items"][0].get("buildNumber") == self._number for tag in tags
        )

    def _rollout(self, *phases: str) -> Sight:
        def sight(obj: Manifest) -> bool:
            rollout = (obj.get("status") or {}).get("rollout") or {}
            if obj["metadata"]["name"] != self._app:
                return False
            return rollout.get("revision") == self._number and rollout.get("phase") in phases

        return sight


def _states(obj: Manifest, group: str, container: str) -> list[dict[str, Any]]:
    statuses = (obj.get("status") or {}).get(group) or ()
    return [status.get("state") or {} for status in statuses if status["name"] == container]
