"""A Build followed against a real API server: the test moves Build, DeploymentConfig, pods and Route along as
the controllers and the kubelet would, and what a pusher reads must follow, also when the connection to the
API server is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from paas.api.resources import BUILD, CONFIGMAP, POD, Key, Manifest, key_of, resource_of
from paas.apps.follow import follow
from paas.apps.progress import End, ProgressEvent, Result
from paas.apps.render_progress import lines
from paas.kube.cluster import Cluster
from paas.kube.observe import observe
from paas.server.push_progress import push_progress
from paas.templates.render import AppSpec, objects, render
from tests.support import command_line

pytestmark = pytest.mark.integration
DIGEST = "sha256:" + "1f" * 32
IMAGE = f"registry.example/demo/shop@{DIGEST}"


class Platform:
    """An application in a project of its own, and hands to move it along."""

    def __init__(self, cluster: Cluster, project: str) -> None:
        self.cluster, self.project = cluster, project

    async def create(self, manifest: Manifest) -> Manifest:
        return await self.cluster.create(manifest, manager="test")

    async def status(self, manifest: Manifest, **status: Any) -> Manifest:
        resource, key = resource_of(manifest), key_of(manifest)
        patch = {"status": status}
        return await self.cluster.patch(resource, key, patch, manager="test", subresource="status")

    async def app(self) -> dict[str, Manifest]:
        made = [await self.create(m) for m in objects(render(AppSpec("shop", self.project, 8080, "test")))]
        return {manifest["kind"]: manifest for manifest in made}

    async def build(self, config: Manifest, number: int, trigger: str = "Push") -> Manifest:
        uid, name = config["metadata"]["uid"], f"shop-{number}"
        return await self.create(
            {
                "apiVersion": BUILD.api_version,
                "kind": "Build",
                "metadata": {
                    "name": name, "namespace": self.project,
                    "labels": {"paas.dev/buildconfig": "shop", "paas.dev/build-number": str(number)},
                },
                "spec": {
                    "number": number, "buildConfig": "shop", "buildConfigUid": uid,
                    "trigger": {"id": f"t-{number}", "type": trigger},
                    "source": {"type": "Hosted"},
                    "revision": {"git": {"commit": "3f2c9ab" + "0" * 33, "ref": "main"}},
                    "output": {"to": {"name": "shop:latest"}},
                },
            }
        )  # fmt: skip

    async def pod(self, name: str, revision: int) -> Manifest:
        return await self.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name, "namespace": self.project,
                    "labels": {"paas.dev/deploymentconfig": "shop", "paas.dev/revision": str(revision)},
                },
                "spec": {"containers": [{"name": "shop", "image": IMAGE}]},
            }
        )  # fmt: skip

    async def ready(self, pod: Manifest) -> None:
        await self.status(pod, conditions=[{"type": "Ready", "status": "True"}])


@pytest.fixture
async def platform(cluster_kubeconfig: Path) -> AsyncIterator[Platform]:
    await asyncio.to_thread(command_line.install, cluster_kubeconfig)
    async with await Cluster.connect(cluster_kubeconfig) as cluster:
        project = f"follow-{uuid.uuid4().hex[:8]}"
        await cluster.create(command_line.namespace(project, **{"paas.dev/project": "true"}), manager="test")
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": project},
        }
        with contextlib.suppress(Exception):  # a controller of the API server makes it too
            await cluster.create(account, manager="test")
        yield Platform(cluster, project)


class Listener:
    """Collects the lines of what is followed; `heard` waits until one that matches was said."""

    def __init__(self, source: AsyncIterator[ProgressEvent]) -> None:
        self.lines: list[str] = []
        self.end: End | None = None
        self._news = asyncio.Condition()
        self.task = asyncio.create_task(self._listen(source))

    async def _listen(self, source: AsyncIterator[ProgressEvent]) -> None:
        async for item in source:
            async with self._news:
                if isinstance(item, End):
                    self.end = item
                else:
                    self.lines += lines(item)
                self._news.notify_all()

    async def heard(self, pattern: str) -> str:
        def found() -> str | None:
            return next((line for line in self.lines if re.search(pattern, line)), None)

        async with asyncio.timeout(20), self._news:
            try:
                await self._news.wait_for(lambda: found() or self.task.done())
            except TimeoutError:
                raise AssertionError(f"never heard {pattern!r} in {self.lines}") from None
        line = found()
        assert line is not None, f"it ended without {pattern!r}: {self.lines}"
        return line

    async def ended(self) -> Result:
        async with asyncio.timeout(40):
            await self.task
        assert self.end is not None, self.lines
        return self.end.result


ADMITTED = {
    "status": "True", "reason": "Admitted", "message": "", "lastTransitionTime": "2026-03-04T12:00:00Z",
}  # fmt: skip


async def test_from_queue_to_address(platform: Platform) -> None:
    app = await platform.app()
    before = await platform.build(app["BuildConfig"], 6)
    build = await platform.build(app["BuildConfig"], 7)
    told = Listener(follow(platform.cluster, build))
    await told.heard(r"^-----> Build shop-7 queued \(behind shop-6\)$")
    await platform.status(before, phase="Complete")
    await platform.status(build, phase="Running")
    await platform.status(
        build,
        phase="Complete",
        duration=41,
        output={"to": {"imageDigest": DIGEST}},
        outputDockerImageReference=IMAGE,
    )
    await told.heard(rf"^       Pushed demo/shop@{DIGEST} \(41s\)$")
    rollout = {"revision": 12, "phase": "Running", "startedAt": "2026-03-04T12:00:00Z", "build": "shop-7"}
    await platform.status(app["DeploymentConfig"], rollout=rollout)
    await told.heard(r"^-----> Deploying shop revision 12: 0/1 ready$")
    await platform.ready(await platform.pod("shop-12-a", 12))
    await told.heard(r"^-----> Deploying shop revision 12: 1/1 ready$")
    await platform.status(
        app["DeploymentConfig"], rollout={**rollout, "phase": "Complete"}, activeRevision=12
    )
    conditions = [{"type": kind, **ADMITTED} for kind in ("Ready", "Admitted")]
    await platform.status(
        app["Route"], url="https://shop.example", host="shop.example", conditions=conditions
    )
    await told.heard(r"^=====> https://shop.example  \(build shop-7, revision 12\)$")
    assert await told.ended() is Result.LIVE


async def test_a_failed_build_ends_it(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 1)
    told = Listener(follow(platform.cluster, build))
    await told.heard("queued")
    await platform.status(
        build,
        phase="Failed",
        reason="DockerBuildFailed",
        message="RUN make failed",
        logSnippet="make: *** Error 2",
    )
    assert await told.ended() is Result.BUILD_FAILED
    assert told.lines[1:] == [
        "       make: *** Error 2",
        " !     Build shop-1 failed: DockerBuildFailed: RUN make failed",
        f" !     The whole log: paas logs build/shop-1 -n {platform.project}",
    ]


async def test_a_rollout_that_fails_says_why_and_what_serves(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 2)
    await platform.status(build, phase="Complete", outputDockerImageReference=IMAGE)
    told = Listener(follow(platform.cluster, build))
    rollout = {"revision": 2, "phase": "Running", "startedAt": "2026-03-04T12:00:00Z", "build": "shop-2"}
    await platform.status(app["DeploymentConfig"], rollout=rollout, activeRevision=1)
    pod = await platform.pod("shop-2-a", 2)
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}
    status = {
        "name": "shop", "ready": False, "restartCount": 1, "image": IMAGE, "imageID": "",
        "state": {"waiting": waiting}, "lastState": {"terminated": {"exitCode": 3}},
    }  # fmt: skip
    await platform.status(pod, phase="Running", containerStatuses=[status])
    await told.heard(r"^ !     Pod shop-2-a: CrashLoopBackOff: exit code 3$")
    failed = {
        **rollout,
        "phase": "Failed",
        "reason": "ProgressDeadlineExceeded",
        "message": "not ready in 120 s",
    }
    await platform.status(app["DeploymentConfig"], rollout=failed)
    assert await told.ended() is Result.ROLLOUT_FAILED
    assert told.lines[-3:] == [
        " !     Rollout of shop revision 2 failed: not ready in 120 s",
        " !     Revision 1 keeps serving.",
        f" !     See why: paas rollout status shop -n {platform.project}; "
        f"paas logs shop --revision 2 -n {platform.project}",
    ]


async def test_a_held_rollback_is_said(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 3, trigger="Manual")
    await platform.status(build, phase="Complete", outputDockerImageReference=IMAGE)
    hold = {"revision": 1, "baseline": 2, "since": "2026-03-04T12:00:00Z", "template": "x"}
    await platform.status(app["DeploymentConfig"], hold=hold)
    told = Listener(follow(platform.cluster, build))
    assert await told.ended() is Result.BUILT
    assert f"Let it go on with: paas unpin shop -n {platform.project}" in told.lines[-1]


async def test_a_build_that_nothing_deploys(platform: Platform) -> None:
    app = await platform.app()
    await platform.cluster.delete(resource_of(app["DeploymentConfig"]), Key(platform.project, "shop"))
    build = await platform.build(app["BuildConfig"], 1)
    await platform.status(build, phase="Complete", output={"to": {"imageDigest": DIGEST}})
    told = Listener(follow(platform.cluster, build))
    assert await told.ended() is Result.BUILT
    assert "no DeploymentConfig deploys it" in told.lines[-1]


async def test_cancelled_and_deleted_builds_end_it(platform: Platform) -> None:
    app = await platform.app()
    cancelled, deleted = (
        await platform.build(app["BuildConfig"], 1),
        await platform.build(app["BuildConfig"], 2),
    )
    first, second = Listener(follow(platform.cluster, cancelled)), Listener(follow(platform.cluster, deleted))
    await first.heard("queued")
    await second.heard("queued")
    await platform.status(cancelled, phase="Cancelled")
    await platform.cluster.delete(BUILD, Key(platform.project, "shop-2"))
    assert await first.ended() is Result.CANCELLED
    assert await second.ended() is Result.GONE
    assert second.lines[-1] == " !     Build shop-2 was deleted."


async def test_nobody_waits_for_ever(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 1)
    told = Listener(follow(platform.cluster, build, wait=0.5))
    assert await told.ended() is Result.TIME_UP
    assert told.lines[-2] == f"       Follow it with: paas logs -f build/shop-1 -n {platform.project}"


async def test_the_server_sends_plain_lines(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 1)
    await platform.status(build, phase="Failed", reason="NoBuildpack", message="add a Dockerfile")
    sent = [line async for line in push_progress(platform.cluster, build)]
    assert sent[0] == " !     Build shop-1 failed: NoBuildpack: add a Dockerfile"


async def test_leaving_leaves_nothing_behind(platform: Platform) -> None:
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 1)
    before = asyncio.all_tasks()
    following = follow(platform.cluster, build)
    assert lines(await anext(following)) == ["-----> Build shop-1 queued"]
    assert asyncio.all_tasks() > before
    await following.aclose()
    assert asyncio.all_tasks() == before
    plain = push_progress(platform.cluster, build)
    await anext(plain)
    await plain.aclose()
    assert asyncio.all_tasks() == before


class Wire:
    """A way to the API server that can be cut, and that works again afterwards."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self.connections = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)  # before the other half is there: a cut must reach this one, too
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._open.add(back)
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer), return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def stop(self) -> None:
        self.cut()
        self._server.close()


async def test_following_goes_on_when_the_connection_is_cut(
    platform: Platform, cluster_kubeconfig: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster_kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    wire = Wire(int(server.rpartition(":")[2]))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{await wire.start()}"
    mine = tmp_path / "kubeconfig"
    mine.write_text(yaml.safe_dump(config))
    app = await platform.app()
    build = await platform.build(app["BuildConfig"], 1)
    async with await Cluster.connect(mine) as cluster:
        told = Listener(follow(cluster, build))
        await told.heard("queued")
        for phase in ("Pending", "Running"):
            seen = wire.connections
            wire.cut()
            await platform.status(build, phase=phase)
            await until(lambda seen=seen: wire.connections > seen)
        await platform.status(build, phase="Cancelled")
        assert await told.ended() is Result.CANCELLED
    await wire.stop()
    assert sum("queued" in line for line in told.lines) == 1, "nothing is told twice"


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_watching_one_object_sees_it_come_change_and_go(platform: Platform) -> None:
    seen: list[str | None] = []
    watching = observe(platform.cluster, CONFIGMAP, platform.project, name="one")

    async def watch() -> None:
        async for found in watching:
            seen.append(found["one"]["data"]["x"] if "one" in found else None)
            if seen[-3:] == ["1", "2", None]:
                return

    task = asyncio.create_task(watch())
    await until(lambda: seen == [None])
    for name in ("other", "one"):
        await platform.create(
            {
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": platform.project}, "data": {"x": "1"},
            }
        )  # fmt: skip
    key = Key(platform.project, "one")
    await until(lambda: seen[-1] == "1")
    await platform.cluster.patch(CONFIGMAP, key, {"data": {"x": "2"}}, manager="test")
    await until(lambda: seen[-1] == "2")
    await platform.cluster.delete(CONFIGMAP, key)
    async with asyncio.timeout(20):
        await task
    assert seen == [None, "1", "2", None]
    assert await platform.cluster.get(POD, key) is None
