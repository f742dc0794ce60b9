"""An embedded cluster comes and goes, and the host is as it was; while it is down, its applications rest.

In a bare instance of its own: what is shown here needs no platform.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.node import build, images, instance, network, paths
from paas.node.components import COMPONENTS
from paas.node.spec import Instance as Description
from paas.node.stores import Node
from tests.support import host
from tests.support.platform import Instance, eventually

pytestmark = pytest.mark.e2e

BARE = "bare"
PORTS = (38080, 38443, 36443)
IMAGE = images.RuntimeImage(reference="paas/runtime-python:latest", packages=("python3",))
PAGE = "from-the-embedded-cluster"


@pytest.fixture(scope="module")
def bare() -> Iterator[Instance]:
    made = Instance(BARE, *PORTS, paths.state_root() / BARE)
    made.down("--purge")
    yield made
    made.down("--purge").ok()


def described() -> Description:
    found = instance.load(BARE)
    assert found is not None
    return found


def processes() -> dict[tuple[int, str], str]:
    running = instance.alive(described())
    assert running is not None
    return host.descendants(running.unshare)


def unchanged(before: host.Host, *, of: str | None = BARE) -> None:
    """The host is as it was, at this moment or at the next: other programs mount and unmount, too."""
    eventually(
        lambda: not host.snapshot(of=of).changes(before),
        seconds=15,
        what=f"the host is as before; now different: {host.snapshot(of=of).changes(before)}",
        pause=1,
    )


def demo() -> list[dict[str, Any]]:
    """A web server in one pod, its Service, and an Ingress without a certificate of its own."""
    serve = (
        f"mkdir -p /tmp/www && cd /tmp/www && echo {PAGE} > index.html && exec python3 -m http.server 8080"
    )
    container = {
        "name": "web",
        "image": f"registry.paas.internal:5000/{IMAGE.reference}",
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", serve],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": "demo"}
    backend = {"service": {"name": "demo", "port": {"number": 80}}}
    host_name = "x-demo.apps.localhost"
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "demo"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "demo"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "demo",
                "annotations": {"traefik.ingress.kubernetes.io/router.middlewares": "paas-redirect@file"},
            },
            "spec": {
                "rules": [
                    {
                        "host": host_name,
                        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                    }
                ],
            },
        },
    ]


def https(path: str = "/") -> tuple[int, str]:
    """Ask for the demo over https as a browser would, trusting nothing but the platform's CA."""
    context = ssl.create_default_context(cafile=str(described().state / "platform-ca.crt"))
    with socket.create_connection(("127.0.0.1", PORTS[1]), timeout=5) as raw:
        connection = http.client.HTTPSConnection("x-demo.apps.localhost", PORTS[1], timeout=5)
        connection.sock = context.wrap_socket(raw, server_hostname="x-demo.apps.localhost")
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def serves() -> bool:
    try:
        return https() == (200, PAGE + "\n")
    except OSError:
        return False


def test_the_host_is_as_before_and_applications_come_back(bare: Instance) -> None:
    # what is made once per machine is no part of a cluster's coming and going
    binaries = build.ensure(list(COMPONENTS), progress=print)
    image = images.runtime(paths.cache_root(), binaries, IMAGE, progress=print)
    before = host.snapshot(of=BARE)
    unchanged(before)

    # up: a workload is live over https, with a certificate that verifies
    bare.up("--bare").ok()
    Node(described()).load(f"registry.paas.internal:5000/{IMAGE.reference}", image)
    bare.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": demo()})
    ).ok()
    eventually(serves, seconds=60, what="the demo answers over https")

    # plain http is sent to the *external* https port
    plain = http.client.HTTPConnection("127.0.0.1", PORTS[0], timeout=5)
    plain.request("GET", "/a?b=c", headers={"Host": "x-demo.apps.localhost"})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (
        302, f"https://x-demo.apps.localhost:{PORTS[1]}/a?b=c",
    )  # fmt: skip

    # while it runs: no mount, link, route, rule or setting of the host is different, but for its own cgroup
    unchanged(before, of=None)
    inside = processes()
    assert {"pasta", "etcd", "kubelet", "pause"} <= {Path(c.split()[0]).name for c in inside.values() if c}

    # up again verifies and changes nothing: the same pod goes on
    pod = bare.objects("pods", "default")[0]["metadata"]["uid"]
    bare.up("--bare").ok()
    assert [p["metadata"]["uid"] for p in bare.objects("pods", "default")] == [pod]
    assert host.still_there(inside) == list(inside.values())

    # down: nothing is left
    bare.down().ok()
    unchanged(before)
    assert host.still_there(inside) == []
    assert all(network.port_is_free(port) for port in PORTS)

    # up: the application is back by itself
    bare.up("--bare").ok()
    eventually(serves, seconds=90, what="the demo answers again after down and up")
    inside = processes()

    # a SIGKILL of the one process above everything ends everything, and down cleans up behind it
    running = instance.alive(described())
    assert running is not None
    subprocess.run(["kill", "-KILL", str(running.unshare)], check=True)
    eventually(lambda: host.still_there(inside) == [], seconds=20, what="all processes end with the first")
    bare.down("--purge").ok()
    unchanged(before)
    assert not Path(paths.state_root() / BARE).exists()
