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
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.node import apiserver, build


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
