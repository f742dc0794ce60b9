"""What is known of a build, a pod and a rollout, as events; and the words that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from paas.apps import builds, progress, read_progress, render_progress, rollouts
from paas.apps.progress import LogLine, ProgressEvent
from paas.apps.rollouts import RolloutState, Stage
from paas.builds.job import FETCH, KANIKO
from paas.kube import pods


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


def said(event: ProgressEvent | None) -> list[str]:
    return render_progress.lines(event) if event is not None else []


def commit_text(build: dict[str, Any]) -> str:
    message, author = builds.commit_message(build), builds.author_of(build)
    return builds.commit_text(builds.ref_of(build), builds.commit_of(build), message, author)


def test_what_is_built() -> None:
    assert commit_text(build()) == 'main 3f2c9ab "Fix login" (alice)'
    bare = build()
    bare["spec"]["revision"] = {}
    assert commit_text(bare) == ""


def test_how_it_becomes_an_image() -> None:
    found = build()
    assert read_progress.detected(found) is None
    found["spec"]["dockerfile"] = "FROM x"
    assert said(read_progress.detected(found)) == ["-----> Dockerfile found"]
    found["spec"]["buildpack"] = "python"
    assert said(read_progress.detected(found)) == ["-----> Python app detected (buildpacks/python)"]
    inline = build()
    inline["spec"]["source"]["dockerfile"] = "FROM x"
    assert said(read_progress.detected(inline)) == ["-----> Dockerfile of the BuildConfig"]


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
    assert said(read_progress.queued(build(), [build(), *others])) == [line]


def test_builds_of_a_deleted_namesake_are_not_waited_for() -> None:
    other = build(6, phase="Running")
    other["spec"]["buildConfigUid"] = "uid-0"
    assert builds.ahead_of(build(), [other]) == []


def test_how_builds_end() -> None:
    image = "registry.example/demo/shop@sha256:1f0c"
    done = build(phase="Complete", outputDockerImageReference=image, duration=41)
    assert said(read_progress.finished(done, logged=True)) == ["       Pushed demo/shop@sha256:1f0c (41s)"]
    failed = build(phase="Failed", reason="DockerBuildFailed", message="exit status 2", logSnippet="a\nb")
    assert said(read_progress.finished(failed, logged=False)) == [
        "       a",
        "       b",
        " !     Build shop-7 failed: DockerBuildFailed: exit status 2",
        " !     The whole log: paas logs build/shop-7 -n demo",
    ]
    assert said(read_progress.finished(failed, logged=True))[0].startswith(" !     Build shop-7 failed")
    cancelled = said(read_progress.finished(build(phase="Cancelled"), logged=True))
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
    assert render_progress.log_line(line, KANIKO) == told
    assert said(LogLine(line, KANIKO)) == ([] if told is None else [told])


def test_fetch_lays_its_lines_out_itself_and_a_run_step_cannot() -> None:
    line = "-----> Source of commit bb8dce1"
    assert said(LogLine(line, FETCH)) == [line]
    assert said(LogLine("=====> https://fake.example", FETCH)) == ["       =====> https://fake.example"]
    assert said(LogLine("       remote: 10%\r=====> fake", FETCH)) == ["       =====> fake"]
    assert render_progress.log_line(line, KANIKO) == f"       {line}"


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
    found = pods.why_not_running(pod(**status))
    assert (render_progress.problem_text(found) if found is not None else None) == trouble


def test_pods_of_a_revision_are_counted_unless_they_leave() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    leaving = pod("c", 12, **ready)
    leaving["metadata"]["deletionTimestamp"] = "2026-03-04T12:00:00Z"
    observed = [pod("a", 12, **ready), pod("b", 12), leaving, pod("d", 11, **ready)]
    ready_pods, wanted = rollouts.ready_of(observed, 12), rollouts.replicas_of({"spec": {"replicas": 3}})
    assert render_progress.ready_text(ready_pods, wanted) == "1/3 ready"


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
    where = rollouts.rollout_state(
        config(**status), build(phase="Complete", outputDockerImageReference=IMAGE)
    )
    assert (where.stage, where.revision) == (stage, revision)


def test_a_build_that_nothing_rolls_out_by_itself() -> None:
    by_hand, paused = config(), config()
    by_hand["spec"]["triggers"][1]["imageChangeParams"]["automatic"] = False
    paused["spec"]["paused"] = True
    for one in (by_hand, paused):
        assert rollouts.rollout_state(one, build(phase="Complete")).stage is Stage.MANUAL


def test_a_base_image_rebuild_is_withheld_by_any_hold() -> None:
    rebuilt = build(phase="Complete")
    rebuilt["spec"]["trigger"]["type"] = "ImageChange"
    assert rollouts.rollout_state(config(hold={"revision": 10, "baseline": 1}), rebuilt).stage is Stage.HELD


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
    told = said(read_progress.still_running(build()))
    assert told[1] == "       Follow it with: paas logs -f build/shop-7 -n demo"


def test_a_failed_rollout_says_each_reason_what_serves_and_where_to_look() -> None:
    rollout = {
        "revision": 12, "phase": "Failed", "build": "shop-7", "reason": "ProgressDeadlineExceeded",
        "message": "revision 12 failed: no progress for 9 s; pod x: container web: OOMKilled; and so on",
        "problems": [
            {"reason": "ProgressDeadlineExceeded", "message": "no progress for 9 s"},
            {"reason": "OOMKilled", "message": "pod x: container web: OOMKilled, exit code 137"},
        ],
    }  # fmt: skip
    one = config(rollout=rollout, activeRevision=11)
    one["status"]["history"] = [{"revision": 12, "phase": "Failed", "log": "Traceback\nno module"}]
    event = read_progress.rollout_failed(one, rollouts.rollout_state(one, build(phase="Complete")))
    known = (event.failure.reason, event.failure.revision, event.serving)
    assert known == ("ProgressDeadlineExceeded", 12, 11)
    assert said(event) == [
        " !     Rollout of shop revision 12 failed: no progress for 9 s",
        " !     pod x: container web: OOMKilled, exit code 137",
        "       Traceback",
        "       no module",
        " !     Revision 11 keeps serving.",
        " !     See why: paas rollout status shop -n demo; paas logs shop --revision 12 -n demo",
    ]


def test_a_container_that_does_not_answer_is_said_while_the_rollout_goes_on() -> None:
    problems = [
        {"reason": "ContainersNotReady", "message": "its log says 127.0.0.1:5000; listen on 0.0.0.0:8080"},
        {"reason": "ImagePullBackOff", "message": "said by the pod itself"},
    ]
    one = config(rollout={"revision": 12, "phase": "Running", "build": "shop-7", "problems": problems})
    (message,) = rollouts.does_not_answer(one)
    assert said(progress.DoesNotAnswer("shop", message)) == [
        " !     its log says 127.0.0.1:5000; listen on 0.0.0.0:8080"
    ]
    assert rollouts.does_not_answer(config()) == []


def test_a_failure_without_a_pod_points_to_the_command_that_says_why_there_is_no_log() -> None:
    unbuildable = build(phase="Failed", reason="NoBuildpack", message="add a Dockerfile")
    assert said(read_progress.finished(unbuildable, logged=False)) == [
        " !     Build shop-7 failed: NoBuildpack: add a Dockerfile",
        " !     The whole log: paas logs build/shop-7 -n demo",
    ]


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (
            RolloutState(Stage.OVERTAKEN, 13, overtaken_by="shop-8"),
            ["=====> shop runs something newer: shop-8 came after it  (build shop-7)"],
        ),
        (
            RolloutState(Stage.HELD, 10),
            [
                "=====> Built, not deployed: revision 10 is held by a rollback  (build shop-7)",
                "       Let it go on with: paas unpin shop -n demo",
            ],
        ),
        (
            RolloutState(Stage.MANUAL, paused=True),
            [
                "=====> Built, not deployed: the DeploymentConfig is paused  (build shop-7)",
                "       Deploy it with: paas rollout latest shop -n demo",
            ],
        ),
        (
            RolloutState(Stage.MANUAL),
            [
                "=====> Built, not deployed: its image trigger is not automatic  (build shop-7)",
                "       Deploy it with: paas rollout latest shop -n demo",
            ],
        ),
    ],
)
def test_a_build_that_is_not_rolled_out_says_why(state: RolloutState, lines: list[str]) -> None:
    assert said(progress.NotRolledOut("shop", "demo", "shop-7", state)) == lines


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (progress.Running("shop-7"), ["-----> Build shop-7 running"]),
        (progress.BuildDeleted("shop-7"), [" !     Build shop-7 was deleted."]),
        (progress.RolloutProgress("shop", 12, 1, 3), ["-----> Deploying shop revision 12: 1/3 ready"]),
        (progress.Unchanged("shop"), ["       shop: the image is the same as before; nothing to roll out"]),
        (
            progress.Published("https://shop.example", "shop-7", 12),
            ["=====> https://shop.example  (build shop-7, revision 12)"],
        ),
        (
            progress.NoRoute("shop", "shop-7", 12),
            ["=====> shop runs; no Route leads to it  (build shop-7, revision 12)"],
        ),
        (
            progress.ScaledToZero("shop", "demo", "shop-7", 12),
            [
                "=====> shop is scaled to 0, so nothing answers  (build shop-7, revision 12)",
                "       Start it again: kubectl scale deploymentconfig/shop --replicas=1 -n demo",
            ],
        ),
        (
            progress.NotPublished("shop", "demo", "HostTaken", "demo2 has it"),
            [" !     Route shop: HostTaken: demo2 has it", " !     See: paas get route/shop -n demo -o wide"],
        ),
        (
            progress.NotPublished("shop", "demo"),
            [
                " !     Route shop: the ingress controller has not published it yet",
                " !     See: paas get route/shop -n demo -o wide",
            ],
        ),
        (progress.ConfigDeleted("shop"), [" !     DeploymentConfig shop was deleted."]),
        (progress.ContactLost(), [" !     The cluster does not say how it goes on."]),
        (progress.End(progress.Result.LIVE), []),
    ],
)
def test_what_events_say(event: ProgressEvent, lines: list[str]) -> None:
    assert said(event) == lines


def test_the_image_of_a_build_that_says_no_address_is_its_digest() -> None:
    output = {"to": {"imageDigest": "sha256:1f0c"}}
    for address in ({}, {"outputDockerImageReference": "no-registry"}):
        ended = read_progress.finished(build(phase="Complete", output=output, **address), logged=True)
        assert ended == progress.BuildComplete("shop-7", "sha256:1f0c")


def test_the_buildpack_is_the_one_that_was_used() -> None:
    found = build(buildpack="python")
    assert read_progress.detected(found) == progress.Detected(progress.Recipe.BUILDPACK, "python")
    found["spec"]["buildpack"] = "asked-for"
    assert read_progress.detected(found) == progress.Detected(progress.Recipe.BUILDPACK, "python")


def test_a_build_that_runs_waits_for_none() -> None:
    assert read_progress.queued(build(phase="Running"), [build(6, phase="Running")]) == progress.Running(
        "shop-7"
    )


def test_a_build_that_waits_for_a_person_says_so() -> None:
    assert (
        read_progress.blocked(
            build(phase="New", reason="BuildQueued", message="waits until shop-6 has ended")
        )
        is None
    )
    waits = build(
        phase="Pending", reason="CannotCreateBuildPod", message="exceeded quota: small", blockedSince="2027"
    )
    assert said(read_progress.blocked(waits)) == [
        " !     Build shop-7 waits: CannotCreateBuildPod: exceeded quota: small"
    ]


@pytest.mark.parametrize(
    ("type_", "status", "reason", "expected"),
    [
        ("Stalled", "True", "Refused", True),
        ("Ready", "False", "ReconcileFailed", True),
        ("Stalled", "True", "RolloutFailed", False),  # of the rollout before
        ("Stalled", "True", "ForeignAutoscaler", False),
        ("Ready", "True", "Reconciled", False),
    ],
)
def test_a_rollout_that_waits_for_a_person_says_so(
    type_: str, status: str, reason: str, expected: bool
) -> None:
    condition = {"type": type_, "status": status, "reason": reason, "message": "exceeded quota: small"}
    config = {"metadata": {"name": "shop"}, "status": {"conditions": [condition]}}
    lines = said(read_progress.rollout_blocked(config))
    assert lines == (
        [f" !     The rollout of shop waits: {reason}: exceeded quota: small"] if expected else []
    )
