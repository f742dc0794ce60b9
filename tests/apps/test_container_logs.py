"""Logs that are followed while the API server, the node and the container come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from paas.api.resources import Key, Manifest, Resource
from paas.apps.container_logs import whole_log
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Forbidden, NotFound

KEY = Key("demo", "shop-1")
UNREACHABLE = ClusterUnreachable("no answer")
KUBELET_AWAY = ApiError(500, "InternalError", "dial tcp 10.0.0.1:10250: connection refused")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", at_once)


class Logs:
    """Answers requests for a log one after the other: lines, or a failure; then the container has ended.
    `runs` is what the API server says runs by then, one for each look at the pod."""

    def __init__(self, *answers: list[str] | Exception, runs: tuple[str, ...] = ("a",)) -> None:
        self.answers, self.runs = list(answers), list(runs)

    async def logs(self, key: Key, **_: Any) -> AsyncIterator[str]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        for line in answer:
            yield line

    async def get(self, _resource: Resource, _key: Key) -> Manifest:
        run = self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]
        state: Manifest = {"running": {}} if self.answers else {"terminated": {"exitCode": 0}}
        return {"status": {"containerStatuses": [{"name": "web", "containerID": run, "state": state}]}}


async def read(logs: Logs, run: str = "") -> list[str]:
    return [line async for line in whole_log(cast(Cluster, logs), KEY, container="web", run=run)]


async def test_an_api_server_that_is_away_for_hours_is_waited_for() -> None:
    assert await read(Logs(["one"], *[UNREACHABLE] * 1100, ["one", "two"])) == ["one", "two"]


async def test_a_node_that_is_away_longer_than_a_moment_is_waited_for() -> None:
    assert await read(Logs(["one"], *[KUBELET_AWAY] * 50, ["one", "two"])) == ["one", "two"]


async def test_a_reader_without_the_right_learns_it() -> None:
    with pytest.raises(Forbidden):
        await read(Logs(Forbidden(403, "Forbidden", "pods/log is forbidden")))


async def test_a_pod_that_was_taken_away_ends_it() -> None:
    assert await read(Logs(["one"], NotFound(404, "NotFound", "no pod"))) == ["one"]


async def test_a_container_that_does_not_start_ends_it() -> None:
    assert await read(Logs(*[ApiError(400, "BadRequest", "waiting to start")] * 20)) == []


async def test_the_log_of_the_next_run_is_not_taken_for_the_rest_of_this_one() -> None:
    """The one that looks at the pods follows the next run as a log of its own: its lines came twice."""
    logs = Logs(["one"], ["one", "of the next run"], runs=("a", "b"))
    assert await read(logs, run="a") == ["one"]


async def test_the_rest_of_a_run_that_ended_while_the_stream_was_broken_is_read() -> None:
    assert await read(Logs(["one"], UNREACHABLE, ["one", "two"]), run="a") == ["one", "two"]
