"""What is not ours, what is refused, and what cannot be read."""

from __future__ import annotations

from paas.deployments.plan import candidate, wants_reasons
from paas.kube.plan import Requeue
from paas.kube.resources import Manifest
from tests.deployments.simulator import World, complete, digest, template

FOREIGN = {
    "metadata": {"name": "shop", "namespace": "demo", "uid": "theirs"},
    "spec": {},
    "status": {"replicas": 7},
}


def pauses(world: World) -> list[float]:
    return [action.after for action in world.plan().actions if isinstance(action, Requeue)]


def test_a_foreign_deployment_is_never_touched() -> None:
    world = World().image("a")
    world.deployment = dict(FOREIGN)
    world.settle()
    assert world.deployment == FOREIGN
    assert world.ready_reason() == "False/NameTaken"
    assert world.status["replicas"] == 0
    assert not world.revisions
    assert world.reasons() == ["NameTaken"]
    assert pauses(world) == [30.0]
    world.deployment = None
    world.go()
    assert world.ready_reason() == "True/Reconciled"


def test_a_foreign_revision_name_is_never_taken_over() -> None:
    world = complete("a")
    theirs: Manifest = {"metadata": {"name": "shop-2", "namespace": "demo", "uid": "x"}, "revision": 2}
    theirs["data"] = {"template": template(image="evil:1"), "causes": []}
    world.revisions["shop-2"] = dict(theirs)
    world.image("b").go()
    assert world.ready_reason() == "False/NameTaken"
    assert "kubectl delete controllerrevision shop-2" in (world.condition("Stalled") or {})["message"]
    assert world.running[0] == 1
    assert world.revisions["shop-2"] == theirs
    del world.revisions["shop-2"]
    world.go()
    assert world.running[:2] == (2, digest("b"))


def test_an_autoscaler_on_the_deployment_is_told_and_has_no_effect() -> None:
    world = complete("a")
    world.autoscalers = [{"metadata": {"name": "fast", "namespace": "demo"}}]
    assert world.deployment is not None
    world.deployment["spec"]["replicas"] = 9
    world.go()
    assert world.deployment["spec"]["replicas"] == 2
    assert world.ready_reason() == "False/ForeignAutoscaler"
    assert "kubectl patch hpa fast" in (world.condition("Stalled") or {})["message"]
    assert world.rollout == (1, "Complete")


def test_a_template_that_the_cluster_refuses_never_becomes_a_revision() -> None:
    world = complete("a")
    bad = template(env="2")
    world.edit(template=bad)
    wanted = candidate(world.observe(), now=world.now)
    assert wanted is not None
    assert wanted["spec"]["template"]["spec"]["containers"][0]["image"].endswith(digest("a"))
    world.refusal = 'spec.template.spec.containers[0].resources.limits[cpu]: Invalid value: "x"'
    world.go()
    assert len(world.revisions) == 1
    assert world.ready_reason() == "False/InvalidSpec"
    assert "limits[cpu]" in (world.condition("Stalled") or {})["message"]
    assert pauses(world) == [60.0]
    assert world.running == (1, digest("a"), "1")
    assert "InvalidSpec" in world.reasons()


def test_what_needs_no_dry_run() -> None:
    world = complete("a")
    assert candidate(world.observe(), now=world.now) is None, "nothing is due"
    world.image("b")
    assert candidate(world.observe(), now=world.now) is None, "only the image differs"
    world.edit(template=template(env="2"))
    assert candidate(world.observe(), now=world.now) is not None
    world.pin(1).step()
    assert candidate(world.observe(), now=world.now) is None, "held"
    world.edit(paused=True)
    assert candidate(world.observe(), now=world.now) is None, "paused"
    world.dc["spec"]["replicas"] = "many"
    assert candidate(world.observe(), now=world.now) is None, "unreadable"
    assert wants_reasons(world.observe(), now=world.now) is None


def test_pods_are_read_only_when_it_takes_long() -> None:
    world = World()
    assert wants_reasons(world.observe(), now=world.now) is None
    world.image("a").settle().roll().settle()
    assert wants_reasons(world.observe(), now=world.now) is None
    assert wants_reasons(world.sleep(2).observe(), now=world.now) == 1
    assert pauses(world) == [2.0]
    world.sleep(20).settle()
    assert pauses(world) == [11.0]
    world.sleep(200).settle()
    assert pauses(world) == [30.0]
    world.ready().settle()
    assert wants_reasons(world.observe(), now=world.now) is None
    assert pauses(world) == []
    world.unavailable().settle()
    assert wants_reasons(world.observe(), now=world.now) == 1
    assert pauses(world) == [30.0]


def test_a_timed_out_rollout_is_asked_about_at_once() -> None:
    world = complete("a").image("b").settle()
    world.broken = {2}
    world.time_out()
    assert wants_reasons(world.observe(), now=world.now) == 2


def test_a_spec_that_cannot_be_read_keeps_the_rest_of_the_status() -> None:
    world = complete("a")
    good = dict(world.dc["spec"])
    world.edit(replicas="many").settle()
    assert world.ready_reason() == "False/InvalidSpec"
    assert "spec.replicas" in (world.condition("Stalled") or {})["message"]
    assert world.status["activeRevision"] == 1
    world.edit(**good).go()
    assert world.ready_reason() == "True/Reconciled"


def test_a_template_without_containers_does_not_break_the_plan() -> None:
    world = World(triggers=[], template={"spec": {"containers": "nonsense"}}, rollout={"latest": "1"})
    world.refusal = "containers: expected a list"
    assert world.settle().ready_reason() == "False/InvalidSpec"
    world = World(triggers=[], template={"metadata": None, "spec": {"containers": ["nonsense", {"name": 1}]}})
    assert world.settle().ready_reason() == "False/InvalidSpec"
