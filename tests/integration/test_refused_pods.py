"""R25: pods that Kubernetes' own controllers may not make. Builds and rollouts say so within 30 seconds, also
to the pusher, and go on by themselves when the obstacle is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.api.names import LABEL_BUILD, LABEL_DEPLOYMENTCONFIG
from paas.api.resources import (
    BUILD,
    BUILDCONFIG,
    DEPLOYMENTCONFIG,
    IMAGESTREAM,
    NAMESPACE,
    POD,
    Key,
    Manifest,
    Resource,
)
from paas.builds.instantiate import instantiate
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, NotFound
from paas.operator import controllers
from paas.reconcile.conditions import find
from paas.server.push_progress import push_progress
from tests.support.operating import Operating, operating
from tests.support.rooms import condition, connect, eventually, make_project, prepare, settings_in

pytestmark = pytest.mark.integration
SAID_WITHIN, GONE_WITHIN = 30, 150
"""Seconds. Kubernetes' controllers try again after a pause that doubles."""
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
NO_PODS = "test-no-pods"


@pytest.fixture
async def api(workload_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(workload_kubeconfig) as door:
        yield door


@pytest.fixture(scope="module")
def running(workload_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operating]:
    asyncio.run(prepare(workload_kubeconfig))
    settings = settings_in(tmp_path_factory.mktemp("platform"))
    with operating(workload_kubeconfig, controllers, settings=settings) as started:
        yield started


@asynccontextmanager
async def a_full_quota(api: Cluster, project: str) -> AsyncIterator[str]:
    """No room for any pod."""
    path, hard = f"/api/v1/namespaces/{project}/resourcequotas", {"pods": "0"}
    await api.request("POST", path, body={"metadata": {"name": "small"}, "spec": {"hard": hard}})
    # no quota controller runs here: its part, which admission looks at
    await api.request(
        "PATCH",
        f"{path}/small/status",
        body={"status": {"hard": hard, "used": hard}},
        content_type="application/merge-patch+json",
    )
    yield "exceeded quota: small"
    await api.request("DELETE", f"{path}/small")


@asynccontextmanager
async def a_policy(api: Cluster, project: str) -> AsyncIterator[str]:
    """No pod in this namespace."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec: Manifest = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "no pods on Sundays"}],
    }
    await api.request("POST", POLICIES, body={"metadata": {"name": NO_PODS}, "spec": spec})
    selector = {"namespaceSelector": {"matchLabels": {NO_PODS: "true"}}}
    spec = {"policyName": NO_PODS, "validationActions": ["Deny"], "matchResources": selector}
    await api.request("POST", BINDINGS, body={"metadata": {"name": NO_PODS}, "spec": spec})
    await api.patch(NAMESPACE, Key("", project), {"metadata": {"labels": {NO_PODS: "true"}}}, manager="test")
    probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}

    async def in_force() -> bool:
        try:
            await api.request(
                "POST", f"/api/v1/namespaces/{project}/pods", query={"dryRun": "All"}, body=probe
            )
        except ApiError as problem:
            return "no pods on Sundays" in problem.message
        return False

    await eventually(in_force)
    yield "no pods on Sundays"
    await api.request("DELETE", f"{BINDINGS}/{NO_PODS}")
    with contextlib.suppress(NotFound):
        await api.request("DELETE", f"{POLICIES}/{NO_PODS}")


def manifest(resource: Resource, project: str, spec: dict[str, Any]) -> Manifest:
    about = {"name": "shop", "namespace": project}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": about, "spec": spec}


async def told(api: Cluster, build: Manifest, lines: list[str]) -> None:
    """What the pusher reads."""
    async with aclosing(push_progress(api, build, wait=300)) as progress:
        async for line in progress:
            lines.append(line)


@pytest.mark.parametrize("obstacle", [a_full_quota, a_policy])
async def test_pods_that_are_refused_are_said_and_come_when_they_are_let_in(
    api: Cluster, running: Operating, obstacle: Any
) -> None:
    project = await make_project(api, "refused")

    async def account() -> bool:
        return await has_builder(api, project)

    await eventually(account)
    hindered: AbstractAsyncContextManager[str] = obstacle(api, project)
    async with hindered as words:
        await api.create(manifest(IMAGESTREAM, project, {}), manager="test")
        output = {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}
        await api.create(manifest(BUILDCONFIG, project, {"output": output}), manager="test")
        container = {"name": "web", "image": "registry.test/web:1"}
        template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}}
        spec = {"replicas": 1, "template": template, "triggers": [{"type": "ConfigChange"}]}
        await api.create(manifest(DEPLOYMENTCONFIG, project, spec), manager="test")
        asked = BuildRequest(
            trigger_id="push:1", trigger_type=TriggerType.PUSH, commit="1" * 40, dockerfile="FROM scratch\n"
        )
        made = await instantiate(api, Key(project, "shop"), asked, manager="test")
        lines: list[str] = []
        following = asyncio.create_task(told(api, made.build, lines))

        async def build_says() -> Manifest | None:
            build = await api.get(BUILD, Key(project, "shop-1"))
            found = (build or {}).get("status") or {}
            return build if found.get("reason") == "CannotCreateBuildPod" else None

        build = await eventually(build_says, SAID_WITHIN)
        assert words in build["status"]["message"]
        assert words in find(build, "Succeeded")["message"]  # type: ignore[arg-type, index]

        async def pusher_reads() -> bool:
            return any(words in line for line in lines)

        await eventually(pusher_reads, SAID_WITHIN)

        async def rollout_says() -> bool:
            return await condition(api, DEPLOYMENTCONFIG, Key(project, "shop"), "Ready") == (
                "False",
                "Refused",
            )

        await eventually(rollout_says, SAID_WITHIN)
        dc = await api.get(DEPLOYMENTCONFIG, Key(project, "shop"))
        assert words in find(dc, "Ready")["message"]  # type: ignore[arg-type, index]
        if obstacle is a_full_quota:
            for text in (build["status"]["message"], find(dc, "Ready")["message"]):  # type: ignore[arg-type, index]
                assert f"kubectl describe quota -n {project}" in text

    async def pods_are_there() -> bool:
        pods = await api.list(POD, project)
        labels = {label for pod in pods for label in pod["metadata"]["labels"]}
        return {LABEL_BUILD, LABEL_DEPLOYMENTCONFIG} <= labels

    await eventually(pods_are_there, GONE_WITHIN)

    async def nobody_complains() -> bool:
        build = await api.get(BUILD, Key(project, "shop-1"))
        rollout = await condition(api, DEPLOYMENTCONFIG, Key(project, "shop"), "Ready")
        return "blockedSince" not in (build or {})["status"] and rollout[1] != "Refused"

    await eventually(nobody_complains, SAID_WITHIN)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def has_builder(api: Cluster, project: str) -> bool:
    """Whether the ServiceAccount that build pods need is there."""
    path = f"/api/v1/namespaces/{project}/serviceaccounts/builder"
    try:
        await api.request("GET", path)
    except NotFound:
        return False
    return True
