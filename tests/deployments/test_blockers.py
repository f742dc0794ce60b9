"""What is not ours, what is refused, and what cannot be read."""

from __future__ import annotations

import pytest

from paas.api.resources import Manifest
from paas.deployments import blockers, plan, revision
from paas.deployments.live_reads import revision_of_pods, untested_deployment
from paas.deployments.snapshot import Unreadable
from paas.reconcile.plan import Requeue
from paas.reconcile.refusal import Cause
from tests.deployments.fake_cluster import FakeCluster, complete, digest, template

FOREIGN = {
    "metadata": {"name": "shop", "namespace": "demo", "uid": "theirs"},
    "spec": {},
    "status": {"replicas": 7},
}


def pauses(cluster: FakeCluster) -> list[float]:
    return [action.after for action in cluster.plan().actions if isinstance(action, Requeue)]


@pytest.mark.guard(plan, "if blocker is not None and blocker.reason == Reason.NAME_TAKEN:", "if False:")
@pytest.mark.guard(blockers, "if not snapshot.foreign_deployment:", "if True:")
def test_a_foreign_deployment_is_never_touched() -> None:
    cluster = FakeCluster().image("a")
    cluster.deployment = dict(FOREIGN)
    cluster.settle()
    assert cluster.deployment == FOREIGN
    assert cluster.ready_reason() == "False/NameTaken"
    assert cluster.status["replicas"] == 0
    assert not cluster.revisions
    assert cluster.reasons() == ["NameTaken"]
    assert pauses(cluster) == [30.0]
    cluster.deployment = None
    cluster.go()
    assert cluster.ready_reason() == "True/Reconciled"


@pytest.mark.guard(
    revision,
    'if not meta.owned_by(manifest, dc["metadata"]["uid"]) or not isinstance(number, int):',
    "if not isinstance(number, int):",
)
def test_a_foreign_revision_name_is_never_taken_over() -> None:
    cluster = complete("a")
    theirs: Manifest = {"metadata": {"name": "shop-2", "namespace": "demo", "uid": "x"}, "revision": 2}
    theirs["data"] = {"template": template(image="evil:1"), "causes": []}
    cluster.revisions["shop-2"] = dict(theirs)
    cluster.image("b").go()
    assert cluster.ready_reason() == "False/NameTaken"
    assert "kubectl delete controllerrevision shop-2" in (cluster.condition("Stalled") or {})["message"]
    assert cluster.running[0] == 1
    assert cluster.revisions["shop-2"] == theirs
    del cluster.revisions["shop-2"]
    cluster.go()
    assert cluster.running[:2] == (2, digest("b"))


def test_an_autoscaler_on_the_deployment_is_told_and_has_no_effect() -> None:
    cluster = complete("a")
    cluster.autoscalers = [{"metadata": {"name": "fast", "namespace": "demo"}}]
    assert cluster.deployment is not None
    cluster.deployment["spec"]["replicas"] = 9
    cluster.go()
    assert cluster.deployment["spec"]["replicas"] == 2
    assert cluster.ready_reason() == "False/ForeignAutoscaler"
    assert "kubectl patch hpa fast" in (cluster.condition("Stalled") or {})["message"]
    assert cluster.rollout == (1, "Complete")


@pytest.mark.guard(blockers, "if snapshot.next_revision is None or not snapshot.refusal:", "if True:")
def test_a_template_that_the_cluster_refuses_never_becomes_a_revision() -> None:
    cluster = complete("a")
    bad = template(env="2")
    cluster.edit(template=bad)
    wanted = untested_deployment(cluster.snapshot())
    assert wanted is not None
    assert wanted["spec"]["template"]["spec"]["containers"][0]["image"].endswith(digest("a"))
    cluster.refusal = 'spec.template.spec.containers[0].resources.limits[cpu]: Invalid value: "x"'
    cluster.go()
    assert len(cluster.revisions) == 1
    assert cluster.ready_reason() == "False/InvalidSpec"
    assert "limits[cpu]" in (cluster.condition("Stalled") or {})["message"]
    assert pauses(cluster) == [60.0]
    assert cluster.running == (1, digest("a"), "1")
    assert "InvalidSpec" in cluster.reasons()


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (Cause.QUOTA, "kubectl describe quota -n demo"),
        (Cause.RIGHTS, "paas install"),
        (Cause.POLICY, "ask an administrator"),
    ],
)
def test_what_is_refused_though_the_template_is_valid_does_not_blame_the_template(
    cause: Cause, hint: str
) -> None:
    cluster = complete("a")
    cluster.edit(template=template(env="2"))
    cluster.refusal, cluster.refusal_cause = "the words of the cluster", cause
    cluster.go()
    assert len(cluster.revisions) == 1
    assert cluster.ready_reason() == "False/Refused"
    said = (cluster.condition("Stalled") or {})["message"]
    assert said.startswith("the cluster refuses Deployment shop: the words of the cluster; ")
    assert hint in said
    assert pauses(cluster) == [60.0]
    cluster.refusal = None
    cluster.go()
    assert len(cluster.revisions) == 2


def test_what_needs_no_dry_run() -> None:
    cluster = complete("a")
    assert untested_deployment(cluster.snapshot()) is None, "nothing is due"
    cluster.image("b")
    assert untested_deployment(cluster.snapshot()) is None, "only the image differs"
    cluster.edit(template=template(env="2"))
    assert untested_deployment(cluster.snapshot()) is not None
    cluster.pin(1).step()
    assert untested_deployment(cluster.snapshot()) is None, "held"
    cluster.edit(paused=True)
    assert untested_deployment(cluster.snapshot()) is None, "paused"
    cluster.dc["spec"]["replicas"] = "many"
    assert isinstance(cluster.observe(), Unreadable), "nothing is asked"


def test_pods_are_read_only_when_it_takes_long() -> None:
    cluster = FakeCluster()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) is None
    cluster.image("a").settle().roll().settle()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) is None
    assert revision_of_pods(cluster.sleep(2).snapshot(), now=cluster.now) == 1
    assert pauses(cluster) == [2.0]
    cluster.sleep(20).settle()
    assert pauses(cluster) == [5.0]
    cluster.ready()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) == 1, "none of them may have crashed"
    cluster.settle()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) is None
    assert pauses(cluster) == []
    cluster.unavailable().settle()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) == 1
    assert pauses(cluster) == [30.0]


def test_a_timed_out_rollout_is_asked_about_at_once() -> None:
    cluster = complete("a").image("b").settle()
    cluster.broken = {2}
    cluster.time_out()
    assert revision_of_pods(cluster.snapshot(), now=cluster.now) == 2


def test_a_spec_that_cannot_be_read_keeps_the_rest_of_the_status() -> None:
    cluster = complete("a")
    good = dict(cluster.dc["spec"])
    cluster.edit(replicas="many").settle()
    assert cluster.ready_reason() == "False/InvalidSpec"
    assert "spec.replicas" in (cluster.condition("Stalled") or {})["message"]
    assert cluster.status["activeRevision"] == 1
    cluster.edit(**good).go()
    assert cluster.ready_reason() == "True/Reconciled"


def test_a_template_without_containers_does_not_break_the_plan() -> None:
    cluster = FakeCluster(triggers=[], template={"spec": {"containers": "nonsense"}}, rollout={"latest": "1"})
    cluster.refusal = "containers: expected a list"
    assert cluster.settle().ready_reason() == "False/InvalidSpec"
    cluster = FakeCluster(
        triggers=[], template={"metadata": None, "spec": {"containers": ["nonsense", {"name": 1}]}}
    )
    assert cluster.settle().ready_reason() == "False/InvalidSpec"
