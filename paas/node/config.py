"""Configuration files of the components, rendered from an `Instance`. Pure.

The shape of the node: one address on a bridge of the namespace (`subnets.node`), where the API server,
CoreDNS, Traefik and the registry listen as plain processes; pods hang on `ptp` links and reach Services by
kube-proxy's iptables rules. Only pods that users make are pods: nothing of the cluster itself has to be
pulled before the cluster works.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from paas.node import audit
from paas.node.pki import Leaf
from paas.node.spec import (
    DNS_FORWARD,
    NODE_NAME,
    PLATFORM_HOST,
    REGISTRY,
    REGISTRY_HOST,
    TOKEN_ISSUER,
    Instance,
)

PAUSE = "localhost/pause:1"
BOOTSTRAP_REGISTRY_PORT = 5001


def leaves(instance: Instance) -> tuple[Leaf, ...]:
    """Every certificate the instance holds."""
    node = instance.subnets.node
    client = [
        ("admin", "paas-admin", "system:masters"),
        ("kube-controller-manager", "system:kube-controller-manager", None),
        ("kube-scheduler", "system:kube-scheduler", None),
        ("kube-proxy", "system:kube-proxy", None),
        ("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        ("coredns", "system:paas:coredns", None),
        ("traefik", "system:paas:traefik", None),
    ]
    api_names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return (
        *(
            Leaf(name=name, authority="cluster-ca", common_name=common_name, organization=organization)
            for name, common_name, organization in client
        ),
        Leaf(
            name="apiserver",
            authority="cluster-ca",
            common_name="kube-apiserver",
            hosts=(*api_names, "127.0.0.1", instance.subnets.api_service, node),
        ),
        Leaf(
            name="kubelet",
            authority="cluster-ca",
            common_name=f"system:node:{NODE_NAME}",
            organization="system:nodes",
            hosts=(NODE_NAME, "localhost", "127.0.0.1", node),
        ),
        Leaf(
            name="ingress",
            authority="platform-ca",
            common_name=f"*.{instance.domain}",
            hosts=(f"*.{instance.domain}", PLATFORM_HOST),
        ),
        Leaf(
            name="registry",
            authority="platform-ca",
            common_name=REGISTRY_HOST,
            hosts=(REGISTRY_HOST, "127.0.0.1"),
        ),
    )


def permitted_suffixes(instance: Instance) -> tuple[str, ...]:
    """What the platform CA may sign for."""
    return (instance.domain, "paas.internal", "svc")


def files(instance: Instance, *, host_resolvers: Sequence[str]) -> dict[str, str]:
    """Content of every file under `instance.etc`, by relative path; keys are not among them.

    `host_resolvers` are addresses that the host's processes can ask.
    """
    return {
        "resolv.conf.host": "".join(f"nameserver {address}\n" for address in host_resolvers),
        "resolv.conf": f"nameserver {DNS_FORWARD}\n",
        "hosts": (
            "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
            f"{instance.subnets.node} {NODE_NAME} {REGISTRY_HOST} {PLATFORM_HOST}\n"
        ),
        "audit-policy.yaml": audit.POLICY,
        "containerd.toml": _containerd(instance),
        "cni/10-paas.conflist": json.dumps(_cni(instance), indent=2),
        f"certs.d/{REGISTRY}/hosts.toml": (
            f'server = "https://{REGISTRY}"\nca = "{instance.pki / "platform-ca.crt"}"\n'
            f'[host."https://{REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n'
            f'  ca = "{instance.pki / "platform-ca.crt"}"\n'
        ),
        "kubelet.yaml": yaml.safe_dump(_kubelet(instance), sort_keys=False),
        "Corefile": _corefile(instance),
        "registry.yaml": yaml.safe_dump(registry(instance, port=5000, token=True), sort_keys=False),
        "registry-bootstrap.yaml": yaml.safe_dump(
            registry(instance, port=BOOTSTRAP_REGISTRY_PORT, token=False), sort_keys=False
        ),
        "traefik-dynamic.yaml": yaml.safe_dump(_traefik_dynamic(instance), sort_keys=False),
    }


def _containerd(instance: Instance) -> str:
    return f"""\
version = 3
root = "{instance.state / "containerd"}"
state = "/run/paas/containerd"
[grpc]
  address = "{instance.containerd_socket}"
[plugins."io.containerd.cri.v1.runtime"]
  # without CAP_SYS_RESOURCE a lower oom_score_adj than our own cannot be set, and runc dies of trying
  restrict_oom_score_adj = true
  # a profile would be loaded into the host's kernel and stay there
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{instance.binaries / "runc"}"
      SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{instance.binaries}"]
    conf_dir = "{instance.etc / "cni"}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{instance.etc / "certs.d"}"
"""


def _cni(instance: Instance) -> dict[str, Any]:
    address_management = {
        "type": "host-local",
        "dataDir": "/run/paas/cni",
        "ranges": [[{"subnet": instance.subnets.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "paas",
        "plugins": [
            # not `bridge`: that one needs br_netfilter, which not every host has loaded
            {"type": "ptp", "ipMasq": True, "ipam": address_management},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet(instance: Instance) -> dict[str, Any]:
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": instance.subnets.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(instance.pki / "cluster-ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(instance.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(instance.pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [instance.subnets.dns_service],
        "clusterDomain": "cluster.local",
        "resolvConf": str(instance.etc / "resolv.conf"),
        "podLogsDir": str(instance.state / "pod-logs"),
        "maxPods": 250,
        # a process of the platform that dies is back within seconds, also when it dies again and again
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
        "serializeImagePulls": False,
        "maxParallelImagePulls": 4,
        "registryPullQPS": 50,
        "registryBurst": 100,
        # a laptop's disk may well be 90 % full: what counts is what is left
        "imageGCHighThresholdPercent": 97,
        "imageGCLowThresholdPercent": 95,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
    }


def _corefile(instance: Instance) -> str:
    return f""".:53 {{
  errors
  health 127.0.0.1:8180
  ready 127.0.0.1:8181
  hosts {{
    {instance.subnets.node} {REGISTRY_HOST} {PLATFORM_HOST}
    ttl 60
    fallthrough
  }}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {instance.etc / "coredns.kubeconfig"}
    pods verified
    fallthrough in-addr.arpa
  }}
  forward . {DNS_FORWARD} {{
    prefer_udp
  }}
  cache 30
}}
"""


def registry(instance: Instance, *, port: int, token: bool) -> dict[str, Any]:
    """With `token` the one that everybody uses; without, the one on loopback that `up` fills."""
    document: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(instance.registry_storage)},
            "delete": {"enabled": True},
        },
        "http": {
            "addr": f":{port}" if token else f"127.0.0.1:{port}",
            "tls": {
                "certificate": str(instance.pki / "registry.crt"),
                "key": str(instance.pki / "registry.key"),
            },
        },
    }
    if token:
        document["auth"] = {
            "token": {
                "realm": f"https://{PLATFORM_HOST}/registry/token",
                "service": REGISTRY,
                "issuer": TOKEN_ISSUER,
                "jwks": str(instance.pki / "registry-token.jwks"),
                "signingalgorithms": ["ES256"],
            }
        }
    return document


def _traefik_dynamic(instance: Instance) -> dict[str, Any]:
    certificate = {
        "certFile": str(instance.pki / "ingress.crt"),
        "keyFile": str(instance.pki / "ingress.key"),
    }
    return {
        "tls": {"stores": {"default": {"defaultCertificate": certificate}}},
        "http": {"middlewares": middlewares(https_port=instance.https_port)},
    }


def middlewares(*, https_port: int) -> dict[str, Any]:
    """What the settings `redirectMiddleware` and `retryMiddleware` name."""
    return {
        "paas-redirect": {"redirectScheme": {"scheme": "https", "port": str(https_port), "permanent": False}},
        # Only what reached no pod is asked again: a connection that was refused, not an answer that was cut.
        # A pause is at most twice the first.
        "paas-retry": {"retry": {"attempts": 5, "initialInterval": "100ms"}},
    }


def kubeconfigs() -> Mapping[str, str]:
    """File name under etc → the leaf whose client certificate it carries."""
    names = (
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "coredns",
        "traefik",
        "admin",
    )
    return {f"{name}.kubeconfig": name for name in names}
