"""The words of a story: what each state of a build, a pod and a rollout says."""

from __future__ import annotations

from typing import Any

import pytest

from paas.apps import progress, rollouts
from paas.apps.rollouts import Stage


def build(number: int = 7, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"shop-{number}", "namespace": "demo"},
        "spec": {
            "number": number,
            "buildConfig": "shop",
            "buildConfigUid": "uid-1",
            "trigger": {"type": "Push"},
            "source": {"type": "Hosted"},
            "strategy": {"dockerStrategy": {}},
            "revision": {
                "git": {
                    "commit": "3f2c9ab" + "0" * 33,
                    "ref": "refs/heads/main",
                    "message": "Fix login\n\nlong",
                    "author": {"name": "alice", "email": "a@example.com"},
                }
            },
            "output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}},
        },
        "status": status,
    }


def test_what_was_received() -> None:
    assert progress.received(build()) == '-----> Received main 3f2c9ab "Fix login" (alice)'
    bare = build()
    bare["spec"]["revision"] = {}
    assert progress.received(bare) == "-----> Received the source"


def test_how_it_becomes_an_image() -> None:
    found = build()
    assert progress.detected(found) is None
    found["spec"]["dockerfile"] = "FROM x"
    assert progress.detected(found) == "-----> Dockerfile found"
    found["spec"]["buildpack"] = "python"
    assert progress.detected(found) == "-----> Python app detected (buildpacks/python)"


@pytest.mark.parametrize(
    ("others", "line"),
    [
        ([], "-----> Build shop-7 queued"),
        ([build(6, phase="Running")], "-----> Build shop-7 queued (behind shop-6)"),
        (
            [build(6), build(5, phase="Running"), build(4)],
            "-----> Build shop-7 queued (behind shop-4 and 2 more)",
        ),
        ([build(6, phase="Complete"), build(8, phase="New")], "-----> Build shop-7 queued"),
    ],
)
def test_what_a_build_waits_for(others: list[dict[str, Any]], line: str) -> None:
    assert progress.queued(build(), [build(), *others]) == line


def test_builds_of_a_deleted_namesake_are_not_waited_for() -> None:
    other = build(6, phase="Running")
    other["spec"]["buildConfigUid"] = "uid-0"
    assert progress.waits_for(build(), [other]) == []


def test_how_builds_end() -> None:
    image = "registry.example/demo/shop@sha256:1f0c"
    done = build(phase="Complete", outputDockerImageReference=image, duration=41)
    assert progress.finished(done, logged=True) == ["       Pushed demo/shop@sha256:1f0c (41s)"]
    failed = build(phase="Failed", reason="DockerBuildFailed", message="exit status 2", logSnippet="a\nb")
    assert progress.finished(failed, logged=False) == [
        "       a",
        "       b",
        " !     Build shop-7 failed: DockerBuildFailed: exit status 2",
        " !     The whole log: paas logs build/shop-7 -n demo",
    ]
    assert progress.finished(failed, logged=True)[0].startswith(" !     Build shop-7 failed")
    cancelled = progress.finished(build(phase="Cancelled"), logged=True)
    assert cancelled[1] == " !     Start it again: paas start-build shop -n demo"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("INFO[0003] RUN make all", "       RUN make all"),
        ("INFO[0003] Taking snapshot of full filesystem...", None),
        ("Taking snapshot of a friend", "       Taking snapshot of a friend"),
        ("=====> https://fake.example", "       =====> https://fake.example"),
        ("WARN[0003] careful", "       warning: careful"),
        ('time="2026-03-04T12:00:00Z" level=info msg="COPY a \\"b\\" c"', '       COPY a "b" c'),
        ('time="2026-03-04T12:00:00Z" level=info msg=done', "       done"),
        ('time="2026-03-04T12:00:00Z" level=error msg="bad \\x01 escape"', "       error: bad \\x01 escape"),
        ("time flies", "       time flies"),
        ("10%\r50%\r100% done\r", "       100% done"),
        ("\x1b[36mINFO\x1b[0m\x1b]0;pwned\x07 x", "       INFO x"),
        ("", ""),
        ("x" * 5000, "       " + "x" * 2000),
    ],
)
def test_lines_of_a_log(line: str, told: str | None) -> None:
    assert progress.log_line(line) == told


def test_fetch_tells_in_the_form_of_a_story_and_a_run_step_cannot() -> None:
    line = "-----> Source of commit bb8dce1"
    assert progress.log_line(line, own=True) == line
    assert progress.log_line(line) == f"       {line}"


def pod(name: str = "shop-12-a", revision: int = 12, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"paas.dev/revision": str(revision)}}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "shop", **state}]}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({}, None),
        ({"phase": "Running", **container(state={"running": {}})}, None),
        (container(state={"waiting": {"reason": "ContainerCreating"}}), None),
        (
            container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            "ImagePullBackOff: no such image",
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                lastState={"terminated": {"exitCode": 3}},
            ),
            "CrashLoopBackOff: exit code 3",
        ),
        (
            container(state={"terminated": {"reason": "OOMKilled", "exitCode": 137}}),
            "OOMKilled: out of memory (OOMKilled); raise resources.limits.memory",
        ),
        (container(state={"terminated": {"reason": "Completed", "exitCode": 0}}), None),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes",
                    }
                ]
            },
            "Unschedulable: 0/1 nodes",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "Evicted: disk"),
        (
            {"initContainerStatuses": [{"name": "f", "state": {"terminated": {"exitCode": 1}}}]},
            "Error: exit code 1",
        ),
    ],
)
def test_why_a_pod_does_not_run(status: dict[str, Any], trouble: str | None) -> None:
    assert progress.pod_trouble(pod(**status)) == trouble


def test_pods_of_a_revision_are_counted_unless_they_leave() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    leaving = pod("c", 12, **ready)
    leaving["metadata"]["deletionTimestamp"] = "2026-03-04T12:00:00Z"
    pods = [pod("a", 12, **ready), pod("b", 12), leaving, pod("d", 11, **ready)]
    assert rollouts.ready_text({"spec": {"replicas": 3}}, 12, pods) == "1/3 ready"


def config(**status: Any) -> dict[str, Any]:
    trigger = {
        "type": "ImageChange",
        "imageChangeParams": {"automatic": True, "from": {"kind": "ImageStreamTag", "name": "shop:latest"}},
    }
    return {
        "metadata": {"name": "shop", "namespace": "demo"},
        "spec": {"replicas": 3, "triggers": [{"type": "ConfigChange"}, trigger]},
        "status": status,
    }


IMAGE = "r/demo/shop@sha256:2"


@pytest.mark.parametrize(
    ("status", "stage", "revision"),
    [
        ({}, Stage.WAITING, None),
        ({"rollout": {"revision": 11, "phase": "Complete", "build": "shop-6"}}, Stage.WAITING, None),
        ({"rollout": {"revision": 12, "phase": "New", "build": "shop-7"}}, Stage.ROLLING, 12),
        ({"rollout": {"revision": 12, "phase": "Running", "build": "shop-7"}}, Stage.ROLLING, 12),
        ({"rollout": {"revision": 12, "phase": "Complete", "build": "shop-7"}}, Stage.LIVE, 12),
        (
            {"rollout": {"revision": 12, "phase": "Failed", "build": "shop-7", "message": "x"}},
            Stage.FAILED,
            12,
        ),
        (
            {"rollout": {"revision": 12, "phase": "Failed", "reason": "Superseded", "build": "shop-7"}},
            Stage.OVERTAKEN,
            12,
        ),
        ({"rollout": {"revision": 13, "phase": "Running", "build": "shop-8"}}, Stage.OVERTAKEN, 13),
        (
            {
                "rollout": {"revision": 11, "phase": "Complete", "build": "shop-6"},
                "history": [{"revision": 12, "phase": "Failed", "build": "shop-7", "message": "slow"}],
            },
            Stage.FAILED,
            12,
        ),
        (
            {"rollout": {"revision": 11, "phase": "Complete", "build": "shop-6"}, "image": IMAGE},
            Stage.LIVE,
            11,
        ),
        ({"hold": {"revision": 10, "baseline": 7}}, Stage.HELD, 10),
        ({"hold": {"revision": 10, "baseline": 6}}, Stage.WAITING, None),
    ],
)
def test_where_a_build_is(status: dict[str, Any], stage: Stage, revision: int | None) -> None:
    where = rollouts.standing(config(**status), build(phase="Complete", outputDockerImageReference=IMAGE))
    assert (where.stage, where.revision) == (stage, revision)


def test_a_build_that_nothing_rolls_out_by_itself() -> None:
    by_hand, paused = config(), config()
    by_hand["spec"]["triggers"][1]["imageChangeParams"]["automatic"] = False
    paused["spec"]["paused"] = True
    for one in (by_hand, paused):
        assert rollouts.standing(one, build(phase="Complete")).stage is Stage.MANUAL


def test_a_base_image_rebuild_is_withheld_by_any_hold() -> None:
    rebuilt = build(phase="Complete")
    rebuilt["spec"]["trigger"]["type"] = "ImageChange"
    assert rollouts.standing(config(hold={"revision": 10, "baseline": 1}), rebuilt).stage is Stage.HELD


def test_which_deploymentconfigs_deploy_a_build() -> None:
    assert rollouts.deploys(config(), build()) is not None
    elsewhere = config()
    elsewhere["spec"]["triggers"][1]["imageChangeParams"]["from"]["name"] = "shop:stable"
    assert rollouts.deploys(elsewhere, build()) is None
    other = config()
    other["metadata"]["namespace"] = "other"
    assert rollouts.deploys(other, build()) is None


def test_which_routes_lead_to_a_deploymentconfig() -> None:
    one = config()
    one["spec"]["template"] = {"metadata": {"labels": {"app": "shop"}}}
    services = [
        {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "shop"}}},
        {"metadata": {"name": "other"}, "spec": {"selector": {"app": "other"}}},
        {"metadata": {"name": "external"}, "spec": {}},
    ]
    routes = [
        {"metadata": {"name": name}, "spec": {"to": {"name": to}}}
        for name, to in (("b", "shop"), ("a", "shop"), ("c", "other"), ("d", "external"))
    ]
    assert [r["metadata"]["name"] for r in rollouts.routes_to(one, routes, services)] == ["a", "b"]


def test_whoever_leaves_is_told_how_to_come_back() -> None:
    said = progress.still_running(build())
    assert said[1] == "       Follow it with: paas logs -f build/shop-7 -n demo"
