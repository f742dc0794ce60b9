"""Whatever form people write pod templates in, what the API server makes of them causes no loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from paas.api.resources import DEPLOYMENTCONFIG, Key, Manifest
from paas.kube.cluster import Cluster
from paas.reconcile import meta
from tests.support.deployments import config, make
from tests.support.operating import Operating, operating
from tests.support.rooms import connect, eventually, make_project, prepare

pytestmark = pytest.mark.integration

TEMPLATES = 40
CONFIG_CHANGE = [{"type": "ConfigChange"}]
QUANTITIES = ["0.5", "500m", 1, 2, "1", "1000m", "1.5", "0"]
BYTES = ["128Mi", "1Gi", "1024Mi", "0.5Gi", "1e9", "1000000000", 268435456, "1G", "100M"]
HANDLERS: list[Manifest] = [
    {"httpGet": {"path": "/", "port": 8080}},
    {"httpGet": {"port": "web", "scheme": "HTTP", "httpHeaders": []}},
    {"tcpSocket": {"port": 8080}},
    {"exec": {"command": ["true"]}},
    {"exec": {}},
]
VOLUMES: list[Manifest] = [
    {"emptyDir": {}},
    {"emptyDir": {"sizeLimit": "0.5Gi"}},
    {"emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}},
    {"configMap": {"name": "c"}},
    {"configMap": {"name": "c", "optional": True, "defaultMode": 256, "items": [{"key": "k", "path": "p"}]}},
    {"secret": {"secretName": "s"}},
    {"persistentVolumeClaim": {"claimName": "p"}},
    {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
]
ENVS: list[Manifest] = [
    {"name": "A", "value": "1"},
    {"name": "B", "value": ""},
    {"name": "C"},
    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    {"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}},
    {"name": "F", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
]
CONTAINER: dict[str, list[Any]] = {
    "command": [[], ["sh", "-c", "true"]],
    "args": [[], ["", "x"]],
    "workingDir": ["", "/x"],
    "imagePullPolicy": ["", "Always", "IfNotPresent"],
    "resources": [{}, {"limits": {}}, {"requests": {}}],
    "securityContext": [
        {},
        {"runAsUser": 0},
        {"capabilities": {}},
        {"privileged": False},
        {"runAsNonRoot": True},
    ],
    "lifecycle": [{}, {"preStop": {"exec": {"command": ["true"]}}}, {"preStop": {"sleep": {"seconds": 0}}}],
    "envFrom": [[], [{"configMapRef": {"name": "c"}}], [{"prefix": "P_", "secretRef": {"name": "s"}}]],
    "stdin": [False, True],
    "tty": [False],
    "terminationMessagePolicy": ["FallbackToLogsOnError"],
}
POD: dict[str, list[Any]] = {
    "terminationGracePeriodSeconds": [0, 30, 120],
    "restartPolicy": ["", "Always"],
    "dnsPolicy": ["ClusterFirst", "Default"],
    "nodeSelector": [{}, {"disk": "ssd"}],
    "tolerations": [[], [{"operator": "Exists"}], [{"key": "k", "value": "v", "effect": "NoSchedule"}]],
    "affinity": [
        {},
        {"nodeAffinity": {}},
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
    ],
    "securityContext": [{}, {"fsGroup": 1}, {"seccompProfile": {"type": "RuntimeDefault"}}, {"sysctls": []}],
    "serviceAccountName": ["", "default"],
    "automountServiceAccountToken": [False, True],
    "imagePullSecrets": [[], [{"name": "s"}]],
    "hostAliases": [[], [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]],
    "topologySpreadConstraints": [
        [],
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}],
    ],
    "enableServiceLinks": [False, True],
    "hostNetwork": [False],
    "priority": [None],
    "readinessGates": [[], [{"conditionType": "x/y"}]],
}


def some(rng: random.Random, choices: dict[str, list[Any]], *, chance: float) -> Manifest:
    return {key: rng.choice(values) for key, values in choices.items() if rng.random() < chance}


def probe(rng: random.Random) -> Manifest:
    numbers = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
    return rng.choice(HANDLERS) | {name: rng.choice([0, 1, 7]) for name in numbers if rng.random() < 0.4}


def container(rng: random.Random, name: str, volumes: list[str]) -> Manifest:
    made = {"name": name, "image": "registry.test/x:1", **some(rng, CONTAINER, chance=0.3)}
    made["ports"] = [{"containerPort": 8080, "name": "web"}, {"containerPort": 9090, "protocol": "UDP"}][
        : rng.randint(1, 2)
    ]
    made["env"] = rng.sample(ENVS, rng.randint(0, len(ENVS)))
    if rng.random() < 0.6:
        limits = {
            "cpu": rng.choice([2, "2", "2000m", "2.0"]),
            "memory": rng.choice(["2Gi", "4e9", 2147483648]),
        }
        requests = {"cpu": rng.choice(QUANTITIES), "memory": rng.choice(BYTES)}
        made["resources"] = {"limits": limits} | ({"requests": requests} if rng.random() < 0.5 else {})
    for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
        if rng.random() < 0.3:
            made[kind] = probe(rng)
    made["volumeMounts"] = [
        {"name": volume, "mountPath": f"/v/{volume}"} | rng.choice([{}, {"readOnly": False}, {"subPath": ""}])
        for volume in volumes
    ]
    return made


def pods(rng: random.Random) -> Manifest:
    chosen = rng.sample(VOLUMES, rng.randint(0, 3))
    volumes = [{"name": f"v{number}", **volume} for number, volume in enumerate(chosen)]
    names = [volume["name"] for volume in volumes]
    made = some(rng, POD, chance=0.3) | {"containers": [container(rng, "web", names)], "volumes": volumes}
    if rng.random() < 0.4:
        made["containers"].append({"name": "side", "image": "registry.test/side:1"})
    if rng.random() < 0.3:
        made["initContainers"] = [
            {"name": "init", "image": "registry.test/init:1", "restartPolicy": "Always"}
        ]
    return made


@pytest.fixture
async def api(workload_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(workload_kubeconfig) as door:
        yield door


@pytest.fixture(scope="module")
def running(workload_kubeconfig: Path) -> Iterator[Operating]:
    asyncio.run(prepare(workload_kubeconfig))
    with operating(workload_kubeconfig, make) as started:
        yield started


async def test_no_form_of_a_template_causes_a_loop(api: Cluster, running: Operating) -> None:
    project = await make_project(api, "forms")
    rng = random.Random(20270101)
    for number in range(TEMPLATES):
        made = config(project, name=f"f{number}", pods=pods(rng), triggers=CONFIG_CHANGE, replicas=0)
        await api.create(made, manager="test")

    async def all_said() -> bool:
        listed = await api.list(DEPLOYMENTCONFIG, project)
        return all(_complete(dc) or _refused(dc) for dc in listed)

    await eventually(all_said, 120)
    listed = await api.list(DEPLOYMENTCONFIG, project)
    complete = [dc["metadata"]["name"] for dc in listed if _complete(dc)]
    assert len(complete) > TEMPLATES / 2, "most of these templates are good ones"
    await eventually(lambda: _true(running.writes(project) == 0))

    controller = running.manager.runners[0].controller
    loops = {}
    for name in complete:
        observed = running.call(controller.gather(Key(project, name), ()))
        made_plan = controller.plan(observed, now=datetime.now(UTC), settings=controller.settings)
        if made_plan.writes:
            loops[name] = list(_differences(observed.deployment, made_plan.writes[0].manifest))
    assert loops == {}


def _differences(live: Any, wanted: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where, what is there, and what was wanted."""
    if meta.covers(live, wanted):
        return
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from _differences(live.get(key), value, f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        for number, pair in enumerate(zip(live, wanted, strict=True)):
            yield from _differences(*pair, f"{path}[{number}]")
    else:
        yield path, live, wanted


def _complete(dc: Manifest) -> bool:
    return ((dc.get("status") or {}).get("rollout") or {}).get("phase") == "Complete"


def _refused(dc: Manifest) -> bool:
    conditions = (dc.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Stalled" and c["reason"] == "InvalidSpec" for c in conditions)


async def _true(answer: bool) -> bool:
    return answer
