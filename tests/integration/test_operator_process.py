"""The operator's process on a real API server: how it ends, and that it does not go on without a part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from paas.api.names import SYSTEM_NAMESPACE
from paas.api.project import status_of
from paas.api.resources import LEASE, NAMESPACE, Key
from paas.kube.cluster import Cluster
from tests.support.operator_process import OperatorProcess, make_system_namespace, operator_process
from tests.support.rooms import eventually, make_project, settings_in

pytestmark = pytest.mark.integration
THE_LEASE = Key(SYSTEM_NAMESPACE, "operator")


async def holds(check: Callable[[], bool], seconds: float = 60) -> None:
    async def ask() -> bool:
        return check()

    await eventually(ask, seconds)


async def exit_code(operator: OperatorProcess, seconds: float = 120) -> int:
    return await asyncio.to_thread(operator.process.wait, seconds)


async def holder(api: Cluster) -> str:
    lease = await api.get(LEASE, THE_LEASE)
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""


async def is_ready(api: Cluster, project: str) -> bool:
    """Whether somebody works for it."""
    return status_of(await api.get(NAMESPACE, Key("", project))) == "ready"


@pytest.fixture(autouse=True)
async def no_lease(api: Cluster) -> None:
    await make_system_namespace(api)
    await api.delete(LEASE, THE_LEASE)


async def test_a_sigterm_ends_it_with_0_and_lets_the_next_one_have_the_lease(
    api: Cluster, cluster_kubeconfig: Path, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path)
    with (
        operator_process(tmp_path / "one", cluster_kubeconfig, settings, identity="one") as one,
        operator_process(tmp_path / "two", cluster_kubeconfig, settings, identity="two") as two,
    ):
        await holds(lambda: one.works or two.works)
        active, standby = (one, two) if one.works else (two, one)
        await holds(lambda: active.health() == standby.health() == 200)
        project = await make_project(api, "operator")
        await eventually(lambda: is_ready(api, project))
        standby.process.terminate()
        assert await exit_code(standby) == 0, standby.log()
        assert await holder(api) == active.identity
        active.process.terminate()
        assert await exit_code(active) == 0, active.log()
        assert await holder(api) == "", "the lease is free at once"
        assert "Unclosed" not in active.log() + standby.log()


WORKER_ENDS = """
from paas.reconcile.queue import KeyedQueue
async def ends(self):
    raise LookupError("a fault in the queue")
KeyedQueue.get = ends
"""
RESYNC_ENDS = """
from paas.reconcile.manager import Manager
async def ends(self):
    pass
Manager._resync_forever = ends
"""


@pytest.mark.parametrize(("fault", "task"), [(WORKER_ENDS, "worker 1 of "), (RESYNC_ENDS, "resync")])
async def test_the_end_of_a_task_ends_the_process(
    api: Cluster, cluster_kubeconfig: Path, tmp_path: Path, fault: str, task: str
) -> None:
    with operator_process(tmp_path / "one", cluster_kubeconfig, settings_in(tmp_path), before=fault) as one:
        assert await exit_code(one) == 1, one.log()
        assert f"task '{task}" in one.log()
        assert await holder(api) == "", "another may go on at once"


async def test_an_end_that_hangs_is_an_end_all_the_same(
    api: Cluster, cluster_kubeconfig: Path, tmp_path: Path
) -> None:
    hangs = """
import asyncio
import paas.operator
from paas.reconcile.tasks import Tasks
async def never(self):
    await asyncio.Event().wait()
Tasks.stop = never
paas.operator.ENDING_SECONDS = 2
"""
    with operator_process(tmp_path / "one", cluster_kubeconfig, settings_in(tmp_path), before=hangs) as one:
        await holds(lambda: one.works, 120)
        project = await make_project(api, "operator")
        await eventually(lambda: is_ready(api, project))
        one.process.terminate()
        assert await exit_code(one) == 1
        assert "kopf does not end within 2 s" in one.log()


async def test_without_a_lease_nothing_works(api: Cluster, cluster_kubeconfig: Path, tmp_path: Path) -> None:
    fails = """
from paas.kube.lease import Lease
async def fails(self):
    raise RuntimeError("a fault in the lease")
Lease.acquire = fails
"""
    with operator_process(tmp_path / "one", cluster_kubeconfig, settings_in(tmp_path), before=fails) as one:
        project = await make_project(api, "operator")
        assert await exit_code(one) == 1
        assert "a fault in the lease" in one.log()
        assert not await is_ready(api, project)
