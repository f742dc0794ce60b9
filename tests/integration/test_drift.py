"""What a Deployment has beyond its revision, on a real API server with its real managedFields: what nobody
owns is taken out, what another manager owns is named with the command that takes it out."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.api.names import Condition
from paas.api.resources import DEPLOYMENT, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import Conflict
from paas.reconcile.conditions import find
from tests.support.deployments import Project, digest, make
from tests.support.operating import Operating, operating
from tests.support.rooms import connect, eventually, make_project, prepare

pytestmark = pytest.mark.integration

MUTATING = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicy",
    "mutatingadmissionpolicies",
    namespaced=False,
)
BINDING = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    namespaced=False,
)
OWN = {"name": "LEVEL", "value": "info"}


@pytest.fixture
async def api(workload_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(workload_kubeconfig) as door:
        yield door


@pytest.fixture(scope="module")
def running(workload_kubeconfig: Path) -> Iterator[Operating]:
    asyncio.run(prepare(workload_kubeconfig))
    with operating(workload_kubeconfig, make) as started:
        yield started


@pytest.fixture
async def project(api: Cluster, running: Operating) -> Project:
    """With one revision that is complete."""
    made = Project(api, await make_project(api, "drift"))
    await made.create(pods={"containers": [{"name": "web", "image": " ", "env": [OWN]}]})
    await made.image("a")
    await made.rolled_out(1)
    return made


async def steady(project: Project, running: Operating) -> None:
    """The pods are replaced, which the status follows, and then nothing is written any more."""
    await project.until(lambda _: running.writes(project.name) == 0)


async def live(project: Project) -> Manifest:
    found = await project.api.get(DEPLOYMENT, project.key)
    assert found is not None
    return found


async def containers(project: Project) -> dict[str, Manifest]:
    spec = (await live(project))["spec"]["template"]["spec"]
    return {container["name"]: container for container in spec["containers"]}


async def env(project: Project) -> list[str]:
    return [each["name"] for each in (await containers(project))["web"].get("env") or ()]


def drifted(status: Manifest) -> Manifest | None:
    return find({"status": status}, Condition.DRIFTED)


async def mesh(project: Project, *, name: str = "proxy") -> None:
    """Another manager puts a sidecar into the Deployment, as a mesh does."""
    template = {"spec": {"containers": [{"name": name, "image": "registry.test/mesh:1"}]}}
    await project.api.apply(
        {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "metadata": {"name": project.key.name, "namespace": project.key.namespace},
            "spec": {"template": template},
        },
        manager="mesh",
    )


async def disown(project: Project, manager: str) -> None:
    """Take a manager out of managedFields: what it wrote is nobody's from now on."""

    async def done() -> bool:
        found = (await live(project))["metadata"]
        kept = [entry for entry in found["managedFields"] if entry["manager"] != manager]
        assert len(kept) < len(found["managedFields"])
        patch = [
            {"op": "add", "path": "/metadata/resourceVersion", "value": found["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": kept},
        ]
        try:
            await project.api.patch(DEPLOYMENT, project.key, patch, manager="test")
        except Conflict:
            return False  # the Deployment's controller was quicker
        return True

    await eventually(done)


async def test_what_another_manager_owns_stays_is_named_and_goes_by_the_command(
    project: Project, running: Operating
) -> None:
    await mesh(project)
    said = drifted(await project.until(drifted)) or {}
    assert (said["status"], said["reason"]) == ("True", "ForeignFields")
    assert (
        "what revision 1 does not: container proxy (by mesh); every revision runs with it" in said["message"]
    )
    assert set(await containers(project)) == {"web", "proxy"}
    await steady(project, running)

    await project.image("b")
    status = await project.rolled_out(2)
    assert await project.serving() == ("2", digest("b"))
    assert set(await containers(project)) == {"web", "proxy"}, "the next revision runs with it, too"
    status = await project.until(
        lambda s: "what revision 2 does not" in (drifted(s) or {}).get("message", "")
    )

    message = (drifted(status) or {})["message"]
    *_, flag, patch = shlex.split(message.partition("or take it out: ")[2])
    assert flag == "-p"
    await project.api.patch(DEPLOYMENT, project.key, json.loads(patch), manager="kubectl-patch")
    await project.until(lambda s: drifted(s) is None)
    assert set(await containers(project)) == {"web"}
    await steady(project, running)


async def test_a_variable_that_is_nobodys_is_taken_out(project: Project, running: Operating) -> None:
    patch = [
        {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "X", "value": "2"}}
    ]
    await project.api.patch(DEPLOYMENT, project.key, patch, manager="kubectl-set")
    said = drifted(await project.until(drifted)) or {}
    assert "variable X of container web (by kubectl-set)" in said["message"]
    assert await env(project) == ["LEVEL", "X"]

    await disown(project, "kubectl-set")
    await project.until(lambda s: drifted(s) is None)
    assert await env(project) == ["LEVEL"]
    await steady(project, running)


async def test_a_sidecar_that_is_nobodys_is_taken_out(project: Project, running: Operating) -> None:
    await mesh(project)
    await project.until(drifted)
    await disown(project, "mesh")
    await project.until(lambda s: drifted(s) is None)
    assert set(await containers(project)) == {"web"}
    await steady(project, running)


async def test_what_is_nobodys_while_something_is_somebodys(project: Project, running: Operating) -> None:
    """The one goes, and the other stays and is named."""
    await mesh(project)
    patch = [{"op": "add", "path": "/spec/template/metadata/annotations/team", "value": "red"}]
    template = (await live(project))["spec"]["template"]["metadata"]
    if not template.get("annotations"):
        patch = [{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"team": "red"}}]
    await project.api.patch(DEPLOYMENT, project.key, patch, manager="somebody")
    await project.until(lambda s: "annotation team (by somebody)" in (drifted(s) or {}).get("message", ""))
    await disown(project, "somebody")
    status = await project.until(lambda s: "annotation team" not in (drifted(s) or {}).get("message", ""))
    assert "container proxy (by mesh)" in (drifted(status) or {})["message"]
    assert "team" not in ((await live(project))["spec"]["template"]["metadata"].get("annotations") or {})
    assert set(await containers(project)) == {"web", "proxy"}
    await steady(project, running)


@pytest.fixture
async def injecting(project: Project) -> AsyncIterator[str]:
    """The cluster adds a variable to every write of the project's Deployments."""
    name = f"inject-{project.name}"
    injected = 'Object.spec.template.spec.containers.env{name: "INJECTED", value: "1"}'
    where = "/spec/template/spec/containers/0/env"
    wanted = (
        "object.spec.template.spec.containers[0].env.exists(e, e.name == 'INJECTED') ? [] : "
        f'[JSONPatch{{op: "add", path: "{where}/-", value: {injected}}}]'
    )
    rule = {
        "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
        "operations": ["CREATE", "UPDATE"],
    }  # fmt: skip
    selector = {"matchLabels": {"kubernetes.io/metadata.name": project.name}}
    policy: dict[str, Any] = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": wanted}}],
        "reinvocationPolicy": "Never",
        "failurePolicy": "Fail",
    }
    for resource, spec in ((MUTATING, policy), (BINDING, {"policyName": name})):
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        await project.api.request("POST", resource.path(), body=body)

    async def in_force() -> bool:
        tried = {"metadata": {"annotations": {"tried": "yes"}}}
        path = DEPLOYMENT.path(project.name, project.key.name)
        answer = await project.api.request(
            "PATCH", path, query={"dryRun": "All"}, body=tried, content_type="application/merge-patch+json"
        )
        return "INJECTED" in str(answer["spec"])

    await eventually(in_force)
    yield "INJECTED"
    for resource in (BINDING, MUTATING):
        await project.api.request("DELETE", f"{resource.path()}/{name}")


async def test_what_the_cluster_itself_adds_is_named_and_not_fought(
    project: Project, running: Operating, injecting: str
) -> None:
    await project.image("b")
    await project.rolled_out(2)
    said = drifted(await project.until(drifted)) or {}
    assert f"variable {injecting} of container web (by an admission webhook or policy" in said["message"]
    assert await env(project) == ["LEVEL", injecting]
    before = (await live(project))["metadata"]["generation"]
    await steady(project, running)
    assert (await live(project))["metadata"]["generation"] == before
