"""R7: of two operators one works, whatever happens to it or to its connection; the audit log tells."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from paas.api.names import SYSTEM_NAMESPACE
from paas.api.project import status_of
from paas.api.resources import LEASE, NAMESPACE, Key
from paas.kube.cluster import Cluster
from paas.node.apiserver import ApiServer
from paas.node.audit import Entry, entries
from tests.support.operator_process import OperatorProcess, make_system_namespace, operator_process
from tests.support.rooms import eventually, make_project, settings_in, token_of
from tests.support.silent_peer import silent_peer

pytestmark = pytest.mark.integration
THE_LEASE = Key(SYSTEM_NAMESPACE, "operator")
TAKEOVER_SECONDS = 20
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass
class Pair:
    """Two operators, started one after the other, each with an account of its own."""

    api: Cluster
    cluster: ApiServer
    folder: Path
    stack: ExitStack
    names: tuple[str, ...]

    async def start(self, identity: str, *, port: int | None = None) -> OperatorProcess:
        """One more operator; `port` is the way to the API server."""
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        if port is not None:
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        token = await token_of(self.api, SYSTEM_NAMESPACE, identity, seconds=3600)
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        path = self.folder / f"{identity}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        settings = settings_in(self.folder)
        return self.stack.enter_context(
            operator_process(self.folder / identity, path, settings, identity=identity)
        )

    def writes(self) -> list[Entry]:
        """What both wrote and was accepted, oldest first."""
        users = {f"system:serviceaccount:{SYSTEM_NAMESPACE}:{name}" for name in self.names}
        found = entries(self.cluster.audit_log.read_text().splitlines())
        chosen = [e for e in found if e.user in users and e.verb in WRITES and e.code < 300]
        return sorted(chosen, key=lambda entry: entry.at)

    async def holder(self) -> str:
        lease = await self.api.get(LEASE, THE_LEASE)
        return str(lease["spec"].get("holderIdentity") or "") if lease else ""

    def assert_one_after_the_other(self, first: str, second: str) -> None:
        """Neither wrote while the other did, and nothing was made twice."""
        writes = self.writes()
        turns = [e.user.rpartition(":")[2] for e in writes]
        assert set(turns) == {first, second}
        change = turns.index(second)
        assert set(turns[:change]) == {first}
        assert set(turns[change:]) == {second}, "the first one wrote again after the second had begun"
        assert writes[change].resource == "leases"
        made = Counter((e.resource, e.namespace, e.name) for e in writes if e.verb == "create" and e.name)
        assert [what for what, times in made.items() if times > 1 and what[0] != "events"] == []


@pytest.fixture
async def pair(api: Cluster, cluster: ApiServer, tmp_path: Path):  # type: ignore[no-untyped-def]
    await make_system_namespace(api)
    await api.delete(LEASE, THE_LEASE)
    names = [f"op-{tmp_path.name[-12:].strip('_').replace('_', '-')}-{which}" for which in ("a", "b")]
    for name in names:
        account = {"metadata": {"name": name, "namespace": SYSTEM_NAMESPACE}}
        await api.create({"apiVersion": "v1", "kind": "ServiceAccount", **account}, manager="test")
        binding = {
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE}],
        }
        await api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body=binding)
    with ExitStack() as stack:
        yield Pair(api, cluster, tmp_path, stack, tuple(names)), *names


async def holds(check: Callable[[], bool], seconds: float = 60) -> None:
    async def ask() -> bool:
        return check()

    await eventually(ask, seconds)


async def project_is_ready(pair: Pair, prefix: str) -> None:
    """A new project gets its default objects: somebody works."""
    project = await make_project(pair.api, prefix)

    async def ready() -> bool:
        return status_of(await pair.api.get(NAMESPACE, Key("", project))) == "ready"

    await eventually(ready)


async def taken_over(pair: Pair, by: str, began: float) -> float:
    """Seconds from `began` (monotonic) until `by` holds the lease."""

    async def has_it() -> bool:
        return await pair.holder() == by

    await eventually(has_it, 60)
    return time.monotonic() - began


async def test_r7_a_killed_operator_is_replaced_and_nothing_is_written_twice(
    pair: tuple[Pair, str, str],
) -> None:
    both, a, b = pair
    first = await both.start(a)
    await holds(lambda: first.works)
    second = await both.start(b)
    await holds(lambda: second.health() == 200)
    for number in range(3):
        await project_is_ready(both, f"r7-{number}")
    first.process.send_signal(signal.SIGKILL)
    seconds = await taken_over(both, b, time.monotonic())
    assert seconds <= TAKEOVER_SECONDS
    await project_is_ready(both, "r7-after")
    both.assert_one_after_the_other(a, b)


async def test_r7_an_operator_whose_api_server_falls_silent_stops_before_the_other_begins(
    pair: tuple[Pair, str, str], cluster: ApiServer
) -> None:
    both, a, b = pair
    async with silent_peer(cluster.url) as peer:
        first = await both.start(a, port=peer.port)
        await holds(lambda: first.works)
        second = await both.start(b)
        await holds(lambda: second.health() == 200)
        await project_is_ready(both, "r7-silent")
        peer.fall_silent(new_ones=True)
        began = time.monotonic()
        code = await asyncio.to_thread(first.process.wait, 30)
        stopped = time.monotonic() - began
        assert code == 1
        assert not second.works, "it stopped before the other could begin"
        assert "LeaseLost" in first.log()
        seconds = await taken_over(both, b, began)
        assert stopped < 15
        assert seconds <= TAKEOVER_SECONDS
        await project_is_ready(both, "r7-after")
        both.assert_one_after_the_other(a, b)


async def test_r7_an_operator_that_stood_still_writes_nothing_more(pair: tuple[Pair, str, str]) -> None:
    both, a, b = pair
    first = await both.start(a)
    await holds(lambda: first.works)
    second = await both.start(b)
    await holds(lambda: second.health() == 200)
    await project_is_ready(both, "r7-still")
    first.process.send_signal(signal.SIGSTOP)
    await taken_over(both, b, time.monotonic())
    await project_is_ready(both, "r7-after")
    first.process.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(first.process.wait, 30) == 1
    both.assert_one_after_the_other(a, b)


async def test_r7_connections_that_fall_silent_cost_no_lease_when_new_ones_work(
    pair: tuple[Pair, str, str], cluster: ApiServer
) -> None:
    both, a, _ = pair
    async with silent_peer(cluster.url) as peer:
        first = await both.start(a, port=peer.port)
        await holds(lambda: first.works)
        peer.fall_silent(new_ones=False)
        silent_since = datetime.now().astimezone()

        def renewed() -> bool:
            at = [e.at for e in both.writes() if e.resource == "leases"]
            return datetime.fromisoformat(at[-1]) > silent_since

        await holds(renewed, 20)
        assert "was not renewed: no answer in time" in first.log()
        assert first.process.poll() is None
        await project_is_ready(both, "r7-again")
