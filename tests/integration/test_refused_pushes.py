"""A push whose Build the cluster refuses: the BuildConfig says so within 30 seconds, also when the pusher is
gone, and it is built when the obstacle is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.api.resources import BUILDCONFIG, Key, Manifest
from paas.builds.controller import BuildsController
from paas.git import waiting
from paas.kube.cluster import Cluster
from paas.reconcile.conditions import find
from tests.support.git_server import new_clone, wait_for
from tests.support.operating import Operating, operating
from tests.support.quota import Quota
from tests.support.rooms import settings_in
from tests.support.served_platform import Platform, build_config, served

pytestmark = pytest.mark.integration
SAID_WITHIN = 30.0


@pytest.fixture(scope="module")
def platform(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with served(cluster_kubeconfig, tmp_path_factory.mktemp("platform")) as made:
        yield made


@pytest.fixture(scope="module")
def operator(
    platform: Platform, cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operating]:
    settings = settings_in(tmp_path_factory.mktemp("operator"))

    def make(cluster: Cluster, view: object, chosen: object) -> list[BuildsController]:
        return [BuildsController(cluster=cluster, view=view, settings=chosen)]  # type: ignore[arg-type]

    with operating(cluster_kubeconfig, make, settings=settings) as started:  # type: ignore[arg-type]
        yield started


def test_a_push_that_a_quota_refuses_is_said_on_its_buildconfig(
    platform: Platform, operator: Operating, tmp_path: Path
) -> None:
    project = platform.project()
    stream = {"apiVersion": "paas.dev/v1", "kind": "ImageStream", "metadata": {"name": "shop"}, "spec": {}}
    stream["metadata"]["namespace"] = project  # type: ignore[index]
    platform.apply(build_config(project, "shop"), stream)

    def config() -> Manifest:
        found = platform.do(lambda cluster: cluster.get(BUILDCONFIG, Key(project, "shop")))
        assert found is not None
        return found

    def ready() -> tuple[str, str, str]:
        said = find(config(), "Ready") or {}  # type: ignore[arg-type]
        return said.get("status", ""), said.get("reason", ""), said.get("message", "")

    wait_for(lambda: ready()[0] == "True", "builds can start")
    platform.do(lambda cluster: Quota(cluster, project, "builds.paas.dev").fill())
    clone = new_clone(tmp_path / "clone")
    clone.token = platform.token(project, "pusher")
    commit = clone.commit()
    pushing = threading.Thread(target=clone.git, args=("push", platform.url(project, "shop"), "main"))
    pushing.start()
    try:
        wait_for(lambda: ready()[:2] == ("False", "Refused"), "it is said", seconds=SAID_WITHIN)
        message = ready()[2]
        assert message.startswith(f"main at {commit[:12]} was pushed, and the cluster refuses its Build: ")
        assert "exceeded quota: small" in message
        assert f"kubectl describe quota -n {project}" in message
        assert operator.writes(project) == 0, "it is said once"
        ours = [m for m in config()["metadata"]["managedFields"] if m["manager"] == waiting.MANAGER]
        assert [set(m["fieldsV1"]["f:status"]) for m in ours] == [{"f:waitingPush"}]
        assert platform.builds(project) == []
    finally:
        platform.do(lambda cluster: Quota(cluster, project, "builds.paas.dev").lift())
        pushing.join(90)
    wait_for(lambda: len(platform.builds(project)) == 1, "it is built", seconds=90)
    wait_for(lambda: ready()[0] == "True", "and says so")
    assert "waitingPush" not in config()["status"]
