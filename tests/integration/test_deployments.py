"""DeploymentConfigs on a real API server whose Deployment and ReplicaSet controllers work; the test is the
kubelet: it says which pods are ready and which never will be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from paas.api.deployment import latest_patch, rollback_patch, unpin_patch
from paas.api.project import is_project
from paas.api.resources import (
    CONTROLLERREVISION,
    DEPLOYMENT,
    DEPLOYMENTCONFIG,
    EVENT,
    HPA,
    NAMESPACE,
    POD,
    REPLICASET,
    Key,
    Manifest,
)
from paas.deployments.controller import DeploymentsController
from paas.deployments.snapshot import Snapshot
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.view import View
from paas.settings import Settings
from tests.support.deployments import LABELS, Project, config, digest, make
from tests.support.operating import Operating, operating
from tests.support.rooms import condition, connect, eventually, make_project, prepare

pytestmark = pytest.mark.integration

ELABORATE: Manifest = {
    "initContainers": [{"name": "migrate", "image": " ", "command": ["true"], "resources": {}}],
    "containers": [
        {
            "name": "web",
            "image": " ",
            "args": [],
            "ports": [{"containerPort": 8080}, {"name": "debug", "containerPort": 9090, "protocol": "TCP"}],
            "env": [
                {"name": "EMPTY", "value": ""},
                {"name": "GREETING", "value": "hello"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "resources": {
                "requests": {"cpu": "0.5", "memory": "128Mi"},
                "limits": {"cpu": "1000m", "memory": "1024Mi"},
            },
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 0},
            "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp/x", "readOnly": False}],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "stdin": None,
        },
        {"name": "side", "image": "registry.test/side:1"},
    ],
    "volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}],
    "terminationGracePeriodSeconds": 5,
    "nodeSelector": {},
    "tolerations": [{"key": "x", "operator": "Exists"}],
    "hostNetwork": False,
}


@pytest.fixture
async def api(workload_kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with await connect(workload_kubeconfig) as door:
        yield door


@pytest.fixture
async def project(api: Cluster) -> Project:
    return Project(api, await make_project(api, "deployments"))


@pytest.fixture(scope="module")
def running(workload_kubeconfig: Path) -> Iterator[Operating]:
    asyncio.run(prepare(workload_kubeconfig))
    with operating(workload_kubeconfig, make) as started:
        yield started


# -- what people may write ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": {"type": "Recreate"}}, "strategy types other than Rolling are not supported yet"),
        ({"strategy": {"type": "Custom", "customParams": {}}}, "customParams is not supported yet"),
        ({"strategy": {"recreateParams": {"timeoutSeconds": 1}}}, "recreateParams is not supported yet"),
        ({"strategy": {"type": "Sideways"}}, "Unsupported value"),
        ({"strategy": {"rollingParams": {"pre": {}}}}, "lifecycle hooks (pre) are not supported yet"),
        ({"strategy": {"rollingParams": {"post": {}}}}, "lifecycle hooks (post) are not supported yet"),
        ({"strategy": {"rollingParams": {"intervalSeconds": 7}}}, "intervalSeconds other than 1"),
        ({"strategy": {"rollingParams": {"maxSurge": 0, "maxUnavailable": "0%"}}}, "cannot both be 0"),
        ({"strategy": {"rollingParams": {"maxSurge": "a lot"}}}, "a number of pods, or a percentage"),
        ({"strategy": {"rollingParams": {"maxUnavailable": -1}}}, "a number of pods, or a percentage"),
        ({"strategy": {"rollingParams": {"timeoutSeconds": 0}}}, "should be greater than or equal to 1"),
        ({"strategy": {"activeDeadlineSeconds": 5}}, "activeDeadlineSeconds other than 21600"),
        ({"strategy": {"labels": {"a": "b"}}}, "strategy.labels is not supported yet"),
        ({"strategy": {"annotations": {"a": "b"}}}, "strategy.annotations is not supported yet"),
        ({"minReadySeconds": 600}, "timeoutSeconds must be greater than minReadySeconds"),
        ({"test": True}, "test is not supported yet"),
        ({"selector": {"app": "other"}}, "must be in template.metadata.labels"),
        ({"selector": {}}, "selector must not be empty"),
        ({"replicas": -1}, "spec.replicas"),
        ({"triggers": [{"type": "ConfigChange"}] * 2}, "one ConfigChange trigger is enough"),
        (
            {"triggers": [{"type": "ImageChange"}]},
            "belongs to a trigger of type ImageChange",
        ),
        ({"rollback": {"toRevision": 0}}, "spec.rollback.toRevision"),
        ({"template": None}, "spec.template: Required value"),
    ],
)
async def test_the_schema_refuses_by_name(project: Project, change: Manifest, message: str) -> None:
    with pytest.raises(ApiError) as problem:
        await project.api.create(config(project.name, **change), manager="test", dry_run=True)
    assert problem.value.status == 422
    assert message in problem.value.message


async def test_a_selector_cannot_name_the_revision(project: Project) -> None:
    wanted = config(project.name, selector={"paas.dev/revision": "1"})
    wanted["spec"]["template"]["metadata"]["labels"] = {"paas.dev/revision": "1"}
    with pytest.raises(ApiError, match="must not contain paas"):
        await project.api.create(wanted, manager="test", dry_run=True)


@pytest.mark.parametrize("name", ["a" * 53, "1shop", "Shop", "shop.v2"])
async def test_names_that_children_could_not_have_are_refused(project: Project, name: str) -> None:
    with pytest.raises(ApiError, match=r"metadata\.name|Invalid value"):
        await project.api.create(config(project.name, name=name), manager="test", dry_run=True)


async def test_what_openshift_exports_is_accepted_and_its_defaults_are_ours(project: Project) -> None:
    wanted = config(project.name)
    wanted["spec"] |= {
        "test": False,
        "strategy": {
            "type": "Rolling",
            "activeDeadlineSeconds": 21600,
            "resources": {},
            "rollingParams": {
                "intervalSeconds": 1, "updatePeriodSeconds": 1, "timeoutSeconds": 600,
                "maxSurge": "25%", "maxUnavailable": "25%",
            },
        },
    }  # fmt: skip
    wanted["spec"]["triggers"][1]["imageChangeParams"]["lastTriggeredImage"] = "old"
    wanted["spec"]["template"]["metadata"]["creationTimestamp"] = None
    await project.api.create(wanted, manager="test", dry_run=True)
    bare = config(project.name)
    for field in ("selector", "replicas", "triggers"):
        del bare["spec"][field]
    spec = (await project.api.create(bare, manager="test", dry_run=True))["spec"]
    assert spec["triggers"] == [{"type": "ConfigChange"}]
    assert (spec["replicas"], spec.get("revisionHistoryLimit"), spec["paused"]) == (1, None, False)
    assert spec["strategy"] == {
        "type": "Rolling",
        "rollingParams": {"timeoutSeconds": 600, "maxUnavailable": "25%", "maxSurge": "25%"},
    }


async def test_the_selector_cannot_be_changed(project: Project) -> None:
    await project.create()
    for selector in ({"app": "shop", "tier": "web"}, None):
        template = {"metadata": {"labels": {"tier": "web"}}}
        with pytest.raises(ApiError, match="selector cannot be changed"):
            await project.patch({"spec": {"selector": selector, "template": template}})


# -- rollouts ----------------------------------------------------------------------------------------------
async def test_from_no_image_to_a_steady_state_without_a_write(project: Project, running: Operating) -> None:
    pods = ELABORATE
    made = await project.create(pods=pods)
    images = made["spec"]["triggers"][1]["imageChangeParams"]
    images["containerNames"] = ["web", "migrate"]
    await project.patch({"spec": {"triggers": made["spec"]["triggers"]}})
    await project.until(lambda s: _ready(s) == "WaitingForImage")
    assert await project.api.get(DEPLOYMENT, project.key) is None

    await project.image("a")
    status = await project.rolled_out(1)
    assert status["rollout"]["build"] == "shop-1"
    await project.until(lambda s: _ready(s) == "Reconciled")
    assert await project.serving() == ("1", digest("a"))

    before = await project.versions()
    assert running.writes(project.name) == 0
    running.call(running.manager.resync())
    assert running.writes(project.name) == 0
    assert await project.versions() == before, "a steady cluster sees no write"


async def test_a_new_image_and_an_edited_template_roll_out(project: Project, running: Operating) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    await project.image("b")
    await project.rolled_out(2)
    assert await project.serving() == ("2", digest("b"))
    env = [{"name": "web", "image": " ", "env": [{"name": "A", "value": "1"}]}]
    await project.patch({"spec": {"template": {"spec": {"containers": env}}}})
    status = await project.rolled_out(3)
    assert await project.serving() == ("3", digest("b"))
    assert [c["type"] for c in status["details"]["causes"]] == ["ConfigChange"]
    events = {e["reason"] for e in await project.api.list(EVENT, project.name)}
    assert {"RolloutStarted", "RolloutComplete"} <= events


async def test_a_failed_rollout_goes_back_by_itself(project: Project, running: Operating) -> None:
    await project.create(strategy={"rollingParams": {"timeoutSeconds": 3, "maxUnavailable": 0}})
    await project.image("a")
    await project.rolled_out(1)
    project.broken = {"2"}
    await project.image("b")
    status = await project.rolled_out(2, "Failed")
    assert "ImagePullBackOff: no such image" in status["rollout"]["message"]
    assert "revision 1 takes its place" in status["rollout"]["message"]
    assert status["activeRevision"] == 1
    assert await condition(project.api, DEPLOYMENTCONFIG, project.key, "Available") == (
        "True",
        "MinimumReplicasAvailable",
    )
    await project.until(lambda s: (s["replicas"], s["updatedReplicas"], s["availableReplicas"]) == (2, 2, 2))
    assert await project.serving() == ("1", digest("a"))
    before = await project.versions()
    assert running.writes(project.name) == 0
    assert await project.versions() == before, "it is not tried again"

    await project.image("c")
    status = await project.rolled_out(3)
    assert [row["phase"] for row in status["history"]] == ["Complete", "Failed", "Complete"]
    await project.until(lambda s: _ready(s) == "Reconciled")


@pytest.mark.parametrize("min_ready", [0, 3])
async def test_a_revision_whose_container_dies_after_it_was_ready_replaces_nothing(
    project: Project, running: Operating, min_ready: int
) -> None:
    """With minReadySeconds the good pods survive; without it Kubernetes takes them away at once, and what is
    left is not called Complete."""
    await project.create(minReadySeconds=min_ready, strategy={"rollingParams": {"maxUnavailable": 0}})
    await project.image("a")
    await project.rolled_out(1)
    good = await project.pods_of("1")
    project.crashing = {"2"}
    await project.image("b")
    status = await project.until(lambda s: (s.get("rollout") or {}).get("phase") == "Failed")
    assert status["rollout"]["revision"] == 2
    assert status["rollout"]["reason"] == "ContainerRestarted"
    assert "container web was restarted once: exit code 3" in status["rollout"]["message"]
    assert status["activeRevision"] == 1
    if min_ready:
        assert await project.pods_of("1") == good, "the good pods were not touched"
    await project.until(lambda s: (s["replicas"], s["updatedReplicas"], s["availableReplicas"]) == (2, 2, 2))
    assert await project.serving() == ("1", digest("a"))
    events = {e["reason"] for e in await project.api.list(EVENT, project.name)}
    assert {"RolloutFailed", "RolledBack"} <= events


async def test_a_rollback_holds_until_new_source_comes(project: Project, running: Operating) -> None:
    await project.create()
    for number, text in enumerate("ab", 1):
        await project.image(text)
        await project.rolled_out(number)
    sets_before = {rs["metadata"]["name"] for rs in await project.api.list(REPLICASET, project.name)}
    await project.patch(rollback_patch(to_revision=1, baseline=2, requested_at="t1"))
    await project.rolled_out(1)
    assert await project.serving() == ("1", digest("a"))
    assert {rs["metadata"]["name"] for rs in await project.api.list(REPLICASET, project.name)} == sets_before

    await project.image("c", cause="ImageChange")
    status = await project.until(lambda s: s["hold"]["withheld"] == 1)
    assert status["hold"]["revision"] == 1
    await project.until(lambda s: _ready(s) == "RollbackHeld")
    assert running.writes(project.name) == 0

    await project.image("d", cause="Push")
    status = await project.rolled_out(3)
    assert await project.serving() == ("3", digest("d"))
    assert status["released"]["toRevision"] == 1
    spec = (await project.api.get(DEPLOYMENTCONFIG, project.key) or {})["spec"]
    assert spec["rollback"]["toRevision"] == 1, "the spec is people's"


async def test_unpin_brings_the_newest(project: Project, running: Operating) -> None:
    await project.create()
    for number, text in enumerate("ab", 1):
        await project.image(text)
        await project.rolled_out(number)
    await project.patch(rollback_patch(to_revision=1, baseline=2, requested_at="t1"))
    await project.rolled_out(1)
    await project.patch(unpin_patch())
    status = await project.rolled_out(2)
    assert "hold" not in status
    assert await project.serving() == ("2", digest("b"))


async def test_a_rollout_by_hand(project: Project, running: Operating) -> None:
    await project.create(triggers=[], pods={"containers": [{"name": "web", "image": "registry.test/x:1"}]})
    await project.until(lambda s: _ready(s) == "WaitingForRollout")
    await project.patch(latest_patch("one"))
    await project.rolled_out(1)
    await project.patch(latest_patch("two"))
    await project.rolled_out(2)


async def test_the_history_is_pruned(project: Project, running: Operating) -> None:
    await project.create(revisionHistoryLimit=2, replicas=1)
    for number, text in enumerate("abcde", 1):
        await project.image(text)
        await project.rolled_out(number)

    async def kept() -> bool:
        found = await project.api.list(CONTROLLERREVISION, project.name)
        return sorted(r["metadata"]["name"] for r in found) == ["shop-3", "shop-4", "shop-5"]

    await eventually(kept)


async def test_scaling_through_the_subresource(project: Project, running: Operating) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    path = DEPLOYMENTCONFIG.path(project.name, "shop", "scale")
    scale = await project.api.request("GET", path)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (2, 2)
    assert scale["status"]["selector"] == "app=shop"
    scale["spec"]["replicas"] = 3
    await project.api.request("PUT", path, body=scale)
    await project.until(lambda s: s["availableReplicas"] == 3 and _ready(s) == "Reconciled")
    assert (await project.status())["latestVersion"] == 1


async def test_what_somebody_changes_on_the_deployment_is_put_back(
    project: Project, running: Operating
) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    by_hand = {
        "spec": {"replicas": 7, "template": {"spec": {"containers": [{"name": "web", "image": "evil:1"}]}}}
    }
    await project.api.patch(DEPLOYMENT, project.key, by_hand, manager="somebody")

    async def back() -> bool:
        live = await project.api.get(DEPLOYMENT, project.key)
        return (
            live is not None and live["spec"]["replicas"] == 2 and (await project.serving())[1] == digest("a")
        )

    await eventually(back)
    await project.until(lambda s: _ready(s) == "Reconciled")
    await project.api.delete(DEPLOYMENT, project.key, propagation="Background")
    await project.until(lambda s: _ready(s) != "Reconciled")
    await project.until(lambda s: _ready(s) == "Reconciled")
    assert await project.serving() == ("1", digest("a"))


# -- obstacles ---------------------------------------------------------------------------------------------
async def test_a_foreign_deployment_is_left_alone(project: Project, running: Operating) -> None:
    labels = {"app": "theirs"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": project.name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods},
    }
    made = await project.api.create(theirs, manager="theirs")
    await project.create()
    await project.image("a")
    await project.until(lambda s: _ready(s) == "NameTaken")
    live = await project.api.get(DEPLOYMENT, project.key)
    assert live is not None
    assert live["spec"] == made["spec"]
    assert "ownerReferences" not in live["metadata"]
    assert await project.api.list(CONTROLLERREVISION, project.name) == []


@pytest.mark.parametrize(
    ("container", "pods", "says"),
    [
        ({"resources": {"limits": {"cpu": "lots"}}}, {}, "quantit"),
        ({"imagePullPolicy": "Sometimes"}, {}, "imagePullPolicy"),
        ({"comand": ["x"]}, {}, "comand"),
        ({"ports": [{"containerPort": "x"}]}, {}, "ontainerPort"),
        ({}, {"volumes": [{"emptyDir": {}}]}, "volumes"),
        ({}, {"restartPolicy": "Never"}, "restartPolicy"),
    ],
)
async def test_a_template_that_the_cluster_refuses_is_said_and_keeps_what_runs(
    project: Project, running: Operating, container: Manifest, pods: Manifest, says: str
) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    obj = await project.api.get(DEPLOYMENTCONFIG, project.key)
    assert obj is not None
    bad = {"containers": [{"name": "web", "image": " ", **container}], **pods}
    template = {**obj["spec"]["template"], "spec": bad}
    await project.replace_template(template)
    status = await project.until(lambda s: _ready(s) == "InvalidSpec")
    message = next(c["message"] for c in status["conditions"] if c["type"] == "Stalled")
    assert says in message
    assert await project.serving() == ("1", digest("a"))
    good = {**obj["spec"]["template"], "metadata": {"labels": {**LABELS, "tier": "web"}}}
    await project.replace_template(good)
    await project.rolled_out(2)


async def test_an_autoscaler_on_the_deployment_is_told(project: Project, running: Operating) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    hpa = {
        "apiVersion": HPA.api_version,
        "kind": HPA.kind,
        "metadata": {"name": "fast", "namespace": project.name},
        "spec": {"maxReplicas": 9, "scaleTargetRef": target},
    }
    await project.api.create(hpa, manager="test")
    await project.until(lambda s: _ready(s) == "ForeignAutoscaler")
    target = {"apiVersion": "paas.dev/v1", "kind": "DeploymentConfig", "name": "shop"}
    await project.api.patch(
        HPA, Key(project.name, "fast"), {"spec": {"scaleTargetRef": target}}, manager="test"
    )
    await project.until(lambda s: _ready(s) == "Reconciled")


async def test_only_projects_are_worked_on(project: Project, running: Operating) -> None:
    unlabel = {"metadata": {"labels": {"paas.dev/project": None}}}
    await project.api.patch(NAMESPACE, Key("", project.name), unlabel, manager="test")
    view = running.manager.runners[0].controller.view

    async def unlabelled() -> bool:
        return not is_project(view.get(NAMESPACE, Key("", project.name)))

    await eventually(unlabelled)
    await project.create(triggers=[])

    async def seen() -> bool:
        return view.get(DEPLOYMENTCONFIG, project.key) is not None

    await eventually(seen)
    assert running.writes(project.name) == 0
    assert await project.status() == {}
    label = {"metadata": {"labels": {"paas.dev/project": "true"}}}
    await project.api.patch(NAMESPACE, Key("", project.name), label, manager="test")
    await project.until(_ready)


async def test_children_go_with_their_owner(project: Project, running: Operating) -> None:
    await project.create()
    await project.image("a")
    await project.rolled_out(1)
    await project.api.delete(DEPLOYMENTCONFIG, project.key)

    async def gone() -> bool:
        await project.kubelet()
        left = [await project.api.list(r, project.name) for r in (DEPLOYMENT, CONTROLLERREVISION, POD)]
        return not any(left)

    await eventually(gone, 30)


def _ready(status: Manifest) -> str:
    return next((c["reason"] for c in status.get("conditions") or () if c["type"] == "Ready"), "")


async def test_a_restart_writes_nothing(project: Project, workload_kubeconfig: Path) -> None:
    with operating(workload_kubeconfig, make, namespaces=[project.name]) as first:
        await project.create(pods=ELABORATE)
        await project.image("a")
        await project.until(lambda s: _ready(s) == "InvalidSpec")  # nothing gives `migrate` an image
        trigger = config(project.name)["spec"]["triggers"][1]
        trigger["imageChangeParams"]["containerNames"] = ["web", "migrate"]
        await project.patch({"spec": {"triggers": [{"type": "ConfigChange"}, trigger]}})
        await project.until(lambda s: _ready(s) == "Reconciled")
        await eventually(lambda: _true(first.writes(project.name) == 0))
    before = await project.versions()
    was = await project.status()
    with operating(workload_kubeconfig, make, namespaces=[project.name]) as again:
        view = again.manager.runners[0].controller.view
        await eventually(lambda: _true(view.get(DEPLOYMENT, project.key) is not None))
        again.call(again.manager.resync())
        assert again.writes(project.name) == 0
    assert await project.status() == was
    assert await project.versions() == before


async def _true(answer: bool) -> bool:
    return answer


async def test_a_view_that_is_behind_does_not_look_like_a_lost_history(
    project: Project, workload_kubeconfig: Path
) -> None:
    with operating(workload_kubeconfig, make, namespaces=[project.name]):
        await project.create()
        await project.image("a")
        await project.rolled_out(1)
    dc = await project.api.get(DEPLOYMENTCONFIG, project.key)
    assert dc is not None
    view = View()
    view.put(DEPLOYMENTCONFIG, dc)
    namespace = await project.api.get(NAMESPACE, Key("", project.name))
    assert namespace is not None
    view.put(NAMESPACE, namespace)
    controller = DeploymentsController(cluster=project.api, view=view, settings=Settings())
    observed = await controller.gather(project.key, ())
    assert isinstance(observed, Snapshot)
    assert [found.number for found in observed.revisions] == [1]
    assert observed.deployment is not None
