"""What a cluster needs before anything can run in it. Pure.

Roles for the components that are not Kubernetes' own, the Service by which pods reach DNS, the ingress
class, and the volume for the platform's repositories.
"""

from __future__ import annotations

from typing import Any

from paas.node.spec import Instance

Manifest = dict[str, Any]
REPOSITORIES_CLAIM = ("paas-system", "paas-repositories")
PLATFORM_BUILD_NAMESPACE = "kube-system"
PLATFORM_LAYERS = "paas/platform-layers"


def foundation(instance: Instance) -> list[Manifest]:
    """Everything, in the order in which it is applied."""
    return [
        *_reader(
            "coredns",
            [
                _rule("", ["endpoints", "services", "pods", "namespaces"]),
                _rule("discovery.k8s.io", ["endpointslices"]),
            ],
        ),
        *_reader(
            "traefik",
            [
                _rule("", ["services", "endpoints", "secrets", "nodes", "namespaces", "configmaps"]),
                _rule("discovery.k8s.io", ["endpointslices"]),
                _rule("networking.k8s.io", ["ingresses", "ingressclasses"]),
                _rule("networking.k8s.io", ["ingresses/status"], ["update", "patch"]),
            ],
        ),
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": _metadata(
                "traefik", annotations={"ingressclass.kubernetes.io/is-default-class": "true"}
            ),
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        *_dns(instance),
        _repositories(instance),
    ]


def _dns(instance: Instance) -> list[Manifest]:
    """Service `kube-dns` without a selector: CoreDNS is a process on the node, not a pod."""
    ports = [("dns", "UDP", 53), ("dns-tcp", "TCP", 53)]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata("kube-dns", namespace="kube-system"),
            "spec": {
                "clusterIP": instance.subnets.dns_service,
                "ports": [
                    {"name": name, "protocol": protocol, "port": port} for name, protocol, port in ports
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": _metadata(
                "kube-dns-node", namespace="kube-system", labels={"kubernetes.io/service-name": "kube-dns"}
            ),
            "addressType": "IPv4",
            "endpoints": [{"addresses": [instance.subnets.node], "conditions": {"ready": True}}],
            "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol, port in ports],
        },
    ]


def _repositories(instance: Instance) -> Manifest:
    namespace, name = REPOSITORIES_CLAIM
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": _metadata("paas-repositories"),
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": namespace,
                "name": name,
            },
            "hostPath": {"path": str(instance.repositories), "type": "Directory"},
        },
    }


def platform_build(
    *, name: str, image: str, base: str, folder: str, authority: str, kaniko: str, registry: str
) -> Manifest:
    """The Job that builds the platform's image out of `folder`/context into `folder`/image.tar.

    It has the node's network, because the registry that it takes `base` from listens on loopback alone.
    """
    arguments = [
        "--context=dir:///workspace/context",
        "--dockerfile=Dockerfile",
        f"--build-arg=BASE={base}",
        f"--registry-certificate={registry}=/authority/ca.crt",
        f"--destination={image}",
        "--no-push",
        "--tar-path=/workspace/image.tar",
        # apt-get and pip run again only when their inputs change, not with every change of our source
        "--cache=true",
        f"--cache-repo={registry}/{PLATFORM_LAYERS}",
        "--cache-ttl=720h",
        "--snapshot-mode=redo",
        "--log-format=text",
        "--log-timestamp=true",
    ]
    container = {
        "name": "kaniko",
        "image": kaniko,
        "args": arguments,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "workspace", "mountPath": "/workspace"},
            {"name": "authority", "mountPath": "/authority", "readOnly": True},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, namespace=PLATFORM_BUILD_NAMESPACE),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 900,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "hostNetwork": True,
                    "dnsPolicy": "Default",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "containers": [container],
                    "volumes": [
                        {"name": "workspace", "hostPath": {"path": folder, "type": "Directory"}},
                        {"name": "authority", "hostPath": {"path": authority, "type": "Directory"}},
                    ],
                }
            },
        },
    }


def _reader(component: str, rules: list[Manifest]) -> list[Manifest]:
    name = f"system:paas:{component}"
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": _metadata(name), "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": _metadata(name),
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
        },
    ]


def _rule(group: str, resources: list[str], verbs: list[str] | None = None) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs or ["get", "list", "watch"]}


def _metadata(
    name: str,
    *,
    namespace: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    metadata: Manifest = {
        "name": name,
        "labels": {"app.kubernetes.io/part-of": "paas-node", **(labels or {})},
    }
    if namespace:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = annotations
    return metadata
