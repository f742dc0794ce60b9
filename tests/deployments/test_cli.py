"""What the rollout commands decide before they touch anything."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import Key
from paas.deployments.environment import change_of, changed_env, changes_of, listed, refuse_port
from paas.deployments.history import failed_because, history_table, target_revision, verdict
from paas.terminal.problem import ExitCode, Problem
from tests.support.expansion import expanded

KEY = Key("demo", "shop")


def config(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "generation": 3}, "spec": {"replicas": 3}, "status": status}


@pytest.mark.parametrize(
    ("status", "line", "code"),
    [
        ({}, "shop: no rollout yet", None),
        (
            {"observedGeneration": 3, "rollout": {"revision": 12, "phase": "Running"}, "readyReplicas": 2},
            "shop revision 12: Running, 0 of 3 updated, 2 ready",
            None,
        ),
        (
            {
                "observedGeneration": 3, "updatedReplicas": 3, "readyReplicas": 3,
                "rollout": {"revision": 12, "phase": "Complete"},
            },
            "shop revision 12: Complete, 3 of 3 updated, 3 ready",
            ExitCode.OK,
        ),
        (
            {"observedGeneration": 2, "rollout": {"revision": 12, "phase": "Complete"}},
            "shop: the latest change has not been seen yet",
            None,
        ),
        (
            {"observedGeneration": 3, "rollout": {"revision": 12, "phase": "Failed", "message": "no pod"}},
            "shop revision 12: Failed: no pod",
            ExitCode.FAILED,
        ),
        (
            {
                "observedGeneration": 3,
                "rollout": {
                    "revision": 12, "phase": "Failed", "message": "revision 12 failed: no progress for 9 s",
                    "problems": [
                        {"reason": "ProgressDeadlineExceeded", "message": "no progress for 9 s"},
                        {"reason": "OOMKilled", "message": "pod x: container web: OOMKilled, exit code 137"},
                    ],
                },
            },
            "shop revision 12: Failed: no progress for 9 s; pod x: container web: OOMKilled, exit code 137",
            ExitCode.FAILED,
        ),
    ],
)  # fmt: skip
def test_a_rollout_in_one_line(status: dict[str, Any], line: str, code: ExitCode | None) -> None:
    assert verdict(config(**status)) == (line, code)


def revisions(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"metadata": {"name": f"shop-{n}", "creationTimestamp": "2026-03-04T11:00:00Z"}, "revision": n}
        for n in numbers
    ]


def test_undo_goes_to_the_complete_revision_before_the_serving_one() -> None:
    history = [{"revision": 10, "phase": "Complete"}, {"revision": 11, "phase": "Failed"}]
    state = config(activeRevision=12, history=history)
    assert target_revision(state, revisions(9, 10, 11, 12), None, KEY) == 10
    assert target_revision(state, revisions(9, 10, 11, 12), 9, KEY) == 9


@pytest.mark.parametrize("phase", ["New", "Pending", "Running"])
def test_undo_while_another_revision_rolls_out_goes_to_the_one_that_serves(phase: str) -> None:
    history = [{"revision": 10, "phase": "Complete"}, {"revision": 11, "phase": "Complete"}]
    state = config(activeRevision=11, history=history, rollout={"revision": 12, "phase": phase})
    assert target_revision(state, revisions(10, 11, 12), None, KEY) == 11
    again = config(activeRevision=11, history=history, rollout={"revision": 11, "phase": phase})
    assert target_revision(again, revisions(10, 11, 12), None, KEY) == 10


def test_a_revision_that_failed_of_itself_is_known() -> None:
    problems = [{"reason": "Error", "message": "pod x: container web was restarted once: exit code 3"}]
    failed = {"revision": 12, "phase": "Failed", "reason": "ContainerRestarted", "problems": problems}
    overtaken = {"revision": 11, "phase": "Failed", "reason": "Superseded"}
    state = config(history=[failed, overtaken])
    assert failed_because(state, 12) == "pod x: container web was restarted once: exit code 3"
    assert failed_because(state, 11) is None
    assert failed_because(state, 10) is None


SERVED = {"name": "shop", "ports": [{"containerPort": 8080}], "env": [{"name": "PORT", "value": "8080"}]}


@pytest.mark.parametrize("changes", [{"PORT": "9000"}, {"PORT": None}, {"PORT": "http", "A": "1"}])
def test_port_alone_is_refused_with_the_command_that_changes_both(changes: dict[str, str | None]) -> None:
    with pytest.raises(Problem) as raised:
        refuse_port(KEY, 1, SERVED, changes)
    assert "PORT" in raised.value.what
    _, _, command = raised.value.hint.partition("change both at once: ")
    patch = json.loads(shlex.split(command)[-1])
    assert [step["path"] for step in patch] == [
        "/spec/template/spec/containers/1/ports/0/containerPort",
        "/spec/template/spec/containers/1/env/0/value",
    ]
    assert [step["value"] for step in patch] == [9000, "9000"]


@pytest.mark.parametrize(
    ("container", "changes"),
    [
        (SERVED, {"A": "1"}),
        (SERVED, {"PORT": "8080"}),
        ({**SERVED, "ports": [{"containerPort": 3000}]}, {"PORT": "9000"}),
        ({**SERVED, "env": []}, {"PORT": "9000"}),
    ],
)
def test_a_port_that_leads_nowhere_else_may_be_set(container: Any, changes: dict[str, str | None]) -> None:
    refuse_port(KEY, 0, container, changes)


def test_undo_after_a_failure_goes_behind_the_one_that_serves() -> None:
    state = config(activeRevision=11, rollout={"revision": 12, "phase": "Failed"})
    assert target_revision(state, revisions(10, 11, 12), None, KEY) == 10


@pytest.mark.parametrize(
    ("state", "numbers", "wanted", "code"),
    [
        (config(), [1], None, ExitCode.FAILED),
        (config(activeRevision=1), [1, 2], None, ExitCode.FAILED),
        (config(activeRevision=2), [1, 2], 7, ExitCode.NOT_FOUND),
    ],
)
def test_nothing_to_go_back_to_is_said(
    state: dict[str, Any], numbers: list[int], wanted: int | None, code: ExitCode
) -> None:
    with pytest.raises(Problem) as raised:
        target_revision(state, revisions(*numbers), wanted, KEY)
    assert raised.value.code == code
    assert "paas rollout history shop -n demo" in raised.value.hint


def test_history_marks_what_serves_and_what_is_held() -> None:
    found = revisions(11, 12)
    for manifest, build in zip(found, ("shop-6", "shop-7"), strict=True):
        image = {
            "container": "shop", "tag": "shop:latest", "image": "sha256:1", "reference": "r/shop@sha256:1",
            "build": build, "commit": "abcdef0123",
        }  # fmt: skip
        manifest["data"] = {
            "template": {},
            "images": [image],
            "causes": [{"type": "ImageChange", "message": "new"}],
        }
    state = config(
        activeRevision=11, hold={"revision": 11}, rollout={"revision": 11, "phase": "Complete"},
        history=[{"revision": 12, "phase": "Failed"}],
    )  # fmt: skip
    table = history_table(state, found, datetime(2026, 3, 4, 12, 0, tzinfo=UTC))
    assert [line.split() for line in table.lines()] == [
        ["REVISION", "STATUS", "BUILD", "COMMIT", "CAUSE", "AGE"],
        ["11", "Complete", "(serving,", "held)", "shop-6", "abcdef0", "new", "60m"],
        ["12", "Failed", "shop-7", "abcdef0", "new", "60m"],
    ]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("A=b", ("A", "b")), ("A=", ("A", "")), ("A=b-", ("A", "b-")), ("A-", ("A", None)),
        ("A.b=c", ("A.b", "c")),
        ("A=x\ny", ("A", "x\ny")),
    ],
)  # fmt: skip
def test_changes_of_variables(text: str, change: tuple[str, str | None]) -> None:
    assert change_of(text) == change


@pytest.mark.parametrize("text", ["A", "=b", "-", "1=2", "A b=c", ""])
def test_what_changes_no_variable_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        change_of(text)


def test_variables_keep_their_place() -> None:
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {}}},
        {"name": "C", "value": "3"},
    ]
    assert changed_env(env, {"C": "4", "A": None, "N": "new", "GONE": None}) == [
        {"name": "B", "valueFrom": {"secretKeyRef": {}}},
        {"name": "C", "value": "4"},
        {"name": "N", "value": "new"},
    ]
    assert changed_env(env, {"B": "literal"})[1] == {"name": "B", "value": "literal"}
    assert changed_env(env, {}) == env


@given(st.text("$()A =\n🎈", max_size=12) | st.text(st.characters(exclude_categories=("Cs",))))
def test_a_value_arrives_and_is_listed_as_it_was_given(value: str) -> None:
    env = changed_env([{"name": "A", "value": "before"}], changes_of([f"A={value}"]))
    assert expanded(env[0]["value"], {"A": "a"}) == value
    assert listed([{"name": "web", "env": env}]) == [f"A={value}"]
    assert changed_env(env, {"B": "1"})[0] == env[0]


def test_what_no_assignment_can_say_is_listed_as_a_comment() -> None:
    env = [
        {"name": "URL", "value": "http://$(HOST)"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "key"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "mode"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "EMPTY"},
    ]
    assert listed([{"name": "web", "env": env}]) == [
        "# URL=http://$(HOST) (Kubernetes replaces each $(NAME) by that variable)",
        "# KEY from secret shop, key key",
        "# MODE from configmap shop, key mode",
        "# POD from the pod's own metadata.name",
        "# CPU from the pod's own limits.cpu",
        "EMPTY=",
    ]
    assert changed_env(env, {"EMPTY": "$(HOST)"})[0] == env[0], "a reference of the owner's stays one"


def test_a_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(Problem) as raised:
        changes_of(["A=1", "B=caf\udce9"])
    assert (raised.value.what, raised.value.code) == ("the value of B is not valid UTF-8", ExitCode.USAGE)


def test_a_variable_is_set_or_removed_and_not_both() -> None:
    assert changes_of(["A=1", "B-", "A=2"]) == {"A": "2", "B": None}
    for texts in (["A=1", "A-"], ["A-", "B=1", "A="]):
        with pytest.raises(Problem, match='"A" would be both set and removed'):
            changes_of(texts)
