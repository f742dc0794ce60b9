"""Configuration files and command lines of the components, rendered from an `Instance`. Pure.

The shape of the node: one address on a bridge of the namespace (`subnets.node`), where the API server,
CoreDNS, Traefik and the registry listen as plain processes; pods hang on `ptp` links and reach Services by
kube-proxy's iptables rules. Only pods that users make are pods: nothing of the cluster itself has to be
pulled before the cluster works.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from paas.node import audit
from paas.node.description import (
    DNS_FORWARD,
    NODE_NAME,
    PLATFORM_HOST,
    REGISTRY,
    REGISTRY_HOST,
    TOKEN_ISSUER,
    Instance,
)
from paas.node.pki import Leaf
from paas.node.processes import Probe, Process, to_document

PAUSE = "localhost/pause:1"
BOOTSTRAP_REGISTRY_PORT = 5001
WEB, WEBSECURE, TRAEFIK_PING = 80, 443, 8082

# kubelet sets these; in the instance's mount namespace, files lie over them.
SHIELDED_SYSCTLS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


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
    redirect = {"scheme": "https", "port": str(instance.https_port), "permanent": False}
    return {
        "tls": {"stores": {"default": {"defaultCertificate": certificate}}},
        "http": {"middlewares": {"paas-redirect": {"redirectScheme": redirect}}},
    }


def _traefik(instance: Instance) -> tuple[str, ...]:
    entry_points = [
        option
        for name, port in (("web", WEB), ("websecure", WEBSECURE))
        for option in (
            f"--entrypoints.{name}.address=:{port}",
            # 60 s by default, which would cut long pushes; the platform's server has limits of its own
            f"--entrypoints.{name}.transport.respondingtimeouts.readtimeout=0",
        )
    ]
    return (
        str(instance.binaries / "traefik"),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=INFO",
        *entry_points,
        "--entrypoints.websecure.http.tls=true",
        f"--entrypoints.traefik.address=127.0.0.1:{TRAEFIK_PING}",
        "--ping=true",
        "--ping.entrypoint=traefik",
        "--providers.providersthrottleduration=100ms",
        f"--providers.file.filename={instance.etc / 'traefik-dynamic.yaml'}",
        "--providers.kubernetesingress=true",
        "--providers.kubernetesingress.allowemptyservices=true",
        "--providers.kubernetesingress.ingressendpoint.ip=127.0.0.1",
    )


def _apiserver(instance: Instance) -> tuple[str, ...]:
    keys = instance.pki
    return (
        str(instance.binaries / "kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={instance.subnets.node}",
        f"--service-cluster-ip-range={instance.subnets.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={keys / 'cluster-ca.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--kubelet-certificate-authority={keys / 'cluster-ca.crt'}",
        f"--kubelet-client-certificate={keys / 'kubelet-client.crt'}",
        f"--kubelet-client-key={keys / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={keys / 'service-account.pub'}",
        f"--service-account-signing-key-file={keys / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--allow-privileged=true",
        "--profiling=false",
        f"--audit-policy-file={instance.etc / 'audit-policy.yaml'}",
        f"--audit-log-path={instance.audit_log}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=3",
    )


def _controller_manager(instance: Instance) -> tuple[str, ...]:
    return (
        str(instance.binaries / "kube-controller-manager"),
        f"--kubeconfig={instance.etc / 'kube-controller-manager.kubeconfig'}",
        f"--service-account-private-key-file={instance.pki / 'service-account.key'}",
        f"--root-ca-file={instance.pki / 'cluster-ca.crt'}",
        f"--cluster-signing-cert-file={instance.pki / 'cluster-ca.crt'}",
        f"--cluster-signing-key-file={instance.pki / 'cluster-ca.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
    )


def processes(instance: Instance) -> tuple[Process, ...]:
    """All components in an order in which they can be started."""
    binaries, etc, node = instance.binaries, instance.etc, instance.subnets.node
    # Go programs read their trusted CAs from here: the token endpoint behind the ingress has our CA's name
    trust = {"SSL_CERT_FILE": str(instance.trust_bundle)}
    ports = {instance.http_port: WEB, instance.https_port: WEBSECURE, instance.api_port: 6443}
    forwards = [f"--tcp-ports=127.0.0.1/{outside}:{inside}" for outside, inside in ports.items()]
    etcd = [
        str(binaries / "etcd"),
        "--name=paas",
        f"--data-dir={instance.state / 'etcd'}",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=paas=http://127.0.0.1:2380",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=30m",
        "--log-level=warn",
        *([] if instance.fsync else ["--unsafe-no-fsync"]),
    ]
    # pasta forwards DNS to the first resolver of the resolv.conf that it sees; with --dns it forwards nothing
    own_resolv_conf = 'mount --bind "$1" "$(realpath /etc/resolv.conf)" && shift && exec "$@"'
    pasta = (
        *("unshare", "--mount", "sh", "-c", own_resolv_conf, "sh", str(etc / "resolv.conf.host")),
        "pasta",
        "--foreground",
        "--quiet",
        "--ipv4-only",
        "--config-net",
        "--runas=0",
        "--netns-only",
        "--netns=/run/paas/netns",
        "--no-map-gw",
        f"--dns-forward={DNS_FORWARD}",
        f"--ns-ifname={instance.uplink}",
        *forwards,
        "--tcp-ns=none",
        "--udp-ports=none",
        "--udp-ns=none",
    )
    after_api = ("kube-apiserver",)
    return (
        Process(name="pasta", argv=pasta, outside=True, stop=3, probe=Probe(interface=instance.uplink)),
        Process(name="etcd", argv=tuple(etcd), probe=Probe(url="http://127.0.0.1:2379/readyz"), stop=2, grace=15),
        Process(
            name="containerd",
            argv=(str(binaries / "containerd"), f"--config={etc / 'containerd.toml'}"),
            environment={**trust, "PATH": f"{binaries}:/usr/sbin:/usr/bin:/sbin:/bin"},
            after=("pasta",),
            probe=Probe(unix=instance.containerd_socket),
        ),
        Process(
            name="pause-image",
            argv=(
                *(str(binaries / "ctr"), f"--address={instance.containerd_socket}", "--namespace=k8s.io"),
                *("images", "import", "--local", str(instance.pause_image)),
            ),
            after=("containerd",),
            once=True,
        ),
        Process(
            name="registry",
            argv=(str(binaries / "registry"), "serve", str(etc / "registry.yaml")),
            environment={**trust, "OTEL_TRACES_EXPORTER": "none"},
            after=("pasta",),
            probe=Probe(tcp="127.0.0.1:5000"),
        ),
        Process(
            name="kube-apiserver",
            argv=_apiserver(instance),
            after=("pasta", "etcd"),
            probe=Probe(
                url="https://127.0.0.1:6443/readyz", authority=str(instance.pki / "cluster-ca.crt")
            ),
            grace=10,
        ),
        # these three would answer the draining of pods by starting others
        Process(
            name="kube-controller-manager", argv=_controller_manager(instance), after=after_api, stop=0
        ),
        Process(
            name="kube-scheduler",
            argv=(
                str(binaries / "kube-scheduler"),
                f"--kubeconfig={etc / 'kube-scheduler.kubeconfig'}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
            ),
            after=after_api,
            stop=0,
        ),
        Process(
            name="kube-proxy",
            argv=(
                str(binaries / "kube-proxy"),
                f"--kubeconfig={etc / 'kube-proxy.kubeconfig'}",
                f"--hostname-override={NODE_NAME}",
                f"--cluster-cidr={instance.subnets.pods}",
                "--proxy-mode=iptables",
                "--conntrack-max-per-core=0",  # the table's size is the host's
                "--iptables-min-sync-period=200ms",
            ),
            after=after_api,
        ),
        Process(
            name="coredns",
            argv=(str(binaries / "coredns"), "-conf", str(etc / "Corefile")),
            after=after_api,
            probe=Probe(url="http://127.0.0.1:8181/ready"),
        ),
        Process(
            name="traefik",
            argv=_traefik(instance),
            environment={**trust, "KUBECONFIG": str(etc / "traefik.kubeconfig")},
            after=after_api,
            probe=Probe(url=f"http://127.0.0.1:{TRAEFIK_PING}/ping"),
        ),
        Process(
            name="kubelet",
            argv=(
                str(binaries / "kubelet"),
                f"--config={etc / 'kubelet.yaml'}",
                f"--kubeconfig={etc / 'kubelet.kubeconfig'}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={node}",
                f"--root-dir={instance.state / 'kubelet'}",
                f"--cert-dir={instance.state / 'kubelet-pki'}",
            ),
            environment={"PATH": f"{binaries}:/usr/sbin:/usr/bin:/sbin:/bin"},
            after=("kube-apiserver", "pause-image"),
            stop=0,
            probe=Probe(tcp=f"{node}:10250"),
        ),
    )


def kubeconfigs() -> Mapping[str, str]:
    """File name under etc → the leaf whose client certificate it carries."""
    names = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "coredns", "traefik", "admin")
    return {f"{name}.kubeconfig": name for name in names}


def document(instance: Instance, *, keep: tuple[Path, ...]) -> dict[str, Any]:
    """All of `supervise`'s instructions.

    `keep` are folders that must stay visible though /var/lib, /var/log, /run are the instance's own inside.
    """
    node = instance.subnets.node
    setup = (
        ("ip", "link", "set", "lo", "up"),
        # a bridge without ports is the one kind of link that every kernel has and that holds an address
        ("ip", "link", "add", "paas0", "type", "bridge"),
        ("ip", "address", "add", f"{node}/32", "dev", "paas0"),
        ("ip", "link", "set", "paas0", "up"),
        # pasta's window updates carry no flags; conntrack calls them INVALID for a pod's NATed connection,
        # so they reach the local stack, whose RST kills the connection
        (*("iptables", "-w", "-I", "INPUT", "-i", instance.uplink, "-m", "conntrack"),)
        + ("--ctstate", "INVALID", "-j", "DROP"),
    )
    return to_document(
        processes(instance),
        setup=setup,
        mounts={
            "private": ["/run", "/var/lib", "/var/log"],
            "keep": [str(path) for path in keep],
            "sysctls": list(SHIELDED_SYSCTLS),
            "sysctl_files": str(instance.run / "sysctls"),
            "files": {
                "/etc/resolv.conf": str(instance.etc / "resolv.conf"),
                "/etc/hosts": str(instance.etc / "hosts"),
            },
        },
        drain={
            "ctr": [str(instance.binaries / "ctr"), f"--address={instance.containerd_socket}"],
            "grace": 10.0,
        },
    )
