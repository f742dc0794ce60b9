"""What the Job controller's Events say of a pod that it cannot make."""

from __future__ import annotations

from typing import Any

import pytest

from paas.builds.pod_refusal import pod_refusal
from paas.reconcile.refusal import Cause

JOB = {"metadata": {"name": "shop-1-build", "namespace": "demo", "uid": "u1"}}


def event(message: str, at: str = "2027-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    about = {"kind": "Job", "name": "shop-1-build", "uid": "u1"}
    return {
        "reason": "FailedCreate", "involvedObject": about, "message": message, "lastTimestamp": at
    } | more  # fmt: skip


def test_no_event_is_no_refusal() -> None:
    assert pod_refusal(JOB, []) is None
    assert pod_refusal(JOB, [event("Created pod: x", reason="SuccessfulCreate")]) is None
    assert pod_refusal(JOB, [event("of a namesake", involvedObject={"uid": "u0"})]) is None


@pytest.mark.parametrize(
    ("message", "cause", "words"),
    [
        (
            'Error creating: pods "shop-1-build-x7k" is forbidden: exceeded quota: small, requested: pods=1,'
            " used: pods=0, limited: pods=0",
            Cause.QUOTA,
            "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0",
        ),
        (
            'Error creating: pods "shop-1-build-x7k" is forbidden: failed quota: cpu: must specify'
            " limits.cpu for: kaniko",
            Cause.QUOTA,
            "failed quota: cpu: must specify limits.cpu for: kaniko",
        ),
        (
            "Error creating: pods \"shop-1-build-x7k\" is forbidden: ValidatingAdmissionPolicy 'p' with"
            " binding 'b' denied request: no builds",
            Cause.POLICY,
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no builds",
        ),
        (
            'Error creating: pods "shop-1-build-x7k" is forbidden: violates PodSecurity "restricted:latest":'
            " runAsNonRoot != true",
            Cause.POLICY,
            'violates PodSecurity "restricted:latest": runAsNonRoot != true',
        ),
        (
            'Error creating: admission webhook "w.example" denied the request: no',
            Cause.POLICY,
            'admission webhook "w.example" denied the request: no',
        ),
        (
            'Error creating: Pod "shop-1-build-x7k" is invalid: spec.nodeSelector: Invalid value',
            Cause.INVALID,
            "spec.nodeSelector: Invalid value",
        ),
    ],
)
def test_the_words_are_the_refusers_own_and_name_no_pod_that_was_tried(
    message: str, cause: Cause, words: str
) -> None:
    found = pod_refusal(JOB, [event(message)])
    assert found is not None
    assert (found.cause, found.words) == (cause, words)
    assert found.subject == ("Create", "Pod", "demo/shop-1-build")


def test_the_last_answer_counts() -> None:
    old = event('Error creating: pods "a" is forbidden: old', "2027-01-01T00:00:01Z")
    new = event('Error creating: pods "b" is forbidden: new', "2027-01-01T00:00:09Z")
    newest = event("newest", "", eventTime="2027-01-01T00:00:10.123456Z", lastTimestamp=None)
    found = [pod_refusal(JOB, events) for events in ([new, old], [new, newest, old])]
    assert [refusal.words if refusal else None for refusal in found] == ["new", "newest"]
