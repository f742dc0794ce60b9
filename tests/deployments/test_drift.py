"""What a revision froze is what runs: what nobody owns is taken out of the Deployment, what somebody owns is
named with the command that takes it out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from paas.deployments import drift
from paas.reconcile.plan import Patch
from tests.deployments.fake_cluster import FakeCluster, complete

WEB = {"name": "web", "image": "x", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]}
LIVE_WEB = {
    "name": "web", "image": "x", "env": [{"name": "A", "value": "1"}], "imagePullPolicy": "IfNotPresent",
    "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {},
    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
}  # fmt: skip
LIVE_SPEC = {
    "containers": [LIVE_WEB], "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {},
    "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30,
}  # fmt: skip


def deployment(spec: Any, **metadata: Any) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": metadata, "spec": spec}}}


def with_web(**more: Any) -> dict[str, Any]:
    return {**LIVE_SPEC, "containers": [{**LIVE_WEB, **more}]}


WANTED = deployment({"containers": [WEB]}, labels={"app": "shop"})
ENV = [{"name": "X", "value": "2"}, {"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("spec", "metadata", "found"),
    [
        (LIVE_SPEC, {}, []),
        (with_web(env=ENV), {}, [("variable X of container web", "/spec/containers/0/env/0", True)]),
        (
            {**LIVE_SPEC, "containers": [{"name": "side"}, LIVE_WEB]},
            {},
            [("container side", "/spec/containers/0", True)],
        ),
        (
            with_web(ports=[{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80}]),
            {},
            [("port 80/UDP of container web", "/spec/containers/0/ports/0", True)],
        ),
        (
            with_web(resources={"limits": {"cpu": "1"}}),
            {},
            [("resources of container web", "/spec/containers/0/resources", False)],
        ),
        ({**LIVE_SPEC, "hostNetwork": True}, {}, [("hostNetwork", "/spec/hostNetwork", False)]),
        (
            {**LIVE_SPEC, "terminationGracePeriodSeconds": 5},
            {},
            [("terminationGracePeriodSeconds", "/spec/terminationGracePeriodSeconds", False)],
        ),
        (
            LIVE_SPEC,
            {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}},
            [
                (
                    "annotation kubectl.kubernetes.io/restartedAt",
                    "/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
                    True,
                )
            ],
        ),
        (
            LIVE_SPEC,
            {"labels": {"app": "shop", "tier": "web"}},
            [("label tier", "/metadata/labels/tier", True)],
        ),
    ],
)
def test_what_the_deployment_has_beyond_its_revision(spec: Any, metadata: Any, found: Any) -> None:
    live = deployment(spec, **{"labels": {"app": "shop"}, "creationTimestamp": None, **metadata})
    seen = drift.additions(live, WANTED)
    assert [(each.words, each.pointer.removeprefix("/spec/template"), each.keyed) for each in seen] == found


def test_whose_it_is_stands_in_managed_fields() -> None:
    live = deployment({**with_web(env=ENV), "hostNetwork": True, "enableServiceLinks": True})
    web = {"f:env": {'k:{"name":"X"}': {".": {}, "f:value": {}}}}
    spec = {"f:containers": {'k:{"name":"web"}': web}, "f:hostNetwork": {}}
    fields = {"f:spec": {"f:template": {"f:spec": spec}}}
    entry = {"manager": "kubectl-set", "operation": "Update", "fieldsV1": fields}
    found = drift.additions(live, WANTED)

    def owners(*managed: Any) -> dict[str, tuple[str, ...]]:
        return {each.words: each.managers for each in drift.by_manager(found, managed, ours="us")}

    variable = "variable X of container web"
    assert owners(entry) == {variable: ("kubectl-set",), "hostNetwork": ("kubectl-set",)}
    # a field that nobody owns was filled in; an item was not, whoever wrote it
    assert owners() == owners({**entry, "manager": "us"}) == {variable: ()}
    assert owners({**entry, "subresource": "status"}) == {variable: ()}


def test_items_are_taken_out_from_the_last_to_the_first() -> None:
    many = [{"name": f"X{number}"} for number in range(12)]
    patch = drift.removal(drift.additions(deployment(with_web(env=many)), WANTED))
    assert [int(step["path"].rpartition("/")[2]) for step in patch] == list(range(11, -1, -1))


def test_what_nobody_owns_is_taken_out() -> None:
    cluster = complete("a").adds().go()
    assert cluster.deployment is not None
    assert [e["name"] for e in _env(cluster)] == ["LEVEL"]
    assert cluster.condition("Drifted") is None
    assert sum(isinstance(action, Patch) for action in cluster.log) == 1


def test_what_somebody_owns_stays_and_is_named_with_its_owner_and_the_cure() -> None:
    cluster = complete("a").adds(by="kubectl-set").go()
    assert [e["name"] for e in _env(cluster)] == ["LEVEL", "X"]
    said = cluster.condition("Drifted") or {}
    assert (said["status"], said["reason"]) == ("True", "ForeignFields")
    assert "variable X of container web (by kubectl-set)" in said["message"]
    patch = json.dumps(
        [{"op": "remove", "path": "/spec/template/spec/containers/0/env/1"}], separators=(",", ":")
    )
    assert f"kubectl patch deployment shop -n demo --type=json -p '{patch}'" in said["message"]
    assert cluster.ready_reason() == "True/Reconciled"
    assert "runs more than the revision" in (cluster.condition("Ready") or {})["message"]
    writes = len(cluster.log)
    cluster.sleep(3600).go()
    assert len(cluster.log) == writes
    _env(cluster).pop()
    cluster.settle()
    assert cluster.condition("Drifted") is None


def test_what_the_cluster_itself_adds_to_every_write_is_named_and_not_fought() -> None:
    cluster = complete("a").adds()
    cluster.webhook = True
    cluster.settle()
    cluster.sleep(3600).settle()
    assert sum(isinstance(action, Patch) for action in cluster.log) == 1
    assert "by an admission webhook" in (cluster.condition("Drifted") or {})["message"]


def _env(cluster: FakeCluster) -> list[dict[str, Any]]:
    assert cluster.deployment is not None
    env: list[dict[str, Any]] = cluster.deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return env


def test_thousands_of_additions_are_looked_up_and_not_searched() -> None:
    """An editor may add as many to a Deployment as fit; the operator is one process for everybody."""
    env = [{"name": f"V{n}", "value": "x"} for n in range(4000)]
    web = {"f:env": {f'k:{{"name":"V{n}"}}': {".": {}} for n in range(4000)}}
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': web}}}}}
    began = time.process_time()
    additions = drift.additions(deployment(with_web(env=[*env, *ENV])), WANTED)
    found = drift.by_manager(additions, [{"manager": "kubectl", "fieldsV1": fields}], ours="us")
    assert time.process_time() - began < 2
    assert sum(each.managers == ("kubectl",) for each in found) == 4000
