"""A real etcd and kube-apiserver, once per session, from the embedded cluster's own binaries.

- `cluster_kubeconfig`: administrator's kubeconfig; namespaces end, owners take children along, and that is
  all: no Deployment makes a ReplicaSet, no Job a pod.
- `workload_kubeconfig`: a second API server where Deployments, ReplicaSets and Jobs are really worked on
  (their pods stay Pending: there is no node).
- `cluster`, `workload_cluster`: the same with audit log and logs (`paas.node.apiserver.ApiServer`).

Both are shared: tests make namespaces of their own.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from paas.kube.cluster import Cluster
from paas.node import apiserver, build
from tests.support import command_line
from tests.support.command_line import Person
from tests.support.rooms import connect


@pytest.fixture(scope="session")
def cluster_binaries() -> Path:
    return build.ensure(["etcd", "kubernetes"], progress=lambda line: print(line, file=sys.stderr))


@pytest.fixture(scope="session")
def cluster(
    cluster_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[apiserver.ApiServer]:
    with apiserver.running(tmp_path_factory.mktemp("cluster"), binaries=cluster_binaries) as api:
        yield api


@pytest.fixture(scope="session")
def cluster_kubeconfig(cluster: apiserver.ApiServer) -> Path:
    return cluster.kubeconfig


@pytest.fixture
async def api(cluster_kubeconfig: Path) -> AsyncIterator[Cluster]:
    """The first of them with the platform's kinds, as an administrator."""
    async with await connect(cluster_kubeconfig) as door:
        yield door


@pytest.fixture
def person(cluster_kubeconfig: Path, tmp_path: Path) -> Person:
    """Somebody with a project of their own and the command line."""
    command_line.install(cluster_kubeconfig)
    home = tmp_path / "home"
    home.mkdir()
    someone = Person(cluster_kubeconfig, home, f"demo-{uuid.uuid4().hex[:8]}")
    someone.create(*command_line.project(someone.project))
    return someone


@pytest.fixture(scope="session")
def workload_cluster(
    cluster_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[apiserver.ApiServer]:
    folder = tmp_path_factory.mktemp("workload-cluster")
    controllers = (*apiserver.HOUSEKEEPING, *apiserver.WORKLOADS)
    with apiserver.running(folder, binaries=cluster_binaries, controllers=controllers) as api:
        yield api


@pytest.fixture(scope="session")
def workload_kubeconfig(workload_cluster: apiserver.ApiServer) -> Path:
    return workload_cluster.kubeconfig
