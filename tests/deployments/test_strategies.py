"""A rollout goes from step to step of its strategy."""

from __future__ import annotations

from paas.api.deployment import DeploymentConfigSpec
from paas.deployments import strategies
from paas.deployments.revision import Revision, RevisionData
from paas.deployments.strategies.rolling import REPLACE
from tests.deployments.fake_cluster import FakeCluster, TwoSteps, complete, two_steps


def surge(cluster: FakeCluster) -> object:
    assert cluster.deployment is not None
    return cluster.deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]


def test_rolling_has_one_step_and_says_so() -> None:
    cluster = complete("a").image("b").settle()
    assert cluster.status["rollout"]["step"] == REPLACE
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert cluster.deployment["spec"]["progressDeadlineSeconds"] == 600


def test_rolling_is_as_its_parameters_say() -> None:
    cluster = FakeCluster()
    params = {"maxSurge": 2, "maxUnavailable": 1, "timeoutSeconds": 90}
    strategy = {"type": "Rolling", "rollingParams": params}
    spec = DeploymentConfigSpec.model_validate({**cluster.dc["spec"], "strategy": strategy})
    (step,) = strategies.steps(
        cluster.dc, spec, Revision(1, RevisionData(template=cluster.dc["spec"]["template"]))
    )
    assert step.timeout_seconds == step.deployment["spec"]["progressDeadlineSeconds"] == 90
    assert step.deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 1}


def test_the_next_step_is_a_verdict_of_its_own_and_the_last_one_ends_the_rollout() -> None:
    with two_steps() as strategy:
        cluster = FakeCluster(strategy=strategy).image("a").settle()
        assert (cluster.status["rollout"]["step"], surge(cluster)) == (TwoSteps.FIRST, 1)
        cluster.ready()
        assert cluster.step().actions, "the step is recorded"
        assert (cluster.rollout, surge(cluster)) == ((1, "New"), 1)
        assert cluster.status["rollout"]["step"] == REPLACE
        cluster.settle()
        assert (cluster.rollout, surge(cluster)) == ((1, "Pending"), "25%")
        cluster.ready().settle()
        assert cluster.rollout == (1, "Complete")
        assert cluster.reasons().count("RolloutComplete") == 1


def test_a_step_that_fails_goes_back_to_the_last_step_of_the_revision_that_served() -> None:
    with two_steps() as strategy:
        cluster = FakeCluster(strategy=strategy).image("a").go().image("b").settle()
        cluster.broken = {2}
        assert (cluster.running[0], surge(cluster)) == (2, 1)
        cluster.roll().settle().time_out().settle()
        assert cluster.rollout == (2, "Failed")
        assert (cluster.running[0], surge(cluster)) == (1, "25%")
        assert cluster.status["rollout"]["step"] == TwoSteps.FIRST


def test_a_rollout_from_before_there_were_steps_goes_on_without_a_write() -> None:
    for cluster in (complete("a"), complete("a").image("b").settle().roll().settle()):
        del cluster.dc["status"]["rollout"]["step"]
        assert cluster.plan().writes == ()
        cluster.go()
        assert cluster.rollout[1] == "Complete"


def test_a_step_that_the_strategy_does_not_have_any_more_counts_as_the_first() -> None:
    cluster = FakeCluster()
    spec = DeploymentConfigSpec.model_validate(cluster.dc["spec"])
    with two_steps() as strategy:
        spec = spec.model_validate({**cluster.dc["spec"], "strategy": strategy})
        revision = Revision(1, RevisionData(template=cluster.dc["spec"]["template"]))
        found = strategies.steps(cluster.dc, spec, revision)
    assert [step.name for step in found] == [TwoSteps.FIRST, REPLACE]
    assert strategies.find(found, REPLACE) is found[1]
    assert strategies.find(found, "Gone") is strategies.find(found, None) is found[0]
    assert strategies.after(found, found[0]) is found[1]
    assert strategies.after(found, found[1]) is None
