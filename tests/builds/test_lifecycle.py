"""What becomes of a Build, from the push to the confirmed image."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paas.api.build import BuildStatus, InvalidSource
from paas.builds import advance as advancing
from paas.builds.advance import advance
from paas.reconcile.plan import Create, Requeue, Status
from paas.reconcile.refusal import Cause, Refusal
from tests.builds.fake_cluster import COMMIT, NAMESPACE, REPOSITORIES, SETTINGS, FakeCluster, digest_of, push


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster()
    made.build(push(1))
    return made


def test_a_new_build_gets_a_secret_a_job_and_is_pending(cluster: FakeCluster) -> None:
    plan = cluster.step()
    assert [type(action).__name__ for action in plan.writes[:3]] == ["Create", "Create", "Status"]
    assert cluster.phase("shop-1") == "Pending"
    assert cluster.status("shop-1")["job"] == "shop-1-build"
    assert cluster.status("shop-1")["userNamespace"] is True
    assert set(cluster.secrets) == {"shop-1-build"}


def test_no_job_is_made_while_the_cluster_refuses_its_secret(cluster: FakeCluster) -> None:
    cluster.refusing.toggle("Create", "Secret")
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "CannotCreateBuildPod"
    assert "the cluster refuses Secret shop-1-build" in cluster.status("shop-1")["message"]
    assert cluster.jobs == {}
    cluster.refusing.toggle("Create", "Secret")
    cluster.settle()
    assert (set(cluster.secrets), set(cluster.jobs)) == ({"shop-1-build"}, {"shop-1-build"})
    assert cluster.status("shop-1")["reason"] == "BuildPending"


@pytest.mark.guard(advancing, "if seen.collecting:", "if False:")
def test_it_waits_while_unused_images_are_collected_and_then_starts(cluster: FakeCluster) -> None:
    cluster.collecting = True
    plan = cluster.step()
    assert not cluster.jobs_made
    assert any(isinstance(action, Requeue) for action in plan.actions)
    assert (cluster.phase("shop-1"), cluster.status("shop-1")["reason"]) == ("New", "BuildQueued")
    assert "registry" in cluster.status("shop-1")["message"]
    cluster.collecting = False
    cluster.settle()
    assert cluster.phase("shop-1") == "Pending"


def test_it_runs_completes_and_says_where_the_image_is(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.run("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Running"
    cluster.sleep(42).succeed("shop-1")
    cluster.settle()
    status, uid = cluster.status("shop-1"), cluster.builds["shop-1"]["metadata"]["uid"]
    assert status["phase"] == "Complete"
    assert status["output"]["to"]["imageDigest"] == digest_of(uid)
    assert status["outputDockerImageReference"] == (
        f"registry.paas.internal:5000/{REPOSITORIES.images('shop')}@{digest_of(uid)}"
    )
    assert status["duration"] == 42
    assert (status["commit"], status["contentKey"], status["buildpack"]) == (COMMIT, "key", "python")
    assert cluster.events[-1][0] == "BuildComplete"


def test_a_digest_counts_only_once_the_registry_has_it(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.succeed("shop-1", pushed=False)
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "ImageUnverified"
    assert cluster.status("shop-1")["message"].endswith(
        "; start another build: paas start-build shop -n demo"
    )
    assert cluster.phase("shop-1") == "Failed"


def test_a_forged_digest_is_refused(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.succeed("shop-1", claim="sha256:" + "f" * 64)
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "ImageUnverified"


def test_a_registry_that_does_not_answer_is_waited_for(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.registry_up = False
    cluster.succeed("shop-1")
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "RegistryUnreachable"
    assert "connection refused" in cluster.status("shop-1")["message"]
    assert [action.after for action in cluster.step().actions if hasattr(action, "after")] == [5.0]
    cluster.registry_up = True
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"


RUN_TWICE = "; it was run again already, start another: paas start-build shop -n demo"
AWAY = (
    "error pushing image: failed to push to destination r/demo/shop:x: GET "
    "https://paas.paas.internal/registry/token?scope=x: unexpected status code 502 Bad Gateway: Bad Gateway"
)


def test_a_platform_that_was_away_is_waited_for_and_the_build_run_again_once(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.registry_up = False
    cluster.fail("shop-1", message=AWAY)
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "RegistryUnreachable", "no successor that meets the same"
    assert len(cluster.builds) == 1
    cluster.registry_up = True
    cluster.settle()
    assert (cluster.phase("shop-1"), cluster.status("shop-1")["reason"]) == ("Error", "PlatformUnreachable")
    assert cluster.status("shop-1")["message"].endswith("; it is run again once, when the registry answers")
    assert cluster.builds["shop-2"]["spec"]["retryOf"] == "shop-1"
    cluster.fail("shop-2", message=AWAY)
    cluster.settle()
    assert cluster.phase("shop-2") == "Error"
    assert cluster.status("shop-2")["message"].endswith(RUN_TWICE)
    assert len(cluster.builds) == 2, "at most once"


@pytest.mark.parametrize(
    ("last_words", "says"),
    [
        ("nothing of use", "; try again"),
        (
            "error pushing image: failed to push to destination r/demo/shop:x: POST https://r/: DENIED",
            "; when the registry is well again, start another build",
        ),
    ],
)
def test_what_another_build_may_help_with_names_a_command_that_can_be_typed(
    cluster: FakeCluster, last_words: str, says: str
) -> None:
    cluster.settle()
    cluster.fail("shop-1", message=last_words)
    cluster.settle()
    status = cluster.status("shop-1")
    assert status["message"].endswith(f"{says}: paas start-build shop -n demo")
    (condition,) = [each for each in status["conditions"] if each["type"] == "Succeeded"]
    assert condition["message"].startswith(status["message"])


def test_an_image_that_arrived_though_the_answer_did_not_counts(cluster: FakeCluster) -> None:
    cluster.settle()
    uid = cluster.builds["shop-1"]["metadata"]["uid"]
    cluster.tags[uid] = digest_of(uid)
    cluster.fail("shop-1", message=AWAY)
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"
    assert len(cluster.builds) == 1


def test_builds_run_one_at_a_time_in_order() -> None:
    cluster = FakeCluster()
    for number in (1, 2, 3):
        cluster.build(push(number))
    cluster.settle()
    assert [cluster.phase(f"shop-{n}") for n in (1, 2, 3)] == ["Pending", "New", "New"]
    assert cluster.status("shop-3")["message"] == "waits until shop-2 has ended"
    cluster.fail("shop-1")
    cluster.settle()
    assert [cluster.phase(f"shop-{n}") for n in (1, 2, 3)] == ["Failed", "Pending", "New"]


def test_cancelled_before_its_turn_it_never_runs() -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.build(push(2))
    cluster.settle()
    cluster.cancel("shop-2")
    cluster.settle()
    assert cluster.phase("shop-2") == "Cancelled"
    assert cluster.jobs_made == ["shop-1-build"]


def test_cancelling_writes_the_verdict_before_the_job_is_deleted(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.run("shop-1")
    cluster.cancel("shop-1")
    first = cluster.step()
    assert cluster.phase("shop-1") == "Cancelled"
    assert not [action for action in first.writes if type(action).__name__ == "Delete"]
    cluster.settle()
    assert not cluster.jobs
    assert cluster.status("shop-1")["reason"] == "CancelledBuild"


@pytest.mark.parametrize("how", ["pod", "job"])
def test_a_lost_build_runs_again_once(cluster: FakeCluster, how: str) -> None:
    cluster.settle()
    cluster.run("shop-1")
    cluster.delete_pod("shop-1") if how == "pod" else cluster.delete_job("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Error"
    assert cluster.status("shop-1")["reason"] == "BuildPodDeleted"
    again = cluster.builds["shop-2"]
    assert again["spec"]["retryOf"] == "shop-1"
    assert again["spec"]["trigger"]["type"] == "Retry"
    assert again["spec"]["revision"] == cluster.builds["shop-1"]["spec"]["revision"]
    assert cluster.status("shop-1")["message"].endswith(" while it ran; it is run again once")
    cluster.delete_pod("shop-2")
    cluster.settle()
    assert cluster.phase("shop-2") == "Error"
    message = cluster.status("shop-2")["message"]
    assert message == f"the pod of the build was deleted while it ran{RUN_TWICE}"
    assert set(cluster.builds) == {"shop-1", "shop-2"}, "a repetition is never repeated"


def test_a_pod_lost_after_its_push_is_complete(cluster: FakeCluster) -> None:
    cluster.settle()
    cluster.run("shop-1")
    cluster.delete_pod("shop-1", pushed=True)
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"


def test_a_lost_build_is_not_repeated_when_a_later_one_follows() -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.settle()
    cluster.build(push(2))
    cluster.delete_job("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Error"
    assert set(cluster.builds) == {"shop-1", "shop-2"}


@pytest.mark.parametrize("end", ["Failed", "Cancelled"])
def test_failed_and_cancelled_builds_are_never_repeated(cluster: FakeCluster, end: str) -> None:
    cluster.settle()
    if end == "Failed":
        cluster.fail("shop-1")
    else:
        cluster.cancel("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == end
    assert set(cluster.builds) == {"shop-1"}


def test_the_command_that_shows_the_log_is_named_where_the_message_stands_alone(cluster: FakeCluster) -> None:
    """A push and `paas status` name it themselves."""
    cluster.settle()
    cluster.fail("shop-1", message="error building image: no space left")
    cluster.settle()
    status, (condition,) = cluster.status("shop-1"), cluster.status("shop-1")["conditions"]
    assert status["message"] == "the build failed: no space left"
    alone = f"the build failed: no space left; see: paas logs build/shop-1 -n {NAMESPACE}"
    assert condition["message"] == alone
    assert cluster.events[-1] == ("DockerBuildFailed", alone)


def test_source_that_cannot_be_built_fails_at_once_and_says_why() -> None:
    cluster = FakeCluster()
    cluster.build(
        push(1, dockerfile=None, invalid=InvalidSource(reason="NoBuildpack", message="add a Dockerfile"))
    )
    cluster.settle()
    status = cluster.status("shop-1")
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "NoBuildpack",
        "add a Dockerfile",
    )
    assert not cluster.jobs_made


def test_without_its_stream_a_build_waits_and_then_starts(cluster: FakeCluster) -> None:
    stream = cluster.streams.pop("shop")
    cluster.settle()
    assert cluster.phase("shop-1") == "New"
    assert cluster.status("shop-1")["reason"] == "InvalidOutputReference"
    cluster.streams["shop"] = stream
    cluster.settle()
    assert cluster.phase("shop-1") == "Pending"


def test_a_foreign_job_is_left_alone_and_named(cluster: FakeCluster) -> None:
    foreign = {"metadata": {"name": "shop-1-build", "namespace": NAMESPACE, "uid": "theirs"}}
    cluster.jobs["shop-1-build"] = foreign
    cluster.settle()
    assert cluster.jobs["shop-1-build"] == foreign
    assert cluster.status("shop-1")["reason"] == "NameTaken"
    assert "Job shop-1-build" in cluster.status("shop-1")["message"]
    del cluster.jobs["shop-1-build"]
    cluster.settle()
    assert cluster.phase("shop-1") == "Pending"


def test_without_the_credential_key_a_build_says_what_to_fix(cluster: FakeCluster) -> None:
    cluster.key = None
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == "CannotCreateBuildPod"
    cluster.key = b"k" * 32
    cluster.settle()
    assert cluster.phase("shop-1") == "Pending"


@pytest.mark.parametrize("actions", range(8))
def test_killed_after_any_write_the_same_end_is_reached(actions: int) -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.step(actions=actions)
    cluster.settle()
    cluster.run("shop-1")
    cluster.step(actions=actions)
    cluster.succeed("shop-1")
    cluster.step(actions=actions)
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"
    assert cluster.jobs_made == ["shop-1-build"]


@pytest.mark.parametrize("lag", [False, True], ids=["the job has ended too", "the job ends later"])
@pytest.mark.parametrize("well", [True, False], ids=["well", "badly"])
def test_an_ended_build_keeps_its_job_and_pod(cluster: FakeCluster, well: bool, lag: bool) -> None:
    cluster.settle()
    cluster.jobs_lag = lag
    if well:
        cluster.succeed("shop-1")
    else:
        cluster.fail("shop-1", message="error building image: x")
    cluster.settle()
    assert cluster.phase("shop-1") == ("Complete" if well else "Failed")
    assert set(cluster.jobs) == {"shop-1-build"}
    assert set(cluster.pods) == {"shop-1"}


def test_a_spec_of_another_version_ends_the_build_instead_of_the_operator(cluster: FakeCluster) -> None:
    cluster.builds["shop-1"]["spec"]["number"] = 1
    del cluster.builds["shop-1"]["spec"]["source"]
    cluster.step()
    assert cluster.phase("shop-1") == "Error"
    assert cluster.status("shop-1")["reason"] == "InvalidSpec"
    assert "spec.source" in cluster.status("shop-1")["message"]


def test_the_end_of_a_build_fits_its_status_whatever_its_log_says(cluster: FakeCluster) -> None:
    cluster.settle()
    log = f"Retrieving image manifest {'a' * 20_000}\nerror building image: GET https://registry: not found"
    cluster.tails["shop-1"] = log
    cluster.fail("shop-1")
    cluster.settle()
    status = cluster.status("shop-1")
    assert (status["phase"], status["reason"]) == ("Failed", "BaseImageNotFound")
    BuildStatus.model_validate(status)


QUOTA = "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"
POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no builds on Sundays"


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        (QUOTA, "free some of the quota or raise it (kubectl describe quota -n demo)"),
        (POLICY, "ask an administrator for an exception"),
    ],
)
def test_a_pod_that_is_refused_is_said_and_goes_on_when_it_is_let_in(
    cluster: FakeCluster, why: str, hint: str
) -> None:
    cluster.pods_refused = why
    cluster.settle()
    status = cluster.status("shop-1")
    assert (status["phase"], status["reason"]) == ("Pending", "CannotCreateBuildPod")
    assert status["message"].startswith(f"the cluster refuses Pod shop-1-build: {why}; ")
    assert hint in status["message"]
    cluster.sleep(20)
    cluster.step()
    assert not cluster.wrote, "the name of the pod that was tried is another each time"
    cluster.pods_refused = None
    cluster.run("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Running"
    assert "blockedSince" not in cluster.status("shop-1")


def _stream_gone(cluster: FakeCluster) -> None:
    cluster.streams.clear()


def _pods_refused(cluster: FakeCluster) -> None:
    cluster.pods_refused = QUOTA


def _job_refused(cluster: FakeCluster) -> None:
    cluster.refusing.toggle("Create", "Job")


def _secret_gone(cluster: FakeCluster) -> None:
    cluster.source_secret_missing = True


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (_stream_gone, "InvalidOutputReference"),
        (_pods_refused, "CannotCreateBuildPod"),
        (_job_refused, "CannotCreateBuildPod"),
        (_secret_gone, "FetchSourceFailed"),
    ],
)
def test_what_nobody_brings_ends_the_build_and_the_next_one_has_its_turn(
    block: Callable[[FakeCluster], None], reason: str
) -> None:
    cluster = FakeCluster(source={"git": {}, "sourceSecret": {"name": "deploy-key"}})
    cluster.build(push(1))
    cluster.build(push(2))
    block(cluster)
    cluster.settle()
    assert cluster.status("shop-1")["reason"] == reason
    assert "blockedSince" in cluster.status("shop-1")
    cluster.sleep(590).settle()
    assert cluster.phase("shop-1") in ("New", "Pending")
    assert cluster.status("shop-2")["reason"] == "BuildQueued"
    cluster.sleep(11).settle()
    status = cluster.status("shop-1")
    assert (status["phase"], status["reason"]) == ("Error", reason)
    assert "nothing changed for 10 minutes, so it was given up" in status["message"]
    assert status["message"].endswith("then start another build: paas start-build shop -n demo")
    assert "blockedSince" not in status
    assert "shop-1-build" not in cluster.jobs
    assert cluster.status("shop-2")["reason"] == reason, "it is its turn now"


def test_a_missing_source_secret_starts_no_pod() -> None:
    cluster = FakeCluster(source={"git": {}, "sourceSecret": {"name": "deploy-key"}})
    cluster.build(push(1))
    cluster.source_secret_missing = True
    cluster.settle()
    assert "there is no Secret 'deploy-key'" in cluster.status("shop-1")["message"]
    assert "kubectl create secret generic deploy-key -n demo" in cluster.status("shop-1")["message"]
    assert (cluster.jobs, cluster.secrets) == ({}, {})
    cluster.source_secret_missing = False
    cluster.settle()
    assert cluster.phase("shop-1") == "Pending"


def test_a_job_that_can_never_be_accepted_ends_its_build_at_once(cluster: FakeCluster) -> None:
    seen = next(iter(cluster.observed().builds))
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "shop-1-build", "namespace": NAMESPACE},
    }
    refusal = Refusal(Create(job, owner_uid="1"), Cause.INVALID, "spec.template: Invalid value", 422)
    inputs = cluster.observed().inputs
    actions = advance(
        seen,
        inputs=inputs,
        may_start=True,
        waits_for=None,
        stream_exists=True,
        repository_url="",
        refusal=refusal,
        now=cluster.now,
        settings=SETTINGS,
    )
    (status,) = [action.status for action in actions if isinstance(action, Status)]
    assert (status["phase"], status["reason"]) == ("Error", "CannotCreateBuildPod")
    assert "correct the BuildConfig, then start another build" in status["message"]
