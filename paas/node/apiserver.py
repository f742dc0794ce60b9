"""A real etcd and kube-apiserver on loopback, without a node: what integration tests run against.

    with running(folder, binaries=build.ensure(["etcd", "kubernetes"], progress=print)) as api:
        ... api.kubeconfig, api.audit_log ...

Ready in a few seconds, forgotten afterwards: etcd does not fsync, the ports are free ones. No kubelet runs,
so pods stay Pending until a test moves them along; which controllers of kube-controller-manager run is up
to the caller.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paas.node import audit, kubeconfig, pki
from paas.node.errors import NodeError

# Namespaces really end, owners take their children along, pods find a ServiceAccount.
HOUSEKEEPING = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
)
WORKLOADS = (
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "endpointslice-controller",
)
SERVICES = "10.96.0.0/16"
START_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """`kubeconfig` is of a member of system:masters; `audit_log` gets a line a request, as it ends."""

    url: str
    kubeconfig: Path
    audit_log: Path
    authority: Path  # PEM of the cluster CA
    logs: Path


@contextlib.contextmanager
def running(
    folder: Path, *, binaries: Path, controllers: Sequence[str] = HOUSEKEEPING
) -> Iterator[ApiServer]:
    """Everything lives under `folder`; stopped when the context ends. NodeError with the log's end when a
    process does not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    keys, logs = folder / "pki", folder / "log"
    logs.mkdir(exist_ok=True)
    client_port, peer_port, api_port, kcm_port = _free_ports(4)
    authority = pki.ensure_authority(keys, "cluster-ca", common_name="paas integration cluster")
    hosts = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "127.0.0.1",
        "10.96.0.1",
    )
    pki.ensure_leaf(
        keys, pki.Leaf(name="apiserver", authority="cluster-ca", common_name="apiserver", hosts=hosts)
    )
    for name, organization in (("admin", "system:masters"), ("system:kube-controller-manager", None)):
        leaf = pki.Leaf(
            name=name.rpartition(":")[2], authority="cluster-ca", common_name=name, organization=organization
        )
        pki.ensure_leaf(keys, leaf)
    pki.ensure_key_pair(keys, "service-account")
    server = f"https://127.0.0.1:{api_port}"
    config = folder / "kubeconfig"
    config.write_text(kubeconfig.of_leaf(keys, "admin", server=server, name="paas-integration"))
    config.chmod(0o600)
    manager_config = folder / "kube-controller-manager.kubeconfig"
    manager_config.write_text(kubeconfig.of_leaf(keys, "kube-controller-manager", server=server, name="kcm"))
    manager_config.chmod(0o600)
    policy = folder / "audit-policy.yaml"
    policy.write_text(audit.POLICY)
    api = ApiServer(
        url=server, kubeconfig=config, audit_log=folder / "audit.log", authority=authority, logs=logs
    )
    etcd = [
        str(binaries / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client_port}",
        f"--advertise-client-urls=http://127.0.0.1:{client_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
        f"--initial-cluster=default=http://127.0.0.1:{peer_port}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    apiserver = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{client_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={api_port}",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={authority}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--service-account-key-file={keys / 'service-account.pub'}",
        f"--service-account-signing-key-file={keys / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={api.audit_log}",
        f"--cert-dir={folder / 'certs'}",
    ]
    manager = [
        str(binaries / "kube-controller-manager"),
        f"--kubeconfig={manager_config}",
        f"--controllers={','.join(controllers)}",
        f"--service-account-private-key-file={keys / 'service-account.key'}",
        f"--root-ca-file={authority}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={kcm_port}",
        f"--cert-dir={folder / 'certs'}",
    ]
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(_process("etcd", etcd, logs))
        second = stack.enter_context(_process("kube-apiserver", apiserver, logs))
        _wait_ready(api, {"etcd": first, "kube-apiserver": second})
        if controllers:
            stack.enter_context(_process("kube-controller-manager", manager, logs))
        yield api


@contextlib.contextmanager
def _process(name: str, command: list[str], logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            # watches of clients that are still there keep an API server from ending by itself
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(api: ApiServer, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    context = ssl.create_default_context(cafile=str(api.authority))
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise _failed(api, name, f"ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(f"{api.url}/readyz", context=context, timeout=2) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except (OSError, http.client.HTTPException):
            pass
        if time.monotonic() > deadline:
            raise _failed(api, "kube-apiserver", f"was not ready after {START_TIMEOUT:.0f} s")
        time.sleep(0.1)


def _failed(api: ApiServer, name: str, how: str) -> NodeError:
    log = api.logs / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return NodeError(
        f"{name} {how}:\n" + "\n".join(lines),
        why="integration tests need a real API server",
        next_step=f"look at {log}",
    )


def _free_ports(count: int) -> list[int]:
    """Ports nobody listened on a moment ago; held together while choosing, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
