"""`paas status`: one look says how an application is and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paas.apps.app_snapshot import AppSnapshot
from paas.apps.summarize import summarize
from paas.apps.summary import AppSummary, Backend
from paas.apps.summary_text import text

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def describe(snapshot: AppSnapshot, app: str, *, now: datetime) -> list[str]:
    return text(summarize(snapshot, app), now=now)


def obj(
    kind: str, name: str = "shop", *, app: str = "shop", labels: dict[str, str] | None = None, **rest: Any
) -> Any:
    metadata = {"name": name, "namespace": "demo", "creationTimestamp": "2026-03-04T11:00:00Z"}
    return {
        "kind": kind,
        "metadata": {**metadata, "labels": {"app.kubernetes.io/part-of": app, **(labels or {})}},
        "spec": {},
        **rest,
    }


CONFIG = obj(
    "BuildConfig",
    spec={"source": {"git": {}}},
    status={"repository": "https://paas.example/git/demo/shop.git"},
)
ROUTE = obj(
    "Route",
    spec={"to": {"name": "shop"}},
    status={"url": "https://shop.example", "conditions": [{"type": "Ready", "status": "True"}]},
)


def build(number: int, phase: str, **status: Any) -> Any:
    git = {"commit": "3f2c9ab" + "0" * 33, "ref": "main", "message": "Fix login", "author": {"name": "alice"}}
    return obj(
        "Build",
        f"shop-{number}",
        spec={"number": number, "buildConfigUid": "u", "buildConfig": "shop", "revision": {"git": git}},
        status={"phase": phase, **status},
    )


def deployment(**status: Any) -> Any:
    return obj("DeploymentConfig", spec={"replicas": 3}, status=status)


def pod(revision: int, *, ready: bool = True, **status: Any) -> Any:
    labels = {"paas.dev/deploymentconfig": "shop", "paas.dev/revision": str(revision)}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return obj("Pod", f"shop-{revision}-x", labels=labels, status={"conditions": conditions, **status})


def test_a_new_application_wants_a_push() -> None:
    config = {**CONFIG, "spec": {"source": {"git": {"ref": "main"}}}}
    lines = describe(AppSnapshot("demo", build_configs=[config], services=[obj("Service")]), "shop", now=NOW)
    assert lines == [
        "shop",
        "  source   pushed here, https://paas.example/git/demo/shop.git, branch main",
        "  build    none yet",
        "  next     git push paas main   (paas git-remote shop sets the remote)",
        "           paas expose shop -n demo   (an address outside)",
    ]


def test_a_healthy_application() -> None:
    history = [
        {
            "tag": "latest",
            "items": [{"image": "sha256:" + "1f" * 32, "build": "shop-7", "created": "2026-03-04T11:58:00Z"}],
        }
    ]
    rollout = {"revision": 12, "phase": "Complete", "build": "shop-7", "finishedAt": "2026-03-04T11:59:00Z"}
    snapshot = AppSnapshot(
        "demo",
        build_configs=[CONFIG],
        builds=[
            build(7, "Complete", completionTimestamp="2026-03-04T11:58:00Z", duration=41),
            build(6, "Complete"),
        ],
        streams=[obj("ImageStream", status={"tags": history})],
        deployment_configs=[deployment(rollout=rollout, activeRevision=12)],
        services=[obj("Service")],
        routes=[ROUTE],
        pods=[pod(12), pod(12), pod(12)],
    )
    assert describe(snapshot, "shop", now=NOW) == [
        "shop  https://shop.example",
        "  source   pushed here, https://paas.example/git/demo/shop.git, branch main",
        '  build    shop-7 Complete 2m ago, took 41s, main 3f2c9ab "Fix login" (alice)',
        "  image    shop:latest is sha256:1f1f1f1f1f1f of build shop-7, 2m ago",
        "  rollout  revision 12 of build shop-7 Complete 60s ago, 3/3 ready",
        "  route    https://shop.example to service shop, ready",
        "  next     paas open shop -n demo",
    ]


def test_builds_under_way_come_with_what_they_wait_for() -> None:
    snapshot = AppSnapshot(
        "demo", builds=[build(7, "New"), build(6, "Running", startTimestamp="2026-03-04T11:59:30Z")]
    )
    lines = describe(snapshot, "shop", now=NOW)
    assert lines[1].startswith("  build    shop-7 New, waits for shop-6, main 3f2c9ab")
    assert lines[2].startswith("           shop-6 Running for 30s")
    assert lines[-1] == "  next     paas logs -f build/shop-7 -n demo"


def test_a_failed_build_shows_its_message_and_where_the_log_is() -> None:
    failed = build(7, "Failed", reason="DockerBuildFailed", message="RUN make: exit status 2\nmore")
    lines = describe(AppSnapshot("demo", builds=[failed]), "shop", now=NOW)
    assert lines[1].startswith("  build    shop-7 Failed (DockerBuildFailed)")
    assert lines[2] == "           RUN make: exit status 2"
    assert lines[-1] == "  next     paas logs build/shop-7 -n demo"


def test_a_failed_rollout_shows_what_serves_and_why() -> None:
    rollout = {"revision": 12, "phase": "Failed", "message": "not ready in 120 s"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    crashed = {"name": "shop", "state": waiting, "lastState": {"terminated": {"exitCode": 3}}}
    snapshot = AppSnapshot(
        "demo",
        deployment_configs=[deployment(rollout=rollout, activeRevision=11)],
        pods=[pod(11), pod(11), pod(12, ready=False, containerStatuses=[crashed])],
    )
    lines = describe(snapshot, "shop", now=NOW)
    assert lines[1] == "  rollout  revision 12 Failed, 2/3 ready"
    assert lines[2:5] == [
        "           not ready in 120 s",
        "           Revision 11 keeps serving.",
        "           pod shop-12-x: CrashLoopBackOff: exit code 3",
    ]
    assert lines[5] == "  next     paas logs shop -n demo"


def test_a_held_rollback_is_shown() -> None:
    state = deployment(
        rollout={"revision": 11, "phase": "Complete"}, activeRevision=11, hold={"revision": 11, "withheld": 2}
    )
    lines = describe(AppSnapshot("demo", deployment_configs=[state]), "shop", now=NOW)
    assert "held at revision 11 by a rollback; 2 newer images withheld" in lines[2]
    assert lines[-2:] == [
        "  next     git push paas HEAD   (a fix is rolled out and ends the hold)",
        "           paas unpin shop -n demo   (rolls out what is withheld, also if it is what failed)",
    ]


def test_what_is_stalled_says_why() -> None:
    stalled = {
        "conditions": [{"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "rename it"}]
    }
    lines = describe(AppSnapshot("demo", deployment_configs=[deployment(**stalled)]), "shop", now=NOW)
    assert "           stalled: NameTaken: rename it" in lines


def test_a_route_that_is_not_ready_says_why() -> None:
    claimed = {
        "conditions": [{"type": "Ready", "status": "False", "message": "the host belongs to demo2/shop"}]
    }
    route = obj("Route", spec={"to": {"name": "shop"}}, status=claimed)
    lines = describe(AppSnapshot("demo", routes=[route]), "shop", now=NOW)
    assert lines[1] == "  route    shop to service shop, not ready: the host belongs to demo2/shop"
    assert lines[2] == "  next     paas get route/shop -n demo -o yaml"


def test_applications_are_kept_apart() -> None:
    other = deployment()
    other = {
        **other,
        "metadata": {**other["metadata"], "name": "b", "labels": {"app.kubernetes.io/part-of": "b"}},
    }
    snapshot = AppSnapshot("demo", build_configs=[CONFIG], deployment_configs=[other], pods=[pod(1)])
    assert snapshot.apps() == ["b", "shop"]
    assert snapshot.of("b").build_configs == []
    assert snapshot.of("b").pods == []


def selecting(replicas: int, **status: Any) -> dict[str, Any]:
    """A DeploymentConfig, its Service and its Route, which is published."""
    config = deployment(**status)
    template = {"metadata": {"labels": {"app": "shop"}}}
    config = {**config, "spec": {"replicas": replicas, "template": template}}
    service = obj("Service", spec={"selector": {"app": "shop"}})
    return {"deployment_configs": [config], "services": [service], "routes": [ROUTE]}


COMPLETE = {"rollout": {"revision": 12, "phase": "Complete"}, "activeRevision": 12}


def test_an_application_that_is_scaled_to_0_does_not_look_ready() -> None:
    lines = describe(AppSnapshot("demo", **selecting(0, **COMPLETE)), "shop", now=NOW)
    assert lines[1:] == [
        "  rollout  revision 12 Complete, scaled to 0",
        "  route    https://shop.example to service shop, published, but nothing answers: scaled to 0",
        "  next     kubectl scale deploymentconfig/shop --replicas=1 -n demo   (starts it again)",
    ]


def test_an_application_that_never_served_does_not_look_ready() -> None:
    parts = selecting(1, rollout={"revision": 1, "phase": "Running"})
    lines = describe(AppSnapshot("demo", **parts, pods=[pod(1, ready=False)]), "shop", now=NOW)
    assert lines[2] == (
        "  route    https://shop.example to service shop, published, but nothing answers: no pod is ready"
    )
    assert lines[3:] == ["  next     paas rollout status shop -n demo"]


def test_an_address_that_answers_is_opened_next() -> None:
    snapshot = AppSnapshot("demo", **selecting(1, **COMPLETE), pods=[pod(12)])
    assert describe(snapshot, "shop", now=NOW)[2:] == [
        "  route    https://shop.example to service shop, ready",
        "  next     paas open shop -n demo",
    ]


def test_a_reason_is_never_cut_inside_a_word_or_said_twice() -> None:
    message = "revision 1 waits for the image of shop:latest " * 8
    conditions = [
        {"type": kind, "status": status, "reason": "ImageMissing", "message": message}
        for kind, status in (("Ready", "False"), ("Stalled", "True"))
    ]
    lines = describe(
        AppSnapshot("demo", deployment_configs=[deployment(conditions=conditions)]), "shop", now=NOW
    )
    assert lines[1] == "  rollout  none yet"
    assert " ".join(line.strip() for line in lines[2:]) == f"stalled: ImageMissing: {message}".strip()
    assert all(len(line) <= 111 for line in lines)


def test_a_failed_rollout_says_each_of_its_reasons_once() -> None:
    problems = [
        {"reason": "ProgressDeadlineExceeded", "message": "no progress for 9 s"},
        {"reason": "CrashLoopBackOff", "message": "pod shop-1-x: container shop: CrashLoopBackOff"},
    ]
    rollout = {"revision": 1, "phase": "Failed", "message": "all of it; in one", "problems": problems}
    stalled = [{"type": "Stalled", "status": "True", "reason": "RolloutFailed", "message": "all of it"}]
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    crashed = {"name": "shop", "state": waiting, "lastState": {"terminated": {"exitCode": 3}}}
    snapshot = AppSnapshot(
        "demo",
        deployment_configs=[deployment(rollout=rollout, conditions=stalled)],
        pods=[pod(1, ready=False, containerStatuses=[crashed])],
    )
    assert describe(snapshot, "shop", now=NOW)[1:] == [
        "  rollout  revision 1 Failed, 0/3 ready",
        "           no progress for 9 s",
        "           pod shop-1-x: container shop: CrashLoopBackOff",
        "           Nothing serves yet.",
        "  next     paas rollout history shop -n demo",
        "           paas logs shop --revision 1 -n demo",
        "           paas rollout latest shop -n demo   (tries it again)",
    ]


def test_what_the_platform_cannot_look_after_is_said() -> None:
    failed = [{"type": "Ready", "status": "False", "reason": "ReconcileFailed", "message": "see the log"}]
    config = deployment(rollout={"revision": 1, "phase": "Complete"}, conditions=failed)
    source = {**CONFIG, "status": {"conditions": failed}}
    snapshot = AppSnapshot("demo", build_configs=[source], deployment_configs=[config])
    lines = describe(snapshot, "shop", now=NOW)
    assert lines.count("           stalled: ReconcileFailed: see the log") == 2


def test_what_is_stalled_although_its_rollout_failed_is_said() -> None:
    stalled = [{"type": "Stalled", "status": "True", "reason": "NameTaken", "message": "rename it"}]
    config = deployment(rollout={"revision": 1, "phase": "Failed", "message": "slow"}, conditions=stalled)
    lines = describe(AppSnapshot("demo", deployment_configs=[config]), "shop", now=NOW)
    assert "           stalled: NameTaken: rename it" in lines


def test_the_summary_is_data() -> None:
    tags = [{"tag": "latest", "items": [{"image": "sha256:1f", "build": "shop-7", "created": "t1"}]}]
    failed = build(7, "Failed", reason="DockerBuildFailed", message="RUN make", completionTimestamp="t2")
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    crashed = {"name": "shop", "state": waiting, "lastState": {"terminated": {"exitCode": 3}}}
    state = {
        "rollout": {"revision": 12, "phase": "Running", "build": "shop-6", "startedAt": "t0"},
        "activeRevision": 11,
        "hold": {"revision": 11, "withheld": 2, "baseline": 6, "since": "t", "template": "x"},
    }
    snapshot = AppSnapshot(
        "demo",
        build_configs=[CONFIG],
        builds=[failed],
        streams=[obj("ImageStream", status={"tags": tags})],
        **selecting(3, **state),
        pods=[pod(12), pod(12, ready=False, containerStatuses=[crashed])],
    )
    assert summarize(snapshot, "shop").dump() == {
        "project": "demo",
        "name": "shop",
        "urls": ["https://shop.example"],
        "sources": [
            {
                "buildConfig": "shop",
                "repository": "https://paas.example/git/demo/shop.git",
                "branch": "main",
            }
        ],
        "builds": [
            {
                "name": "shop-7",
                "phase": "Failed",
                "problem": {"reason": "DockerBuildFailed", "message": "RUN make"},
                "waitsFor": [],
                "ref": "main",
                "commit": "3f2c9ab" + "0" * 33,
                "commitMessage": "Fix login",
                "author": "alice",
                "startedAt": "2026-03-04T11:00:00Z",
                "completedAt": "t2",
            }
        ],
        "imageStreams": [
            {
                "name": "shop",
                "tags": [{"tag": "latest", "image": "sha256:1f", "build": "shop-7", "createdAt": "t1"}],
            }
        ],
        "rollouts": [
            {
                "deploymentConfig": "shop",
                "revision": 12,
                "phase": "Running",
                "build": "shop-6",
                "startedAt": "t0",
                "serving": 11,
                "replicas": 3,
                "ready": 1,
                "problems": [],
                "pods": [
                    {
                        "pod": "shop-12-x",
                        "reason": "CrashLoopBackOff",
                        "message": "back-off",
                        "exitCode": 3,
                        "outOfMemory": False,
                    }
                ],
                "hold": {"revision": 11, "withheld": 2},
                "paused": False,
            }
        ],
        "routes": [
            {
                "name": "shop",
                "url": "https://shop.example",
                "service": "shop",
                "ready": True,
                "message": "",
                "backend": "Ready",
            }
        ],
        "next": [
            {"command": "paas logs shop -n demo", "note": ""},
            {"command": "paas logs build/shop-7 -n demo", "note": ""},
            {"command": "paas rollout status shop -n demo", "note": ""},
        ],
    }


def test_the_data_alone_makes_the_text() -> None:
    snapshot = AppSnapshot("demo", builds=[build(7, "New")], **selecting(0, **COMPLETE))
    summary = summarize(snapshot, "shop")
    assert text(AppSummary.model_validate(summary.dump()), now=NOW) == text(summary, now=NOW)


def test_the_source_is_of_its_own_build_config() -> None:
    elsewhere = {**CONFIG, "spec": {"source": {"git": {"uri": "https://git.example/shop.git"}}}}
    assert summarize(AppSnapshot("demo", build_configs=[elsewhere]), "shop").sources[0].repository is None
    other = build(9, "Complete")
    other["spec"].update(buildConfig="worker", revision={"git": {"ref": "trunk"}})
    snapshot = AppSnapshot("demo", build_configs=[CONFIG], builds=[other, build(1, "Complete")])
    assert summarize(snapshot, "shop").sources[0].branch == "main"


def test_only_a_new_build_waits() -> None:
    snapshot = AppSnapshot("demo", builds=[build(1, "Running"), build(2, "Running"), build(3, "New")])
    waiting = {each.name: each.waits_for for each in summarize(snapshot, "shop").builds}
    assert [bool(waiting[name]) for name in ("shop-3", "shop-2", "shop-1")] == [True, False, False]


def test_a_condition_that_is_not_true_stalls_nothing() -> None:
    stalled = {"type": "Stalled", "status": "False", "reason": "Invalid", "message": "no"}
    config = {**CONFIG, "status": {"conditions": [stalled]}}
    assert summarize(AppSnapshot("demo", build_configs=[config]), "shop").sources[0].stalled is None


def test_problems_of_a_rollout_that_goes_on_are_told() -> None:
    problems = [{"reason": "ContainersNotReady", "message": "its log says 127.0.0.1:5000"}]
    config = deployment(rollout={"revision": 2, "phase": "Running", "problems": problems})
    (found,) = summarize(AppSnapshot("demo", deployment_configs=[config]), "shop").rollouts[0].problems
    assert found.message == "its log says 127.0.0.1:5000"


def test_pods_with_one_reason_are_said_once_and_few_of_many() -> None:
    def waiting(number: int, message: str) -> Any:
        state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
        found = pod(2, ready=False, phase="Pending", containerStatuses=[{"name": "shop", "state": state}])
        found["metadata"]["name"] = f"shop-2-{number}"
        return found

    config = deployment(rollout={"revision": 2, "phase": "Running"})

    def shown(*messages: str) -> int:
        pods = [waiting(number, message) for number, message in enumerate(messages)]
        snapshot = AppSnapshot("demo", deployment_configs=[config], pods=pods)
        return len(summarize(snapshot, "shop").rollouts[0].pods)

    assert shown("same", "same") == 1
    assert shown("a", "b", "c", "d") == 3


def backend_of(snapshot: AppSnapshot) -> Backend:
    (route,) = summarize(snapshot, "shop").routes
    return route.backend


def test_a_route_is_scaled_to_0_only_when_all_that_it_reaches_is() -> None:
    parts = selecting(0, **COMPLETE)
    (one,) = parts["deployment_configs"]
    other = {**one, "metadata": {**one["metadata"], "name": "canary"}, "spec": {**one["spec"], "replicas": 1}}
    parts["deployment_configs"] = [one, other]
    assert backend_of(AppSnapshot("demo", **parts)) == Backend.NOT_READY
    other["spec"]["replicas"] = 0
    assert backend_of(AppSnapshot("demo", **parts)) == Backend.SCALED_TO_ZERO


def test_pods_that_a_route_does_not_reach_do_not_answer_for_it() -> None:
    worker = pod(12)
    worker["metadata"]["labels"]["paas.dev/deploymentconfig"] = "worker"
    parts = selecting(1, **COMPLETE)
    other = deployment(**COMPLETE)
    parts["deployment_configs"].append({**other, "metadata": {**other["metadata"], "name": "worker"}})
    assert backend_of(AppSnapshot("demo", **parts, pods=[worker])) == Backend.NOT_READY
    assert backend_of(AppSnapshot("demo", routes=[ROUTE], pods=[worker])) == Backend.UNKNOWN


def test_a_branch_is_quoted_in_the_command_that_pushes_it() -> None:
    config = {**CONFIG, "spec": {"source": {"git": {"ref": "main;id>$(x)"}}}}
    lines = describe(AppSnapshot("demo", build_configs=[config]), "shop", now=NOW)
    assert "  next     git push paas 'main;id>$(x)'   (paas git-remote shop sets the remote)" in lines
