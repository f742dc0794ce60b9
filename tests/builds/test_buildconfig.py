"""What a BuildConfig says about itself, what it remembers, and which Builds it keeps."""

from __future__ import annotations

import copy

import pytest

from paas.api.build import TriggerType
from paas.api.buildconfig import ANNOTATION_PAUSED
from paas.api.buildconfig_status import TRIGGERS_KEPT
from paas.builds.advance import WAIT_RECHECK
from paas.reconcile.plan import Delete, Requeue, Status
from tests.builds.fake_cluster import FakeCluster, push

EXTERNAL = {"git": {"uri": "https://git.example/team/shop.git"}}


def condition(cluster: FakeCluster, type_: str) -> tuple[str, str, str]:
    assert cluster.config is not None
    for found in cluster.config["status"]["conditions"]:
        if found["type"] == type_:
            return found["status"], found["reason"], found["message"]
    return "", "", ""


def test_a_hosted_one_says_where_to_push() -> None:
    cluster = FakeCluster().settle()
    assert cluster.config is not None
    assert cluster.config["status"]["repository"] == "https://paas.apps.localhost:8443/git/demo/shop.git"
    assert condition(cluster, "Ready")[:2] == ("True", "Reconciled")
    assert condition(cluster, "SourceResolved")[:2] == ("True", "Hosted")


def test_an_external_one_has_no_repository_here() -> None:
    cluster = FakeCluster(source=EXTERNAL).settle()
    assert cluster.config is not None
    assert "repository" not in cluster.config["status"]
    assert condition(cluster, "SourceResolved")[1] == "External"


def test_a_missing_source_secret_or_stream_is_said_with_what_to_do() -> None:
    cluster = FakeCluster(source={**EXTERNAL, "sourceSecret": {"name": "login"}})
    cluster.source_secret_missing = True
    cluster.settle()
    status, _, message = condition(cluster, "Ready")
    assert status == "False"
    assert "'login'" in message
    assert "username and password" in message
    assert Requeue(WAIT_RECHECK) in cluster.step().actions, "Secrets are not watched"
    cluster.source_secret_missing = False
    assert not any(isinstance(action, Requeue) for action in cluster.step().actions)
    cluster.streams.clear()
    cluster.settle()
    assert condition(cluster, "Ready")[:2] == ("False", "InvalidOutputReference")
    assert condition(cluster, "SourceResolved")[0] == "True"


def test_a_spec_that_cannot_be_read_is_stalled_and_still_follows_its_builds() -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.settle()
    assert cluster.config is not None
    del cluster.config["spec"]["output"]
    cluster.settle()
    assert condition(cluster, "Stalled")[1] == "InvalidSpec"
    assert "spec.output" in condition(cluster, "Ready")[2]
    cluster.succeed("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"


WAITING = {
    "ref": "main",
    "commit": "a" * 40,
    "since": "2026-01-01T00:00:00Z",
    "cause": "Quota",
    "message": "exceeded quota: small",
}


def test_a_push_whose_build_is_refused_is_said_until_the_server_takes_it_back() -> None:
    cluster = FakeCluster()
    assert cluster.config is not None
    cluster.config["status"] = {"waitingPush": dict(WAITING)}
    cluster.settle()
    status, reason, message = condition(cluster, "Ready")
    assert (status, reason) == ("False", "Refused")
    assert message == (
        "main at aaaaaaaaaaaa was pushed, and the cluster refuses its Build: exceeded quota: small; "
        "free some of the quota or raise it (kubectl describe quota -n demo), and it goes on by itself"
    )
    assert condition(cluster, "Stalled")[:2] == ("True", "Refused")
    assert cluster.config["status"]["waitingPush"] == WAITING
    cluster.config["status"]["waitingPush"]["cause"] = "OfANewerServer"
    cluster.settle()
    assert "a rule of this cluster" in condition(cluster, "Ready")[2]
    del cluster.config["status"]["waitingPush"]
    cluster.settle()
    assert condition(cluster, "Ready")[:2] == ("True", "Reconciled")
    assert condition(cluster, "Stalled") == ("", "", "")


def test_what_waited_here_says_nothing_of_a_source_that_is_elsewhere_now() -> None:
    cluster = FakeCluster(source=EXTERNAL)
    assert cluster.config is not None
    cluster.config["status"] = {"waitingPush": dict(WAITING)}
    cluster.settle()
    assert condition(cluster, "Ready")[0] == "True"


REFUSED = {
    "id": "1",
    "time": "2025-12-31T23:00:00Z",
    "event": "push",
    "ref": "main",
    "commit": "a" * 40,
    "decision": "retry",
    "reason": "the API server does not allow the build: exceeded quota; deliver this again later",
    "cause": "Quota",
}
PING = {**REFUSED, "id": "2", "event": "ping", "decision": "ignored", "reason": "ping"}
del PING["cause"], PING["commit"]


def test_a_delivery_whose_build_was_refused_is_said_until_something_was_built() -> None:
    cluster = FakeCluster(source=EXTERNAL)
    assert cluster.config is not None
    cluster.config["status"] = {"deliveries": [dict(PING), dict(REFUSED)]}
    cluster.settle()
    assert condition(cluster, "Ready") == (
        "False",
        "Refused",
        "no Build of main at aaaaaaaaaaaa was made, as the API server does not allow the build: exceeded "
        "quota; deliver this again later; free some of the quota or raise it (kubectl describe quota -n "
        "demo), and then: paas start-build shop -n demo",
    )
    poll = {**REFUSED, "event": "poll"}
    del poll["commit"]
    cluster.config["status"]["deliveries"] = [poll]
    cluster.settle()
    assert condition(cluster, "Ready")[2].startswith("no Build of what a poll found was made")
    cluster.build(push(1))
    cluster.settle()
    assert condition(cluster, "Ready")[0] == "True"


@pytest.mark.parametrize(
    "newest",
    [
        {**REFUSED, "id": "2", "cause": None, "decision": "build", "build": "shop-7"},
        {**REFUSED, "id": "2", "cause": None, "decision": "ignored", "build": "shop-7"},
    ],
)
def test_a_delivery_that_was_built_makes_up_for_those_before(newest: dict[str, str]) -> None:
    cluster = FakeCluster(source=EXTERNAL)
    assert cluster.config is not None
    cluster.config["status"] = {"deliveries": [newest, dict(REFUSED)]}
    cluster.settle()
    assert condition(cluster, "Ready")[0] == "True"


def test_what_the_server_wrote_into_the_status_stays() -> None:
    cluster = FakeCluster()
    assert cluster.config is not None
    cluster.config["status"] = {
        "deliveries": [{"id": "1", "decision": "ignored", "reason": "other branch"}],
        "head": {"commit": "a" * 40},
    }
    cluster.settle()
    assert cluster.config["status"]["deliveries"][0]["id"] == "1"
    assert cluster.config["status"]["head"] == {"commit": "a" * 40}
    for action in cluster.step().actions:
        assert not isinstance(action, Status), "what is the server's is never a difference"


def test_trigger_ids_outlive_their_builds_and_the_last_fifty_are_kept() -> None:
    cluster = FakeCluster(failedBuildsHistoryLimit=1)
    for number in range(1, TRIGGERS_KEPT + 6):
        cluster.build(push(number))
        cluster.settle()
        cluster.fail(f"shop-{number}")
        cluster.settle()
    assert cluster.config is not None
    kept = cluster.config["status"]["triggers"]
    assert len(kept) == TRIGGERS_KEPT
    assert kept[-1] == {"id": "push:55", "build": "shop-55"}
    assert set(cluster.builds) == {"shop-55"}
    assert cluster.config["status"]["lastVersion"] == 55
    assert cluster.build(push(55)) is cluster.builds["shop-55"]
    assert cluster.build(push(54)) is None, "it was pruned, and is remembered"
    fresh = cluster.build(push("another"))
    assert fresh is not None
    assert fresh["metadata"]["name"] == "shop-56"


def test_history_limits_count_successes_and_the_rest_apart_oldest_first() -> None:
    cluster = FakeCluster(successfulBuildsHistoryLimit=2, failedBuildsHistoryLimit=1)
    for number in range(1, 8):
        cluster.build(push(number))
        cluster.settle()
        if number % 2:
            cluster.succeed(f"shop-{number}")
        else:
            cluster.fail(f"shop-{number}")
        cluster.settle()
        cluster.merge()
    cluster.settle()
    assert sorted(cluster.builds) == ["shop-5", "shop-6", "shop-7"]


def test_a_complete_build_goes_only_once_the_stream_has_it() -> None:
    cluster = FakeCluster(successfulBuildsHistoryLimit=0)
    cluster.build(push(1))
    cluster.settle()
    cluster.succeed("shop-1")
    cluster.settle()
    assert set(cluster.builds) == {"shop-1"}
    cluster.merge()
    cluster.settle()
    assert not cluster.builds


def test_a_build_goes_only_once_its_trigger_is_noted() -> None:
    cluster = FakeCluster(failedBuildsHistoryLimit=0)
    cluster.build(push(1))
    cluster.cancel("shop-1")
    while cluster.phase("shop-1") != "Cancelled":
        plan = cluster.step()
    assert not [action for action in plan.actions if isinstance(action, Delete)]
    cluster.settle()
    assert not cluster.builds


def test_a_lost_build_is_kept_until_it_was_run_again() -> None:
    cluster = FakeCluster(failedBuildsHistoryLimit=0)
    cluster.build(push(1))
    cluster.settle()
    cluster.delete_job("shop-1")
    cluster.step()
    cluster.step(actions=1)  # the BuildConfig's status is written, the repetition is not made yet
    assert "shop-1" in cluster.builds
    cluster.settle()
    assert set(cluster.builds) == {"shop-2"}


@pytest.mark.parametrize("source", [EXTERNAL, {"git": {}}])
def test_config_change_builds_a_new_external_source_once(source: dict[str, object]) -> None:
    cluster = FakeCluster(source=source, triggers=[{"type": "ConfigChange"}], failedBuildsHistoryLimit=0)
    cluster.settle()
    if source is not EXTERNAL:
        assert not cluster.builds
        return
    assert cluster.builds["shop-1"]["spec"]["trigger"]["type"] == TriggerType.CONFIG_CHANGE
    cluster.cancel("shop-1")
    cluster.settle()
    assert not cluster.builds, "pruned, and not made again"


def test_without_the_trigger_nothing_is_built() -> None:
    assert not FakeCluster(source=EXTERNAL).settle().builds


def test_a_paused_one_builds_nothing() -> None:
    cluster = FakeCluster(source=EXTERNAL, triggers=[{"type": "ConfigChange"}])
    assert cluster.config is not None
    cluster.config["metadata"]["annotations"] = {ANNOTATION_PAUSED: "true"}
    cluster.settle()
    assert not cluster.builds


def test_builds_left_behind_by_a_deleted_one_end_but_no_new_ones_start() -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.build(push(2))
    cluster.settle()
    cluster.config = None
    cluster.succeed("shop-1")
    cluster.settle()
    assert cluster.phase("shop-1") == "Complete"
    assert cluster.phase("shop-2") == "New"


def test_without_limits_all_builds_are_kept() -> None:
    """As in OpenShift, where only the creation of a BuildConfig fills them in."""
    cluster = FakeCluster(successfulBuildsHistoryLimit=None, failedBuildsHistoryLimit=None)
    for number in range(1, 15):
        cluster.build(push(number))
        cluster.settle()
        cluster.succeed(f"shop-{number}") if number % 2 else cluster.fail(f"shop-{number}")
        cluster.settle()
        cluster.merge()
    cluster.settle()
    assert len(cluster.builds) == 14


def test_the_history_that_counts_is_that_of_the_builds_own_output() -> None:
    """The BuildConfig has another output since, whose stream knows later builds only."""
    cluster = FakeCluster(successfulBuildsHistoryLimit=0)
    cluster.build(push(1))
    cluster.settle()
    cluster.succeed("shop-1")
    cluster.settle()
    assert cluster.config is not None
    later = {"tag": "latest", "items": [{"buildConfigUid": "bc-1", "buildNumber": 2}]}
    cluster.streams["other"] = {"metadata": {"name": "other"}, "status": {"tags": [later]}}
    cluster.config["spec"]["output"]["to"]["name"] = "other:latest"
    cluster.settle()
    assert set(cluster.builds) == {"shop-1"}, "its image is in no history yet"
    cluster.merge()
    cluster.settle()
    assert not cluster.builds


def test_a_number_that_somebody_made_up_breaks_no_numbering() -> None:
    cluster = FakeCluster()
    cluster.build(push(1))
    cluster.settle()
    assert cluster.config is not None
    forged = copy.deepcopy(cluster.builds["shop-1"])
    forged["metadata"] |= {"name": "shop-2147483647", "uid": "forged"}
    forged["spec"] |= {"number": 2147483647, "trigger": {"id": "x", "type": "Manual", "message": ""}}
    del forged["status"]
    cluster.builds["shop-2147483647"] = forged
    cluster.settle()
    assert cluster.status("shop-2147483647")["phase"] == "Error"
    assert (
        "no build of the platform has the number 2147483647" in cluster.status("shop-2147483647")["message"]
    )
    assert cluster.config["status"]["lastVersion"] == 1
    cluster.run("shop-1")
    cluster.delete_pod("shop-1")
    cluster.settle()
    assert cluster.builds["shop-2"]["spec"]["retryOf"] == "shop-1", "it is no later build"
