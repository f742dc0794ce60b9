"""`paas status`: one look says how an application is and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paas.apps.summary import AppSnapshot, describe

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


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
    status={"repository": "https://paas.example/git/demo/shop.git", "branch": "main"},
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
    lines = describe(AppSnapshot("demo", build_configs=[CONFIG], services=[obj("Service")]), "shop", now=NOW)
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
    assert "paas unpin shop -n demo" in lines[-1]


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
