"""A git host elsewhere: real `git http-backend` behind TLS, in a pod with a Service.

Builds reach it as `https://git.<project>.svc:<port>`, and so does its owner's git on this machine, by a
port-forward of the same port number. Its certificate is signed by the platform's CA, which `fetch` trusts.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paas.node import pki
from tests.support import git_host as git_host_script
from tests.support.platform import Instance, Person

SCRIPT = Path(git_host_script.__file__)


@dataclass(frozen=True)
class GitHost:
    """`person`'s git on this machine can clone and push `url(name)`."""

    person: Person
    host: str
    port: int

    def url(self, name: str) -> str:
        return f"https://{self.host}:{self.port}/{name}.git"


@contextlib.contextmanager
def git_host(person: Person, *repositories: str) -> Iterator[GitHost]:
    """A host with these empty repositories, in the person's project, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    host = f"git.{person.project}.svc"
    objects = _objects(person, host, port, repositories)
    person.instance.kubectl(
        "apply",
        "-n",
        person.project,
        "-f",
        "-",
        stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}),
    ).ok()
    person.instance.kubectl(
        "wait", "-n", person.project, "--for=condition=Ready", "pod/git", "--timeout=110s"
    ).ok()
    authority = person.home / "platform-ca.crt"
    authority.write_text(person.instance.authority)
    for key, value in (("sslCAInfo", str(authority)), ("curloptResolve", f"{host}:{port}:127.0.0.1")):
        person.git("config", "--global", f"http.https://{host}:{port}.{key}", value, cwd=person.home).ok()
    with _forwarded(person.instance, person.project, port):
        yield GitHost(person, host, port)


@contextlib.contextmanager
def _forwarded(instance: Instance, project: str, port: int) -> Iterator[None]:
    kubectl = [str(instance.state / "bin" / "kubectl"), "--kubeconfig", str(instance.kubeconfig)]
    process = subprocess.Popen(
        [*kubectl, "port-forward", "-n", project, "service/git", f"{port}:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Forwarding from"), said
        yield
    finally:
        process.terminate()
        process.communicate()


def _objects(person: Person, host: str, port: int, repositories: tuple[str, ...]) -> list[dict[str, object]]:
    server = person.instance.object("deployment", "paas-system", "server")
    assert server is not None
    keys = _certificate(person, host)
    container = {
        "name": "git",
        # has git, Python and what the script imports
        "image": server["spec"]["template"]["spec"]["containers"][0]["image"],
        "imagePullPolicy": "Never",
        "command": [
            *("python", f"/script/{SCRIPT.name}", "/repositories"),
            *("/keys/tls.crt", "/keys/tls.key", str(port)),
            *repositories,
        ],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": name, "mountPath": f"/{name}"} for name in ("script", "keys", "repositories")
        ],
    }
    volumes: list[dict[str, object]] = [
        {"name": "script", "configMap": {"name": "git"}},
        {"name": "keys", "secret": {"secretName": "git"}},
        {"name": "repositories", "emptyDir": {}},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "git"},
            "data": {SCRIPT.name: SCRIPT.read_text()},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "git"},
            "data": keys,
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "git", "labels": {"app": "git"}},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"fsGroup": 10001},
                "containers": [container],
                "volumes": volumes,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "git"},
            "spec": {"selector": {"app": "git"}, "ports": [{"port": port}]},
        },
    ]


def _certificate(person: Person, host: str) -> dict[str, str]:
    folder: Path = person.home / "git-host"
    folder.mkdir()
    for name in ("platform-ca.crt", "platform-ca.key"):
        shutil.copy(person.instance.state / "pki" / name, folder / name)
    pki.ensure_leaf(folder, pki.Leaf(name="tls", authority="platform-ca", common_name="git", hosts=(host,)))
    (folder / "platform-ca.key").unlink()
    return {name: base64.b64encode((folder / name).read_bytes()).decode() for name in ("tls.crt", "tls.key")}
