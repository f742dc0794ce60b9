"""The CronJob that collects unused images every night, and its rights. Pure.

It runs beside the registry's files, in a namespace whose pods may mount folders of the node; it reads what
may name an image, and writes one Lease.
"""

from __future__ import annotations

from typing import Any, Final

from paas.api import names
from paas.registry.collection import LEASE_KEY
from paas.registry.gc_job import DEADLINE_SECONDS, GC_KEY

Manifest = dict[str, Any]
SCHEDULE: Final = "17 3 * * *"
_STORAGE, _PROGRAM = "/var/lib/registry", "/opt/registry/registry"
_GROUP: Final = "rbac.authorization.k8s.io"
_READS: Final = (
    ("", ["pods", "namespaces", "replicationcontrollers"]),
    ("apps", ["deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"]),
    ("batch", ["jobs", "cronjobs"]),
    (names.GROUP, ["buildconfigs", "builds", "imagestreams", "deploymentconfigs"]),
)


def registry_gc(*, image: str, storage: str, program: str) -> list[Manifest]:
    """Everything, in the order in which it is applied. `image` is the platform's, `storage` and `program` are
    the registry's on the node."""
    subject = {"kind": "ServiceAccount", "name": GC_KEY.name, "namespace": GC_KEY.namespace}
    reads = [{"apiGroups": [group], "resources": kinds, "verbs": ["list"]} for group, kinds in _READS]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    holds = [
        {**leases, "verbs": ["create"]},
        {**leases, "resourceNames": [LEASE_KEY.name], "verbs": ["get", "update"]},
    ]
    there, here = LEASE_KEY.namespace, GC_KEY.namespace
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(here)},
        {"apiVersion": f"{_GROUP}/v1", "kind": "ClusterRole", "metadata": _metadata(), "rules": reads},
        _binding("ClusterRole", subject),
        {"apiVersion": f"{_GROUP}/v1", "kind": "Role", "metadata": _metadata(there), "rules": holds},
        _binding("Role", subject, there),
        _cron_job(image, storage, program),
    ]


def _cron_job(image: str, storage: str, program: str) -> Manifest:
    container = {
        "name": "collect",
        "image": image,
        "command": ["python", "-m", "paas.registry.collect"],
        "args": [f"--storage={_STORAGE}", f"--registry={_PROGRAM}", f"--image={image}"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        # The files are root's; without any capability it is their owner, and no more.
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "storage", "mountPath": _STORAGE},
            {"name": "program", "mountPath": _PROGRAM, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": GC_KEY.name,
        "enableServiceLinks": False,
        # A full disk is what it is there for: it is let onto the node then, and not evicted.
        "priorityClassName": "system-node-critical",
        "tolerations": [{"key": "node.kubernetes.io/disk-pressure", "operator": "Exists"}],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "storage", "hostPath": {"path": storage, "type": "Directory"}},
            {"name": "program", "hostPath": {"path": program, "type": "File"}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    }
    labels = {"app.kubernetes.io/name": GC_KEY.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(GC_KEY.namespace),
        "spec": {
            "schedule": SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": labels},
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": DEADLINE_SECONDS,
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
        },
    }


def _binding(kind: str, subject: Manifest, namespace: str | None = None) -> Manifest:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": _metadata(namespace),
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": GC_KEY.name},
        "subjects": [subject],
    }


def _metadata(namespace: str | None = None) -> Manifest:
    metadata: Manifest = {"name": GC_KEY.name, "labels": {"app.kubernetes.io/part-of": "paas-node"}}
    return metadata | ({"namespace": namespace} if namespace else {})
