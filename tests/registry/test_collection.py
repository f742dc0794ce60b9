"""Whether unused images are being collected, as the Lease says; and the Job that does it by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.node.registry_gc import registry_gc
from paas.registry.collection import SLACK, is_other_version, may_push, under_way
from paas.registry.gc_job import GC_KEY, job_of, outcome

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def lease(age: float = 0, **spec: Any) -> Manifest:
    renewed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"spec": {"holderIdentity": "x", "renewTime": renewed, "leaseDurationSeconds": 15, **spec}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lease(), True),
        (lease(14), True),
        (lease(14 + SLACK), True),
        (lease(15 + SLACK), False),
        (lease(-20), True),
        (lease(holderIdentity=""), False),
        (lease(holderIdentity=None), False),
        (None, False),
        ({}, False),
        ({"spec": {"holderIdentity": "x"}}, False),
        (lease(renewTime="yesterday"), False),
        (lease(renewTime="2026-11-26T12:00:00"), False),
        (lease(leaseDurationSeconds="x"), False),
    ],
)
def test_only_a_lease_that_is_held_and_renewed_counts(found: Manifest | None, expected: bool) -> None:
    assert under_way(found, now=NOW) is expected


@given(
    st.dictionaries(
        st.sampled_from(["holderIdentity", "renewTime", "leaseDurationSeconds"]),
        st.none() | st.integers() | st.text(max_size=30) | st.datetimes().map(str),
    )
)
def test_whatever_is_in_it_there_is_an_answer(spec: dict[str, Any]) -> None:
    assert under_way({"spec": spec}, now=NOW) in (True, False)


def made() -> list[Manifest]:
    return registry_gc(image="platform:2", storage="/srv/registry", program="/opt/bin/registry")


def test_the_job_by_hand_is_that_of_the_night() -> None:
    cron = made()[-1]
    night = cron["spec"]["jobTemplate"]["spec"]["template"]
    whole, dry = job_of(cron, dry_run=False, now=NOW), job_of(cron, dry_run=True, now=NOW)
    assert whole["spec"]["template"] == night
    assert dry["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--dry-run"
    assert "--dry-run" not in str(night), "the CronJob is left as it is"
    assert whole["metadata"]["namespace"] == GC_KEY.namespace
    assert len(whole["metadata"]["name"]) <= 63


def test_the_pod_has_the_storage_and_no_privilege() -> None:
    pod = made()[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    paths = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    assert paths == ["/srv/registry", "/opt/bin/registry"]
    read_only = {mount["name"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    assert read_only == {"program"}


def test_it_runs_when_the_disk_is_full() -> None:
    """Then the node takes no other pods: kubelet and scheduler must let in the one that brings space back."""
    pod = made()[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "system-node-critical"
    assert {"key": "node.kubernetes.io/disk-pressure", "operator": "Exists"} in pod["tolerations"]
    assert "--image=platform:2" in pod["containers"][0]["args"]


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, True),
        ({"phase": "Pending"}, True),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, True),
        ({"phase": "Pending", "conditions": [UNSCHEDULABLE]}, False),
        ({"phase": "Running"}, True),
        ({"phase": "Succeeded"}, False),
        ({"phase": "Failed"}, False),
    ],
)
def test_whose_push_is_waited_for(status: Manifest | None, expected: bool) -> None:
    assert may_push({"status": status}) is expected


@pytest.mark.parametrize(
    ("image", "phase", "expected"),
    [
        ("platform:2", "Running", False),
        ("platform:1", "Running", True),
        ("platform:1", "Pending", True),
        ("platform:1", "Failed", False),
    ],
)
def test_which_pods_are_of_another_version(image: str, phase: str, expected: bool) -> None:
    pod = {"spec": {"containers": [{"image": image}]}, "status": {"phase": phase}}
    assert is_other_version(pod, "platform:2") is expected


def test_it_reads_lists_and_writes_one_lease() -> None:
    rules = [rule for o in made() if o["kind"] in ("ClusterRole", "Role") for rule in o["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list", "create", "get", "update"}
    assert not [rule for rule in rules if "secrets" in rule["resources"]]
    assert [r["resources"] for r in rules if set(r["verbs"]) - {"list"}] == [["leases"], ["leases"]]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], None),
        ([{"type": "SuccessCriteriaMet", "status": "True"}], None),
        ([{"type": "Complete", "status": "True"}], True),
        ([{"type": "Failed", "status": "True"}], False),
        ([{"type": "Failed", "status": "False"}], None),
    ],
)
def test_how_a_job_ended(conditions: list[dict[str, str]], expected: bool | None) -> None:
    assert outcome({"status": {"conditions": conditions}}) is expected
    assert outcome(None) is False
