"""The API server that integration tests get: a real one, with an audit log, whose controllers work."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from paas.node import audit
from paas.node.apiserver import ApiServer
from paas.node.components import KUBERNETES_VERSION

pytestmark = pytest.mark.integration


def kubectl(binaries: Path, api: ApiServer, *arguments: str, stdin: str = "") -> str:
    command = [str(binaries / "kubectl"), f"--kubeconfig={api.kubeconfig}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout


def deployment(namespace: str) -> str:
    labels = {"app": "probe"}
    container = {"name": "c", "image": "registry.invalid/probe:1"}
    document: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    return json.dumps(document)


def test_it_reports_the_pinned_version(cluster: ApiServer, cluster_binaries: Path) -> None:
    version = json.loads(kubectl(cluster_binaries, cluster, "version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == KUBERNETES_VERSION
    assert version["clientVersion"]["gitVersion"] == KUBERNETES_VERSION


def test_namespaces_really_end_and_every_write_is_audited(cluster: ApiServer, cluster_binaries: Path) -> None:
    kubectl(cluster_binaries, cluster, "create", "namespace", "audited")
    kubectl(cluster_binaries, cluster, "wait", "serviceaccount/default", "-n", "audited", "--for=create")
    kubectl(cluster_binaries, cluster, "create", "configmap", "written", "-n", "audited")
    kubectl(cluster_binaries, cluster, "delete", "namespace", "audited", "--wait", "--timeout=50s")
    with cluster.audit_log.open() as log:
        written = [
            e
            for e in audit.entries(log)
            if e.verb == "create" and e.namespace == "audited" and e.name == "written"
        ]
    assert [(e.resource, e.code) for e in written] == [("configmaps", 201)]


def test_workload_controllers_run_only_where_asked_for(
    cluster: ApiServer, workload_cluster: ApiServer, cluster_binaries: Path
) -> None:
    for api in (cluster, workload_cluster):
        kubectl(cluster_binaries, api, "create", "namespace", "workloads")
        kubectl(cluster_binaries, api, "apply", "-f", "-", stdin=deployment("workloads"))
    wait = ("wait", "-n", "workloads", "--timeout=50s")
    kubectl(
        cluster_binaries,
        workload_cluster,
        *wait,
        "deployment/probe",
        "--for=jsonpath={.status.observedGeneration}=1",
    )
    kubectl(cluster_binaries, workload_cluster, *wait, "pod", "-l", "app=probe", "--for=create")
    assert (
        kubectl(cluster_binaries, cluster, "get", "replicasets,pods", "-n", "workloads", "-o", "name") == ""
    )
