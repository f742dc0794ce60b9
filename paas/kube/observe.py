"""Watching objects without losing any change, and several such watches at once.

`observe` survives what ends a watch (a time-out, an expired version, an API server that restarts): it
lists again and goes on, so its reader sees states, not events, and needs no memory of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self

from paas.api.resources import Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Expired

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


async def observe(
    cluster: Cluster,
    resource: Resource,
    namespace: str | None,
    *,
    name: str | None = None,
    labels: str | None = None,
) -> AsyncGenerator[dict[str, Manifest], None]:
    """All objects that match, by name: first as they are, then after every change, without end.

    Raises ApiError when the API server refuses for good (not allowed, no such kind).
    """
    pause = _FIRST_PAUSE
    selector = {"fieldSelector": f"metadata.name={name}" if name else None, "labelSelector": labels}
    while True:
        try:
            page = await cluster.list_page(resource, namespace, selector)
            found = {item["metadata"]["name"]: item for item in page["items"]}
            yield dict(found)
            version = page["metadata"]["resourceVersion"]
            async for change, obj in cluster.watch(
                resource, namespace, name=name, labels=labels, resource_version=version
            ):
                pause = _FIRST_PAUSE
                if change == "DELETED":
                    found.pop(obj["metadata"]["name"], None)
                else:
                    found[obj["metadata"]["name"]] = obj
                yield dict(found)
        except Expired:
            pass
        except ApiError as problem:
            if not problem.is_passing:
                raise
        except ClusterUnreachable:
            pass
        # an API server that is starting ends watches at once, or knows no version yet: do not hammer it
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def snapshot(cluster: Cluster, resource: Resource, namespace: str | None) -> list[Manifest]:
    """All objects as they are, by name; waits for an API server that does not answer, as `observe`."""
    async with aclosing(observe(cluster, resource, namespace)) as watching:
        found = await anext(watching)
    return [found[name] for name in sorted(found)]


class Ended:
    """What `Merge` gives when one of its sources is over."""


ENDED: Final = Ended()


class Merge:
    """Items of several sources as they come, as (tag, item); (tag, ENDED) when one is over.

    `until` (loop time) ends the wait for the next item with TimeoutError. A failing source raises its
    exception here. Leaving the `async with` cancels all sources.
    """

    def __init__(self, *, until: float | None = None) -> None:
        self.until = until
        self._items: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue(maxsize=256)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, tag: Any, source: AsyncIterator[Any]) -> None:
        task = asyncio.create_task(self._pump(tag, source))
        self._tasks.add(task)

    async def _pump(self, tag: Any, source: AsyncIterator[Any]) -> None:
        try:
            async for item in source:
                await self._items.put((tag, item))
            await self._items.put((tag, ENDED))
        except Exception as problem:
            await self._items.put((tag, problem))  # whatever it is, it is raised where the items are read
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Any, Any]:
        if self._items.empty() and all(task.done() for task in self._tasks):
            raise StopAsyncIteration
        async with asyncio.timeout_at(self.until):
            tag, item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return tag, item
