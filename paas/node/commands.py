"""The command lines of an instance: what `supervise` is told to start, in which order. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paas.node.processes import Probe, Process, to_document
from paas.node.spec import DNS_FORWARD, NODE_NAME, Instance

WEB, WEBSECURE, TRAEFIK_PING = 80, 443, 8082

# The instance has its own of these, so what the host has there is not seen inside.
HIDDEN = ("/run", "/var/lib", "/var/log")
# kubelet sets these; in the instance's mount namespace, files lie over them.
SHIELDED_SYSCTLS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


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
        "--netns=/run/netns/paas",
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
        Process(
            name="etcd", argv=tuple(etcd), probe=Probe(url="http://127.0.0.1:2379/readyz"), stop=2, grace=15
        ),
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
            probe=Probe(url="https://127.0.0.1:6443/readyz", authority=str(instance.pki / "cluster-ca.crt")),
            grace=10,
        ),
        # these three would answer the draining of pods by starting others
        Process(name="kube-controller-manager", argv=_controller_manager(instance), after=after_api, stop=0),
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


def document(instance: Instance, *, keep: tuple[Path, ...]) -> dict[str, Any]:
    """All of `supervise`'s instructions.

    `keep` are folders that must stay visible though those of HIDDEN are the instance's own inside.
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
        (
            *("iptables", "-w", "-I", "INPUT", "-i", instance.uplink),
            *("-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP"),
        ),
    )
    return to_document(
        processes(instance),
        setup=setup,
        mounts={
            "private": list(HIDDEN),
            # the others are left out, so that an upgrade from another checkout finds nothing changed
            "keep": [str(path) for path in keep if any(path.is_relative_to(hidden) for hidden in HIDDEN)],
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
