"""What the API server refuses is said by the object that it is for, within 30 seconds, without a write loop;
and it goes on by itself when the obstacle is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.api.names import ANNOTATION_DESIRED, LABEL_PROJECT
from paas.api.project import status_of
from paas.api.resources import (
    BUILD,
    BUILDCONFIG,
    DEPLOYMENTCONFIG,
    IMAGESTREAM,
    JOB,
    NAMESPACE,
    ROUTE,
    SECRET,
    Key,
    Manifest,
    Resource,
)
from paas.builds.instantiate import instantiate
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, NotFound
from paas.node.apiserver import ApiServer
from paas.node.audit import entries
from paas.operator import controllers
from paas.reconcile.conditions import find
from tests.support.operating import Operating, operating
from tests.support.quota import Quota
from tests.support.rooms import eventually, make_project, prepare, settings_in

pytestmark = pytest.mark.integration
SAID_WITHIN, GONE_WITHIN = 30, 90


@pytest.fixture(scope="module")
def running(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operating]:
    asyncio.run(prepare(cluster_kubeconfig))
    settings = settings_in(tmp_path_factory.mktemp("platform"))
    with operating(cluster_kubeconfig, controllers, settings=settings) as started:
        yield started


@dataclass(frozen=True)
class Case:
    """An object, what it needs that is refused, and how it says so."""

    resource: Resource
    name: str
    counted: str
    spec: dict[str, Any]
    condition: str = "Ready"
    truth: str = "False"
    reason: str = "Refused"
    refused: str = ""


CONTAINER = {"name": "web", "image": "registry.test/web:1"}
TEMPLATE = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [CONTAINER]}}
OUTPUT = {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}
EXTERNAL = {"git": {"uri": "https://git.example/team/shop.git"}}
CANNOT_START = ("Succeeded", "Unknown", "CannotCreateBuildPod")
CASES = [
    Case(BUILD, "shop-1", "jobs.batch", {}, *CANNOT_START, refused="Job shop-1-build"),
    Case(BUILD, "shop-1", "secrets", {}, *CANNOT_START, refused="Secret shop-1-build"),
    Case(
        BUILDCONFIG,
        "shop",
        "builds.paas.dev",
        {"output": OUTPUT, "source": EXTERNAL, "triggers": [{"type": "ConfigChange"}]},
        refused="the Build for configchange:",
    ),
    Case(
        DEPLOYMENTCONFIG,
        "shop",
        "controllerrevisions.apps",
        {"replicas": 1, "template": TEMPLATE, "triggers": [{"type": "ConfigChange"}]},
        refused="ControllerRevision shop-1",
    ),
    Case(
        DEPLOYMENTCONFIG,
        "shop",
        "deployments.apps",
        {"replicas": 1, "template": TEMPLATE, "triggers": [{"type": "ConfigChange"}]},
        refused="Deployment shop",
    ),
    Case(ROUTE, "shop", "ingresses.networking.k8s.io", {"to": {"name": "shop"}}, refused="Ingress shop"),
    Case(
        ROUTE,
        "deep",
        "secrets",
        {"to": {"name": "shop"}, "tls": {"termination": "edge"}, "host": "a.b.apps.test"},
        refused="Secret deep.route-tls",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.resource.kind} without {case.counted}")
async def test_a_full_quota_is_said_and_forgotten_when_there_is_room(
    api: Cluster, cluster: ApiServer, running: Operating, case: Case
) -> None:
    project = await make_project(api, "quota")
    await eventually(lambda: _project_says(api, project, "ready"))
    quota = Quota(api, project, case.counted)
    await quota.fill()
    key = Key(project, case.name)
    await _make(api, case, project)

    async def says() -> Manifest | None:
        obj = await api.get(case.resource, key)
        found = find(obj, case.condition) or {}  # type: ignore[arg-type]
        return obj if (found.get("status"), found.get("reason")) == (case.truth, case.reason) else None

    obj = await eventually(says, SAID_WITHIN)
    message = find(obj, case.condition)["message"]  # type: ignore[arg-type, index]
    assert message.startswith(f"the cluster refuses {case.refused}")
    assert "exceeded quota: small" in message
    assert f"kubectl describe quota -n {project}" in message
    if case.resource != BUILD:
        assert (find(obj, "Stalled") or {}).get("reason") == "Refused"  # type: ignore[arg-type]
    await _stays(api, running, case.resource, key)
    assert await says() is not None
    await quota.lift()

    async def goes_on() -> bool:
        return await says() is None and find(await api.get(case.resource, key), case.condition) is not None  # type: ignore[arg-type]

    await eventually(goes_on, GONE_WITHIN)
    obj = await api.get(case.resource, key)
    assert "refuses" not in str((obj or {}).get("status"))
    if case.resource == BUILD:
        job = Key(project, f"{case.name}-build")
        assert None not in (await api.get(JOB, job), await api.get(SECRET, job)), "its pod can start"
    asked = [e for e in entries(cluster.audit_log.read_text().splitlines()) if e.namespace == project]
    assert len([e for e in asked if e.code == 403]) < 40, "the API server is not asked all the time"


async def _make(api: Cluster, case: Case, project: str) -> None:
    """The object and what it needs."""
    if case.resource in (BUILD, BUILDCONFIG):
        stream = {"apiVersion": IMAGESTREAM.api_version, "kind": IMAGESTREAM.kind, "spec": {}}
        await api.create({**stream, "metadata": {"name": "shop", "namespace": project}}, manager="test")
    resource = BUILDCONFIG if case.resource == BUILD else case.resource
    manifest = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "shop" if case.resource == BUILD else case.name, "namespace": project},
        "spec": case.spec or {"output": OUTPUT},
    }
    await api.create(manifest, manager="test")
    if case.resource == BUILD:
        asked = BuildRequest(
            trigger_id="push:1", trigger_type=TriggerType.PUSH, commit="1" * 40, dockerfile="FROM scratch\n"
        )
        await instantiate(api, Key(project, "shop"), asked, manager="test")


async def _stays(api: Cluster, running: Operating, resource: Resource, key: Key) -> None:
    """However often everything is looked at, the object is not written again."""
    running.call(running.manager.resync())
    await eventually(lambda: _idle(running))
    before = await api.get(resource, key)
    for _ in range(3):
        running.call(running.manager.resync())
        await eventually(lambda: _idle(running))
    after = await api.get(resource, key)
    assert before is not None
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def _idle(running: Operating) -> bool:
    return all(len(runner.queue) == 0 for runner in running.manager.runners)


async def _project_says(api: Cluster, project: str, wanted: str) -> bool:
    return status_of(await api.get(NAMESPACE, Key("", project))).startswith(wanted)


POLICY = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDING = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@pytest.fixture
async def no_limits(api: Cluster) -> AsyncIterator[str]:
    """The label of namespaces in which a policy allows no LimitRange."""
    label = "test-no-limits"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["limitranges"]}
    policy = {
        "metadata": {"name": label},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "no LimitRange in this company"}],
        },
    }
    selector = {"namespaceSelector": {"matchLabels": {label: "true"}}}
    binding = {
        "metadata": {"name": label},
        "spec": {"policyName": label, "validationActions": ["Deny"], "matchResources": selector},
    }
    await api.request("POST", POLICY, body=policy)
    await api.request("POST", BINDING, body=binding)
    probe = f"probe-{label}"
    await api.request(
        "POST", "/api/v1/namespaces", body={"metadata": {"name": probe, "labels": {label: "true"}}}
    )
    limits = {"metadata": {"name": "probe"}, "spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}}

    async def in_force() -> bool:
        try:
            await api.request(
                "POST", f"/api/v1/namespaces/{probe}/limitranges", query={"dryRun": "All"}, body=limits
            )
        except ApiError as problem:
            return "no LimitRange in this company" in problem.message
        return False

    await eventually(in_force)
    yield label
    await api.request("DELETE", POLICY + f"/{label}")
    with contextlib.suppress(NotFound):  # the test took it away
        await api.request("DELETE", BINDING + f"/{label}")


async def test_a_policy_that_forbids_a_default_object_is_said_by_the_project(
    api: Cluster, running: Operating, no_limits: str
) -> None:
    made = await api.request(
        "POST",
        "/api/v1/namespaces",
        body={"metadata": {"generateName": "policy-", "labels": {LABEL_PROJECT: "true", no_limits: "true"}}},
    )
    project = str(made["metadata"]["name"])

    async def stalled() -> bool:
        return await _project_says(api, project, "stalled: the cluster refuses LimitRange ")

    await eventually(stalled, SAID_WITHIN)
    found = await api.get(NAMESPACE, Key("", project))
    assert "no LimitRange in this company" in status_of(found)
    assert found is not None
    assert ANNOTATION_DESIRED in found["metadata"]["annotations"]
    await _stays(api, running, NAMESPACE, Key("", project))
    await api.request("DELETE", BINDING + f"/{no_limits}")
    await eventually(lambda: _project_says(api, project, "ready"), GONE_WITHIN)


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@pytest.fixture
async def dead_webhook(api: Cluster) -> AsyncIterator[str]:
    """The label of namespaces in which an admission webhook that nobody answers must allow Deployments."""
    label = "test-dead-webhook"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    webhook = {
        "name": "dead.paas.test",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {label: "true"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
    }
    await api.request("POST", WEBHOOKS, body={"metadata": {"name": label}, "webhooks": [webhook]})
    yield label
    with contextlib.suppress(NotFound):  # the test took it away
        await api.request("DELETE", f"{WEBHOOKS}/{label}")


async def test_what_is_answered_by_an_error_every_time_is_said_and_forgotten(
    api: Cluster, running: Operating, dead_webhook: str
) -> None:
    project = await make_project(api, "webhook")
    await eventually(lambda: _project_says(api, project, "ready"))
    labels = {"metadata": {"labels": {dead_webhook: "true"}}}
    await api.patch(NAMESPACE, Key("", project), labels, manager="test")
    spec = {"replicas": 1, "template": TEMPLATE, "triggers": [{"type": "ConfigChange"}]}
    case = Case(DEPLOYMENTCONFIG, "shop", "", spec)
    await _make(api, case, project)
    key = Key(project, "shop")

    async def ready() -> Manifest:
        return dict(find(await api.get(DEPLOYMENTCONFIG, key), "Ready") or {})  # type: ignore[arg-type]

    async def says() -> bool:
        return (await ready()).get("reason") == "ReconcileFailed"

    await eventually(says, SAID_WITHIN)
    message = (await ready())["message"]
    assert 'failed calling webhook "dead.paas.test"' in message
    assert "kubectl logs -n paas-system deployment/operator" in message
    await api.request("DELETE", f"{WEBHOOKS}/{dead_webhook}")

    async def goes_on() -> bool:
        return (await ready()).get("reason") == "RolloutStarted"

    await eventually(goes_on, GONE_WITHIN)
