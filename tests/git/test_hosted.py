"""Sources are looked into a few at a time, and whatever waits for that leaves the threads to others."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.api.buildconfig import BuildConfigSpec
from paas.api.resources import Key
from paas.git import memory
from paas.git.hosted import Preparer
from paas.git.repositories import Repository
from paas.git.worker import Prepared

CONFIG = {"metadata": {"name": "shop"}, "spec": {"output": {"to": {"name": "shop:latest"}}}}
REQUEST = BuildRequest(trigger_id="t", trigger_type=TriggerType.PUSH, trigger_message="push to main")


class Looking:
    """Looks that last until they are let go."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most = 0
        self.go_on = threading.Event()
        self._lock = threading.Lock()

    def look(self, repository: Repository, _spec: BuildConfigSpec, request: BuildRequest) -> Prepared:
        project = repository.key.namespace
        with self._lock:
            self.now[project] += 1
            assert self.now[project] == 1, "one of a project at a time"
            self.most = max(self.most, self.now.total())
        assert self.go_on.wait(30)
        with self._lock:
            self.now[project] -= 1
        return Prepared(request)


async def test_sources_that_are_looked_into_leave_threads_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No push is acknowledged without a thread that flushes it."""
    looking, preparer = Looking(), Preparer((), runtime_registry="r")
    monkeypatch.setattr(preparer, "_prepare", looking.look)
    keys = [Key(f"project-{n % 20}", f"shop-{n}") for n in range(60)]  # more than there are threads
    looks = [asyncio.create_task(preparer(Repository(tmp_path, "u", key), CONFIG, REQUEST)) for key in keys]
    try:
        while looking.most < memory.LOOKS:  # noqa: ASYNC110 - a thread counts
            await asyncio.sleep(0.01)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "flushed"), 10) == "flushed"
    finally:
        looking.go_on.set()
        await asyncio.gather(*looks)
    assert looking.most == memory.LOOKS
