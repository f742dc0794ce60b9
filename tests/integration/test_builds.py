"""Builds on a real API server and with a real registry; the kubelet's part is played by the test."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.api.build import TriggerType
from paas.api.build_request import BuildConfigNotFound, BuildRefused, BuildRequest
from paas.api.resources import BUILD, BUILDCONFIG, IMAGESTREAM, JOB, NAMESPACE, POD, SECRET, Key, Manifest
from paas.auth import credentials
from paas.builds.controller import BuildsController
from paas.builds.instantiate import instantiate
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, Forbidden, Invalid
from paas.kube.view import View
from paas.node.apiserver import ApiServer
from paas.node.audit import entries
from paas.settings import Settings
from tests.support import registry as registries
from tests.support.operating import Operating, operating
from tests.support.registry import Registry
from tests.support.rooms import KEY, connect, eventually, make_project, repositories, set_status, settings_in

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(cluster_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(cluster_kubeconfig) as door:

        async def served() -> bool:
            # A kind whose definition was just written answers "storage is (re)initializing" for a moment.
            try:
                await door.list(BUILD)
                await door.list(BUILDCONFIG)
            except ApiError as problem:
                return problem.status != 429
            return True

        await eventually(served)
        yield door


@pytest.fixture
async def project(api: Cluster) -> str:
    name = await make_project(api, "builds")
    stream = {
        "apiVersion": IMAGESTREAM.api_version,
        "kind": IMAGESTREAM.kind,
        "metadata": {"name": "shop", "namespace": name},
        "spec": {},
    }
    await api.create(stream, manager="test")
    return name


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.running(tmp_path_factory.mktemp("registry")) as started:
        yield started


@pytest.fixture
async def running(
    cluster_kubeconfig: Path, api: Cluster, project: str, registry: Registry, tmp_path: Path
) -> AsyncIterator[Operating]:
    settings = settings_in(
        tmp_path,
        registry_push=registry.address,
        registry_pull="pull.example:5000",
        ca_file=registry.ca_file,
    )

    def make(cluster: Cluster, view: View, chosen: Settings) -> list[BuildsController]:
        return [BuildsController(cluster=cluster, view=view, settings=chosen)]

    with operating(cluster_kubeconfig, make, settings=settings) as started:
        yield started


def config(project: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": BUILDCONFIG.api_version,
        "kind": BUILDCONFIG.kind,
        "metadata": {"name": "shop", "namespace": project},
        "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}, **spec},
    }


def push(number: int, **more: Any) -> BuildRequest:
    given: dict[str, Any] = {
        "trigger_id": f"push:{number}",
        "trigger_type": TriggerType.PUSH,
        "commit": f"{number:040x}",
        "dockerfile": "FROM scratch\n",
    }
    return BuildRequest(**(given | more))


async def shop(api: Cluster, project: str) -> str:
    """The repository of the stream `shop`."""
    return (await repositories(api, project)).images("shop")


class Kubelet:
    """Job controller and kubelet, moved along by hand."""

    def __init__(self, api: Cluster, project: str) -> None:
        self.api, self.project = api, project

    async def start(self, build: str) -> Manifest:
        """A running pod for the Build's Job."""

        async def job() -> Manifest | None:
            return await self.api.get(JOB, Key(self.project, f"{build}-build"))

        made: Manifest = await eventually(job)
        template = made["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{build}-build-abcde",
                "namespace": self.project,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": made["metadata"]["name"],
                        "uid": made["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": {**template["spec"], "serviceAccountName": "default"},
        }
        created = await self.api.create(pod, manager="test")
        state = {
            "terminated": {"exitCode": 0, "message": json.dumps({"commit": "c" * 40}), "reason": "Completed"}
        }
        status = {
            "phase": "Running",
            "startTime": "2027-01-01T00:00:00Z",
            "initContainerStatuses": [_container("fetch", state)],
            "containerStatuses": [_container("kaniko", {"running": {"startedAt": "2027-01-01T00:00:05Z"}})],
        }
        return await set_status(self.api, created, status)

    async def end(self, build: str, *, code: int, message: str) -> None:
        pod = await self.api.get(POD, Key(self.project, f"{build}-build-abcde"))
        assert pod is not None
        ended = {
            "exitCode": code,
            "message": message,
            "reason": "Completed" if code == 0 else "Error",
            "finishedAt": "2027-01-01T00:00:42Z",
        }
        pod["status"]["containerStatuses"] = [_container("kaniko", {"terminated": ended})]
        pod["status"]["phase"] = "Succeeded" if code == 0 else "Failed"
        await set_status(self.api, pod, pod["status"])


def _container(name: str, state: Manifest) -> Manifest:
    return {
        "name": name, "state": state, "image": "x", "imageID": "x", "ready": False, "restartCount": 0
    }  # fmt: skip


async def build_in_phase(api: Cluster, project: str, name: str, phase: str) -> Manifest:
    async def there() -> Manifest | None:
        found = await api.get(BUILD, Key(project, name))
        return found if found and (found.get("status") or {}).get("phase") == phase else None

    found: Manifest = await eventually(there)
    return found


async def test_a_push_becomes_an_image_that_the_registry_confirms(
    api: Cluster, project: str, running: Operating, registry: Registry
) -> None:
    key, kubelet = Key(project, "shop"), Kubelet(api, project)
    await api.create(config(project), manager="test")
    made = await instantiate(api, key, push(1), manager="test")
    assert made.created
    uid = made.build["metadata"]["uid"]
    await kubelet.start("shop-1")
    await build_in_phase(api, project, "shop-1", "Running")
    digest = registry.push(await shop(api, project), uid)
    await kubelet.end("shop-1", code=0, message=digest)
    done = await build_in_phase(api, project, "shop-1", "Complete")
    assert (
        done["status"]["outputDockerImageReference"]
        == f"pull.example:5000/{await shop(api, project)}@{digest}"
    )
    assert done["status"]["duration"] == 42
    assert done["status"]["conditions"][0]["status"] == "True"
    await eventually_steady(running, project)
    assert await api.get(JOB, Key(project, "shop-1-build")), "the Job, and with it the log, stays"

    async def noted() -> bool:
        found = await api.get(BUILDCONFIG, key)
        status = (found or {}).get("status") or {}
        return (status.get("lastBuild") or {}).get("phase") == "Complete"

    await eventually(noted)
    found = await api.get(BUILDCONFIG, key)
    assert found is not None
    assert found["status"]["lastVersion"] == 1
    assert found["status"]["repository"].endswith(f"/git/{project}/shop.git")
    assert found["status"]["triggers"] == [{"id": "push:1", "build": "shop-1"}]


async def test_the_pods_credentials_are_of_this_build_and_apart(
    api: Cluster, project: str, running: Operating
) -> None:
    await api.create(config(project), manager="test")
    made = await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await build_in_phase(api, project, "shop-1", "Pending")
    secret = await api.get(SECRET, Key(project, "shop-1-build"))
    assert secret is not None
    data = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    uid, key = made.build["metadata"]["uid"], credentials.key_of(KEY)
    assert credentials.verify_build_credential(key, uid, credentials.SOURCE, data["password"])
    login = next(iter(json.loads(data["config.json"])["auths"].values()))["auth"]
    name, _, secret_word = base64.b64decode(login).decode().rpartition(":")
    assert name == f"build:{project}/shop-1"
    assert credentials.verify_build_credential(key, uid, credentials.REGISTRY, secret_word)


async def test_a_digest_that_only_the_pod_claims_is_not_believed(
    api: Cluster, project: str, running: Operating
) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    kubelet = Kubelet(api, project)
    await kubelet.start("shop-1")
    await kubelet.end("shop-1", code=0, message="sha256:" + "f" * 64)
    failed = await build_in_phase(api, project, "shop-1", "Failed")
    assert failed["status"]["reason"] == "ImageUnverified"


async def test_while_the_registry_is_down_a_build_waits_for_it(
    api: Cluster, project: str, running: Operating, registry: Registry
) -> None:
    await api.create(config(project), manager="test")
    made = await instantiate(api, Key(project, "shop"), push(1), manager="test")
    kubelet = Kubelet(api, project)
    await kubelet.start("shop-1")
    digest = registry.push(await shop(api, project), made.build["metadata"]["uid"])
    registry.stop()
    try:
        await kubelet.end("shop-1", code=0, message=digest)

        async def told() -> bool:
            found = await api.get(BUILD, Key(project, "shop-1"))
            return bool(found and found["status"].get("reason") == "RegistryUnreachable")

        await eventually(told)
    finally:
        registry.start()
    await build_in_phase(api, project, "shop-1", "Complete")


async def test_a_build_whose_pod_and_job_are_deleted_runs_again_once(
    api: Cluster, project: str, running: Operating
) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    kubelet = Kubelet(api, project)
    await kubelet.start("shop-1")
    await build_in_phase(api, project, "shop-1", "Running")
    await api.delete(JOB, Key(project, "shop-1-build"))
    await build_in_phase(api, project, "shop-1", "Error")
    again = await build_in_phase(api, project, "shop-2", "Pending")
    assert again["spec"]["retryOf"] == "shop-1"


async def test_cancelling_ends_the_job_and_cannot_be_taken_back(
    api: Cluster, project: str, running: Operating
) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await Kubelet(api, project).start("shop-1")
    build = Key(project, "shop-1")
    await api.patch(BUILD, build, {"spec": {"cancelled": True}}, manager="test")
    await build_in_phase(api, project, "shop-1", "Cancelled")

    async def gone() -> bool:
        return await api.get(JOB, Key(project, "shop-1-build")) is None

    await eventually(gone)
    with pytest.raises(Invalid, match="cancelled cannot go back"):
        await api.patch(BUILD, build, {"spec": {"cancelled": False}}, manager="test")


async def test_a_steady_build_sees_no_write(
    api: Cluster, project: str, running: Operating, registry: Registry
) -> None:
    await api.create(config(project), manager="test")
    made = await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await instantiate(api, Key(project, "shop"), push(2), manager="test")
    kubelet = Kubelet(api, project)
    await kubelet.start("shop-1")
    await build_in_phase(api, project, "shop-1", "Running")
    assert await asyncio.to_thread(running.writes, project) == 0
    digest = registry.push(await shop(api, project), made.build["metadata"]["uid"])
    await kubelet.end("shop-1", code=0, message=digest)
    await build_in_phase(api, project, "shop-2", "Pending")
    await eventually_steady(running, project)


async def eventually_steady(running: Operating, project: str) -> None:
    async def steady() -> bool:
        return await asyncio.to_thread(running.writes, project) == 0

    await eventually(steady)


async def test_many_makers_at_once_make_one_build_a_trigger_without_gaps(api: Cluster, project: str) -> None:
    key = Key(project, "shop")
    await api.create(config(project), manager="test")
    requests = [push(number) for number in range(6) for _ in range(3)]
    made = await asyncio.gather(*(instantiate(api, key, request, manager="test") for request in requests))
    assert sum(one.created for one in made) == 6
    builds = await api.list(BUILD, project)
    assert sorted(build["spec"]["number"] for build in builds) == list(range(1, 7))
    assert len({build["spec"]["trigger"]["id"] for build in builds}) == 6


async def test_a_trigger_is_remembered_after_its_build_was_pruned(
    api: Cluster, project: str, running: Operating
) -> None:
    key = Key(project, "shop")
    await api.create(config(project, failedBuildsHistoryLimit=0), manager="test")
    await instantiate(api, key, push(1), manager="test")
    await api.patch(BUILD, Key(project, "shop-1"), {"spec": {"cancelled": True}}, manager="test")

    async def pruned() -> bool:
        return not await api.list(BUILD, project)

    await eventually(pruned)
    again = await instantiate(api, key, push(1), manager="test")
    assert not again.created
    assert again.build["metadata"]["name"] == "shop-1"
    fresh = await instantiate(api, key, push(2), manager="test")
    assert fresh.build["metadata"]["name"] == "shop-2"


async def test_a_new_external_source_is_built_once(api: Cluster, project: str, running: Operating) -> None:
    source = {"git": {"uri": "https://git.example/team/shop.git", "ref": "main"}}
    await api.create(config(project, source=source, triggers=[{"type": "ConfigChange"}]), manager="test")
    first = await build_in_phase(api, project, "shop-1", "Pending")
    assert first["spec"]["trigger"]["type"] == "ConfigChange"
    await eventually_steady(running, project)
    assert len(await api.list(BUILD, project)) == 1


async def test_an_unknown_or_empty_buildconfig_is_refused_with_what_to_do(api: Cluster, project: str) -> None:
    with pytest.raises(BuildConfigNotFound, match="paas get bc"):
        await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await api.create(config(project), manager="test")
    with pytest.raises(BuildRefused, match="push to it first"):
        await instantiate(api, Key(project, "shop"), push(1, commit=None), manager="test")


async def test_deleting_the_buildconfig_takes_everything_along(
    api: Cluster, project: str, running: Operating
) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await Kubelet(api, project).start("shop-1")
    await build_in_phase(api, project, "shop-1", "Running")
    await api.delete(BUILDCONFIG, Key(project, "shop"))

    async def gone() -> bool:
        kinds = (BUILD, JOB, POD)
        return not any([await api.list(kind, project) for kind in kinds])

    await eventually(gone)


async def test_each_build_gets_one_job(
    api: Cluster, project: str, running: Operating, cluster: ApiServer
) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await build_in_phase(api, project, "shop-1", "Pending")
    await eventually_steady(running, project)
    lines = cluster.audit_log.read_text().splitlines()
    created = [
        entry
        for entry in entries(lines)
        if entry.verb == "create" and entry.resource == "jobs" and entry.namespace == project
    ]
    assert len(created) == 1


@pytest.mark.parametrize("external", [False, True], ids=["hosted", "external"])
async def test_T1_the_pod_is_accepted_where_pod_security_is_baseline(
    api: Cluster, project: str, running: Operating, external: bool
) -> None:
    enforce = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    await api.patch(NAMESPACE, Key("", project), enforce, manager="test")
    source: dict[str, Any] = {"git": {"uri": "https://git.example/shop.git"}} if external else {}
    await api.create(config(project, source=source), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    await build_in_phase(api, project, "shop-1", "Pending")
    job = await api.get(JOB, Key(project, "shop-1-build"))
    assert job is not None
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "try", "namespace": project},
        "spec": {**job["spec"]["template"]["spec"], "serviceAccountName": "default"},
    }
    await api.create(pod, manager="test", dry_run=True)
    privileged = {"privileged": True, "allowPrivilegeEscalation": True}
    pod["spec"]["containers"][0]["securityContext"] = privileged
    with pytest.raises(Forbidden, match="PodSecurity"):
        await api.create(pod, manager="test", dry_run=True)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"source": {"binary": {"asFile": "x"}}}, "binary is not supported yet"),
    ({"source": {"images": [{}]}}, "images is not supported yet"),
    ({"source": {"contextDir": "../etc"}}, "contextDir must stay inside"),
    ({"source": {"contextDir": "/etc"}}, "contextDir"),
    ({"source": {"contextDir": "--flag"}}, "contextDir"),
    ({"source": {"git": {"uri": "git://host/x"}}}, "uri must be an https address"),
    ({"source": {"git": {"uri": "https://user:word@host/x"}}}, "uri must"),
    ({"source": {"git": {"uri": "https://host/x", "httpProxy": "x"}}}, "httpProxy is not supported yet"),
    ({"source": {"git": {"ref": "--upload-pack=x"}}}, "ref"),
    ({"source": {"sourceSecret": {"name": "x"}}}, "sourceSecret is for an external repository"),
    ({"source": {"type": "Binary"}}, "type is not supported yet other than Git"),
    ({"strategy": {"sourceStrategy": {"from": {}}}}, "sourceStrategy is not supported yet"),
    ({"strategy": {"customStrategy": {}}}, "customStrategy is not supported yet"),
    ({"strategy": {"dockerStrategy": {"from": {"kind": "x"}}}}, "from is not supported yet"),
    ({"strategy": {"dockerStrategy": {"env": [{"name": "A"}]}}}, "env is not supported yet"),
    ({"strategy": {"dockerStrategy": {"dockerfilePath": "a/../../b"}}}, "dockerfilePath must stay inside"),
    ({"strategy": {"dockerStrategy": {"buildArgs": [{"name": "A", "valueFrom": {}}]}}}, "valueFrom"),
    ({"strategy": {"dockerStrategy": {"buildArgs": [{"name": "--x"}]}}}, "buildArgs"),
    ({"output": {"to": {"kind": "DockerImage", "name": "shop:latest"}}}, "kind is not supported yet"),
    ({"output": {"to": {"name": "shop:latest", "namespace": "other"}}}, "namespace is not supported yet"),
    ({"output": {"to": {"name": "shop"}}}, "name"),
    ({"output": {"to": {"name": "shop:latest"}, "pushSecret": {"name": "x"}}}, "pushSecret is not supported"),
    ({"postCommit": {"script": "x"}}, "postCommit is not supported yet"),
    ({"runPolicy": "Parallel"}, "runPolicy is not supported yet other than Serial"),
    ({"triggers": [{"type": "GitLab"}]}, "type is not supported yet other than GitHub"),
    ({"triggers": [{"type": "GitHub"}]}, "github is missing"),
    ({"triggers": [{"type": "Generic"}]}, "generic is missing"),
    (
        {"triggers": [{"type": "Generic", "generic": {"secretReference": {"name": "x"}, "allowEnv": True}}]},
        "allowEnv",
    ),
    ({"triggers": [{"type": "GitHub", "github": {"secret": "x"}}]}, "secret in plain text"),
    ({"triggers": [{"type": "ImageChange", "imageChange": {}}]}, "imageChange is not supported yet"),
    ({"serviceAccount": "admin"}, "serviceAccount is not supported yet"),
    ({"completionDeadlineSeconds": 0}, "completionDeadlineSeconds"),
    ({"successfulBuildsHistoryLimit": -1}, "successfulBuildsHistoryLimit"),
]


@pytest.mark.parametrize(("spec", "message"), BAD, ids=[message for _, message in BAD])
async def test_a_bad_buildconfig_is_refused_with_the_field(
    api: Cluster, project: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        await api.create(config(project, **spec), manager="test", dry_run=True)


@pytest.mark.parametrize(
    "field",
    [
        {"number": 2},
        {"dockerfile": "FROM other"},
        {"source": {"type": "External"}},
        {"revision": {"git": {"commit": "e" * 40}}},
        {"output": {"to": {"name": "other:latest"}}},
        {"trigger": {"message": "another"}},
        {"contentKey": "another"},
        {"retryOf": "shop-9"},
    ],
    ids=lambda field: next(iter(field)),
)
async def test_a_build_is_frozen_but_for_cancelled(api: Cluster, project: str, field: dict[str, Any]) -> None:
    await api.create(config(project), manager="test")
    await instantiate(api, Key(project, "shop"), push(1), manager="test")
    name = next(iter(field))
    with pytest.raises(Invalid, match=rf"spec.{name} of a Build cannot change|metadata.name must be"):
        await api.patch(BUILD, Key(project, "shop-1"), {"spec": field}, manager="test")
    with pytest.raises(Invalid, match=r"spec.dockerfile of a Build cannot change"):
        await api.patch(BUILD, Key(project, "shop-1"), {"spec": {"dockerfile": None}}, manager="test")


async def test_a_builds_name_says_its_number(api: Cluster, project: str) -> None:
    await api.create(config(project), manager="test")
    made = await instantiate(api, Key(project, "shop"), push(1), manager="test")
    spec = made.build["spec"]
    for name in ("shop-2", "shop-01", "other-1"):
        wrong = {
            "apiVersion": BUILD.api_version,
            "kind": BUILD.kind,
            "metadata": {"name": name, "namespace": project},
            "spec": spec,
        }
        with pytest.raises(Invalid, match=r"metadata.name must be <spec.buildConfig>-<spec.number>"):
            await api.create(wrong, manager="test", dry_run=True)


async def test_defaults_are_openshifts(api: Cluster, project: str) -> None:
    stored = await api.create(config(project), manager="test")
    spec = stored["spec"]
    assert (spec["runPolicy"], spec["triggers"]) == ("Serial", [])
    assert not {"successfulBuildsHistoryLimit", "failedBuildsHistoryLimit"} & spec.keys(), "all are kept"
    assert spec["source"] == {"git": {}}
