"""What becomes of a Build, from the push to the confirmed image."""

from __future__ import annotations

import pytest

from paas.builds.model import InvalidSource
from tests.builds.world import COMMIT, NAMESPACE, World, digest_of, push


@pytest.fixture
def world() -> World:
    made = World()
    made.build(push(1))
    return made


def test_a_new_build_gets_a_secret_a_job_and_is_pending(world: World) -> None:
    plan = world.step()
    assert [type(action).__name__ for action in plan.writes[:3]] == ["Create", "Create", "Status"]
    assert world.phase("shop-1") == "Pending"
    assert world.status("shop-1")["job"] == "shop-1-build"
    assert world.status("shop-1")["userNamespace"] is True
    assert set(world.secrets) == {"shop-1-build"}


def test_it_runs_completes_and_says_where_the_image_is(world: World) -> None:
    world.settle()
    world.run("shop-1")
    world.settle()
    assert world.phase("shop-1") == "Running"
    world.sleep(42).succeed("shop-1")
    world.settle()
    status, uid = world.status("shop-1"), world.builds["shop-1"]["metadata"]["uid"]
    assert status["phase"] == "Complete"
    assert status["output"]["to"]["imageDigest"] == digest_of(uid)
    assert status["outputDockerImageReference"] == (
        f"registry.paas.internal:5000/{NAMESPACE}/shop@{digest_of(uid)}"
    )
    assert status["duration"] == 42
    assert (status["commit"], status["contentKey"], status["buildpack"]) == (COMMIT, "key", "python")
    assert world.events[-1][0] == "BuildComplete"


def test_a_digest_counts_only_once_the_registry_has_it(world: World) -> None:
    world.settle()
    world.succeed("shop-1", pushed=False)
    world.settle()
    assert world.status("shop-1")["reason"] == "ImageUnverified"
    assert world.phase("shop-1") == "Failed"


def test_a_forged_digest_is_refused(world: World) -> None:
    world.settle()
    world.succeed("shop-1", claim="sha256:" + "f" * 64)
    world.settle()
    assert world.status("shop-1")["reason"] == "ImageUnverified"


def test_a_registry_that_does_not_answer_is_waited_for(world: World) -> None:
    world.settle()
    world.registry_up = False
    world.succeed("shop-1")
    world.settle()
    assert world.status("shop-1")["reason"] == "RegistryUnreachable"
    assert "connection refused" in world.status("shop-1")["message"]
    assert [action.after for action in world.step().actions if hasattr(action, "after")] == [5.0]
    world.registry_up = True
    world.settle()
    assert world.phase("shop-1") == "Complete"


def test_builds_run_one_at_a_time_in_order() -> None:
    world = World()
    for number in (1, 2, 3):
        world.build(push(number))
    world.settle()
    assert [world.phase(f"shop-{n}") for n in (1, 2, 3)] == ["Pending", "New", "New"]
    assert world.status("shop-3")["message"] == "waits until shop-2 has ended"
    world.fail("shop-1")
    world.settle()
    assert [world.phase(f"shop-{n}") for n in (1, 2, 3)] == ["Failed", "Pending", "New"]


def test_cancelled_before_its_turn_it_never_runs() -> None:
    world = World()
    world.build(push(1))
    world.build(push(2))
    world.settle()
    world.cancel("shop-2")
    world.settle()
    assert world.phase("shop-2") == "Cancelled"
    assert world.jobs_made == ["shop-1-build"]


def test_cancelling_writes_the_verdict_before_the_job_is_deleted(world: World) -> None:
    world.settle()
    world.run("shop-1")
    world.cancel("shop-1")
    first = world.step()
    assert world.phase("shop-1") == "Cancelled"
    assert not [action for action in first.writes if type(action).__name__ == "Delete"]
    world.settle()
    assert not world.jobs
    assert world.status("shop-1")["reason"] == "CancelledBuild"


@pytest.mark.parametrize("how", ["pod", "job"])
def test_a_lost_build_runs_again_once(world: World, how: str) -> None:
    world.settle()
    world.run("shop-1")
    world.delete_pod("shop-1") if how == "pod" else world.delete_job("shop-1")
    world.settle()
    assert world.phase("shop-1") == "Error"
    assert world.status("shop-1")["reason"] == "BuildPodDeleted"
    again = world.builds["shop-2"]
    assert again["spec"]["retryOf"] == "shop-1"
    assert again["spec"]["trigger"]["type"] == "Retry"
    assert again["spec"]["revision"] == world.builds["shop-1"]["spec"]["revision"]
    world.delete_pod("shop-2")
    world.settle()
    assert world.phase("shop-2") == "Error"
    assert set(world.builds) == {"shop-1", "shop-2"}, "a repetition is never repeated"


def test_a_pod_lost_after_its_push_is_complete(world: World) -> None:
    world.settle()
    world.run("shop-1")
    world.delete_pod("shop-1", pushed=True)
    world.settle()
    assert world.phase("shop-1") == "Complete"


def test_a_lost_build_is_not_repeated_when_a_later_one_follows() -> None:
    world = World()
    world.build(push(1))
    world.settle()
    world.build(push(2))
    world.delete_job("shop-1")
    world.settle()
    assert world.phase("shop-1") == "Error"
    assert set(world.builds) == {"shop-1", "shop-2"}


@pytest.mark.parametrize("end", ["Failed", "Cancelled"])
def test_failed_and_cancelled_builds_are_never_repeated(world: World, end: str) -> None:
    world.settle()
    if end == "Failed":
        world.fail("shop-1")
    else:
        world.cancel("shop-1")
    world.settle()
    assert world.phase("shop-1") == end
    assert set(world.builds) == {"shop-1"}


def test_source_that_cannot_be_built_fails_at_once_and_says_why() -> None:
    world = World()
    world.build(
        push(1, dockerfile=None, invalid=InvalidSource(reason="NoBuildpack", message="add a Dockerfile"))
    )
    world.settle()
    status = world.status("shop-1")
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "NoBuildpack",
        "add a Dockerfile",
    )
    assert not world.jobs_made


def test_without_its_stream_a_build_waits_and_then_starts(world: World) -> None:
    stream = world.streams.pop("shop")
    world.settle()
    assert world.phase("shop-1") == "New"
    assert world.status("shop-1")["reason"] == "InvalidOutputReference"
    world.streams["shop"] = stream
    world.settle()
    assert world.phase("shop-1") == "Pending"


def test_a_foreign_job_is_left_alone_and_named(world: World) -> None:
    foreign = {"metadata": {"name": "shop-1-build", "namespace": NAMESPACE, "uid": "theirs"}}
    world.jobs["shop-1-build"] = foreign
    world.settle()
    assert world.jobs["shop-1-build"] == foreign
    assert world.status("shop-1")["reason"] == "NameTaken"
    assert "Job shop-1-build" in world.status("shop-1")["message"]
    del world.jobs["shop-1-build"]
    world.settle()
    assert world.phase("shop-1") == "Pending"


def test_without_the_credential_key_a_build_says_what_to_mend(world: World) -> None:
    world.key = None
    world.settle()
    assert world.status("shop-1")["reason"] == "CannotCreateBuildPod"
    world.key = b"k" * 32
    world.settle()
    assert world.phase("shop-1") == "Pending"


@pytest.mark.parametrize("actions", range(8))
def test_killed_after_any_write_the_same_end_is_reached(actions: int) -> None:
    world = World()
    world.build(push(1))
    world.step(actions=actions)
    world.settle()
    world.run("shop-1")
    world.step(actions=actions)
    world.succeed("shop-1")
    world.step(actions=actions)
    world.settle()
    assert world.phase("shop-1") == "Complete"
    assert world.jobs_made == ["shop-1-build"]


@pytest.mark.parametrize("lag", [False, True], ids=["the job has ended too", "the job ends later"])
@pytest.mark.parametrize("well", [True, False], ids=["well", "badly"])
def test_an_ended_build_keeps_its_job_and_pod(world: World, well: bool, lag: bool) -> None:
    world.settle()
    world.jobs_lag = lag
    if well:
        world.succeed("shop-1")
    else:
        world.fail("shop-1", message="error building image: x")
    world.settle()
    assert world.phase("shop-1") == ("Complete" if well else "Failed")
    assert set(world.jobs) == {"shop-1-build"}
    assert set(world.pods) == {"shop-1"}


def test_a_spec_of_another_version_ends_the_build_instead_of_the_operator(world: World) -> None:
    world.builds["shop-1"]["spec"]["number"] = 1
    del world.builds["shop-1"]["spec"]["source"]
    world.step()
    assert world.phase("shop-1") == "Error"
    assert world.status("shop-1")["reason"] == "InvalidSpec"
    assert "spec.source" in world.status("shop-1")["message"]
