"""Projects on a real API server: what they are given, and what is left alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from paas.api.names import LABEL_PROJECT
from paas.api.project import status_of
from paas.api.resources import NAMESPACE, NETWORKPOLICY, ROLEBINDING, SECRET, SERVICEACCOUNT, Key, Manifest
from paas.auth.credentials import key_of, project_credential
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.projects.controller import ProjectsController
from paas.projects.default_objects import NAMES
from paas.settings import Settings
from tests.support.operating import Operating, operating
from tests.support.rooms import KEY, eventually, make_project, prepare, settings_in

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def running(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operating]:
    asyncio.run(prepare(cluster_kubeconfig))

    def make(cluster: Cluster, view: View, settings: Settings) -> list[ProjectsController]:
        return [ProjectsController(cluster=cluster, view=view, settings=settings)]

    settings = settings_in(tmp_path_factory.mktemp("projects"), registry_pull="registry.test:5000")
    with operating(cluster_kubeconfig, make, settings=settings) as started:
        yield started


async def says(api: Cluster, project: str, wanted: str) -> Manifest | None:
    found = await api.get(NAMESPACE, Key("", project))
    return found if status_of(found).startswith(wanted) else None


async def given(api: Cluster, project: str) -> dict[str, Manifest | None]:
    return {
        f"{resource.kind} {name}": await api.get(resource, Key(project, name)) for resource, name in NAMES
    }


async def test_a_project_is_given_everything_and_then_left_alone(api: Cluster, running: Operating) -> None:
    project = await make_project(api, "project")
    namespace = await eventually(lambda: says(api, project, "ready"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"
    assert all((await given(api, project)).values())
    account = await api.get(SERVICEACCOUNT, Key(project, "default"))
    assert account is not None
    assert account["imagePullSecrets"] == [{"name": "paas-registry"}]
    secret = await api.get(SECRET, Key(project, "paas-registry"))
    assert secret is not None
    entry = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]["registry.test:5000"]
    assert entry["username"] == f"project:{project}"
    assert entry["password"] == project_credential(key_of(KEY), namespace["metadata"]["uid"])

    async def quiet() -> bool:
        return await asyncio.to_thread(running.writes, project) == 0

    await eventually(quiet)
    before = await versions(api, project)
    assert running.writes(project) == 0
    assert await versions(api, project) == before


async def versions(api: Cluster, project: str) -> dict[str, str]:
    found = await given(api, project)
    return {name: child["metadata"]["resourceVersion"] for name, child in found.items() if child}


async def test_what_is_taken_away_or_changed_is_put_right(api: Cluster, running: Operating) -> None:
    project = await make_project(api, "restored")
    await eventually(lambda: says(api, project, "ready"))
    binding, policy = Key(project, "paas-pusher"), Key(project, "paas-isolation")
    await api.delete(ROLEBINDING, binding)
    await eventually(lambda: api.get(ROLEBINDING, binding))
    await api.patch(NETWORKPOLICY, policy, {"spec": {"ingress": [{}]}}, manager="somebody")

    async def closed() -> bool:
        found = await api.get(NETWORKPOLICY, policy)
        return found is not None and found["spec"]["ingress"] != [{}]

    await eventually(closed)
    account = Key(project, "default")
    await api.patch(SERVICEACCOUNT, account, {"imagePullSecrets": [{"name": "theirs"}]}, manager="somebody")

    async def both() -> bool:
        found = await api.get(SERVICEACCOUNT, account)
        return found is not None and found["imagePullSecrets"] == [
            {"name": "theirs"},
            {"name": "paas-registry"},
        ]

    await eventually(both)


async def test_a_foreign_account_of_the_name_is_left_alone(api: Cluster, running: Operating) -> None:
    name = f"taken-{uuid4().hex[:6]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await api.create(namespace, manager="somebody")
    foreign = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "pusher", "namespace": name},
    }
    made = await api.create(foreign, manager="somebody")
    await api.patch(NAMESPACE, Key("", name), {"metadata": {"labels": {LABEL_PROJECT: "true"}}}, manager="t")
    found = await eventually(lambda: says(api, name, "stalled"))
    assert "ServiceAccount pusher" in status_of(found)
    stored = await api.get(SERVICEACCOUNT, Key(name, "pusher"))
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    await api.delete(SERVICEACCOUNT, Key(name, "pusher"))  # as the status says
    await eventually(lambda: says(api, name, "ready"))


async def test_a_namespace_without_the_label_is_given_nothing(api: Cluster, running: Operating) -> None:
    name = f"plain-{uuid4().hex[:6]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await api.create(namespace, manager="somebody")
    marker = await make_project(api, "marker")
    await eventually(lambda: says(api, marker, "ready"))  # the controller has been by since
    assert not any((await given(api, name)).values())
    assert status_of(await api.get(NAMESPACE, Key("", name))) == ""


async def test_t1_pods_of_a_project_are_held_to_the_baseline(api: Cluster, running: Operating) -> None:
    project = await make_project(api, "baseline")
    await eventually(lambda: says(api, project, "ready"))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": project},
        "spec": {"containers": [{"name": "x", "image": "x", "securityContext": {"privileged": True}}]},
    }
    with pytest.raises(Exception, match="violates PodSecurity"):
        await api.create(pod, manager="somebody", dry_run=True)
    del pod["spec"]["containers"][0]["securityContext"]
    made = await api.create(pod, manager="somebody", dry_run=True)
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}
    assert made["spec"]["imagePullSecrets"] == [{"name": "paas-registry"}]
