"""Tasks of a process that nobody awaits: none of them ends unseen.

    start ──▶ task ──ends by itself──▶ logged, `ended`, `first_end` ──▶ the process ends

A task that nobody awaits ends in silence, and with it what it was for: a controller without workers looks
well and does nothing. So its end is an error that ends the process, and the next process goes on from what
is stored. Until then health says which task it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class TaskEnded(Exception):
    """A task ended that others rely on."""

    def __init__(self, name: str, problem: BaseException | None) -> None:
        super().__init__(f"task {name!r} ended: {problem!r}" if problem else f"task {name!r} ended")
        self.name, self.problem = name, problem


class Tasks:
    """The tasks of a process that nobody awaits. Only the event loop's thread may use it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._ended: list[TaskEnded] = []
        self._one_ended = asyncio.Event()
        self._stopping = False

    def start(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run what goes on until `stop`: any other end is an error."""
        task = asyncio.create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._note)
        return task

    @property
    def ended(self) -> tuple[TaskEnded, ...]:
        """The tasks that should still run, oldest end first."""
        return tuple(self._ended)

    async def first_end(self) -> TaskEnded:
        """Wait until a task has ended that should still run."""
        await self._one_ended.wait()
        return self._ended[0]

    async def stop(self) -> None:
        """Cancel all, and wait for their end."""
        self._stopping = True
        while self._running:
            running = set(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._running -= running

    def _note(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # asking for the exception also keeps asyncio from complaining that nobody did
        problem = None if task.cancelled() else task.exception()
        if self._stopping:
            return
        end = TaskEnded(task.get_name(), problem)
        logger.error("%s", end, exc_info=problem)
        self._ended.append(end)
        self._one_ended.set()


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks that are not needed any more, and wait for their end, whatever it is."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run it in a thread, which nothing can stop: who is cancelled goes on only when that has ended, so that
    nobody gives back what the thread still works on."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
