"""A restart of the operator decides who owns a host as before, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from paas.api.resources import ROUTE, Key
from tests.support.operating import operating
from tests.support.rooms import condition, connect, eventually, make_project, settings_in
from tests.support.routes import REDIRECT, controllers, host, route, service

pytestmark = pytest.mark.integration


async def test_a_restart_decides_the_same(cluster_kubeconfig: Path, tmp_path: Path) -> None:
    settings, name = settings_in(tmp_path, http_port=8080, https_port=8443), host()
    api = await connect(cluster_kubeconfig)
    keys = [Key(await make_project(api, prefix), "shop") for prefix in ("one", "other")]
    for key in keys:
        await api.create(service(key.namespace), manager="test")
        await api.create(route("shop", key.namespace, host=name, tls=REDIRECT), manager="test")

    async def verdicts() -> list[tuple[str, str]] | None:
        found = [await condition(api, ROUTE, key, "Admitted") for key in keys]
        return found if all(status for status, _ in found) else None

    with operating(cluster_kubeconfig, controllers, settings=settings):
        before = await eventually(verdicts)
        assert sorted(before) == [("False", "HostAlreadyClaimed"), ("True", "Admitted")]
    versions = [(await api.get(ROUTE, key) or {})["metadata"]["resourceVersion"] for key in keys]
    with operating(cluster_kubeconfig, controllers, settings=settings) as again:
        assert [again.writes(key.namespace) for key in keys] == [0, 0]
        assert await verdicts() == before
    assert [(await api.get(ROUTE, key) or {})["metadata"]["resourceVersion"] for key in keys] == versions
    await api.close()
