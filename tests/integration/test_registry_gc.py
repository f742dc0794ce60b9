"""Unused images are collected from a real registry: what is needed stays whole, and the disk comes back."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paas.api import names
from paas.api.resources import (
    BUILD,
    CONTROLLERREVISION,
    LEASE,
    NAMESPACE,
    POD,
    SERVICEACCOUNT,
    Key,
    Manifest,
)
from paas.front.cluster import collecting
from paas.install.apply import shipped_manifests
from paas.kube.cluster import Cluster
from paas.kube.lease import Lease, LeaseLost
from paas.node.apiserver import ApiServer
from paas.node.registry_gc import registry_gc
from paas.registry import program
from paas.registry.collect import collect, show
from paas.registry.collection import LEASE_KEY, LOCK, CannotCollect
from paas.registry.gc_job import GC_KEY, job_of
from paas.registry.program import Registry
from paas.registry.storage import Storage
from tests.support import registry as registries
from tests.support.command_line import Person
from tests.support.images import make_build, stream
from tests.support.people import kubeconfig_of
from tests.support.rooms import eventually, make_project, prepare, repositories, set_status

pytestmark = pytest.mark.integration
MIB = 2**20
REPOSITORIES = Path("docker/registry/v2/repositories")
BLOBS = Path("docker/registry/v2/blobs/sha256")
ACCOUNTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@pytest.fixture(scope="module")
def kept_kinds(cluster_kubeconfig: Path) -> None:
    asyncio.run(prepare(cluster_kubeconfig))


@pytest.fixture
async def real(
    kept_kinds: None, api: Cluster, tmp_path: Path
) -> AsyncIterator[tuple[registries.Registry, Registry]]:
    """A registry that serves, and the same as the collector sees it; nobody has the Lease."""
    if await api.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
        metadata = {"name": names.SYSTEM_NAMESPACE}
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="test")
    with registries.running(tmp_path) as serving:
        yield serving, Registry(serving.program, Storage(serving.storage))
    await api.delete(LEASE, LEASE_KEY)


def layer() -> bytes:
    return os.urandom(MIB)


def pod(project: str, name: str, image: str, labels: dict[str, str] | None = None) -> Manifest:
    """One that also a namespace of the level `restricted` takes, as the platform's own is."""
    container = {
        "name": "web",
        "image": image,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": project, "name": name, "labels": labels or {}},
        "spec": {"securityContext": security, "containers": [container]},
    }


async def account(api: Cluster, project: str) -> None:
    async def there() -> bool:
        return await api.get(SERVICEACCOUNT, Key(project, "default")) is not None

    await eventually(there)


async def test_what_nothing_needs_goes_and_its_disk_comes_back(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    serving, registry = real
    project = await make_project(api, "gc")
    own = await repositories(api, project)
    shop, shared = own.images("shop"), layer()
    kept = {
        name: serving.push(shop, name, content=name, layers=[shared, layer()]) for name in ("stream", "pod")
    }
    kept["revision"] = serving.push(f"{project}/shop", "by-name", content="revision", layers=[shared])
    build = await make_build(api, project, 1, phase="Running")
    kept["build"] = serving.push(shop, build["metadata"]["uid"], content="build", layers=[layer()])
    kept["cache"] = serving.push(own.cache("shop"), "key", content="cache", layers=[layer()])
    runtime = serving.push("paas/runtime-test", "latest", content="runtime", layers=[layer()])
    # gone: an older image, one that a second push left without a tag, those of a deleted project
    gone = [serving.push(shop, "older", content="older", layers=[shared, layer()])]
    gone.append(serving.push(shop, "moved", content="a", layers=[layer()]))
    gone.append(serving.push(shop, "moved", content="b", layers=[layer()]))
    deleted = "deleted/uid_0123456789ab/shop"
    secret = layer()
    lost = serving.push(deleted, "x", content="x", layers=[secret, layer()])
    serving.push(f"{deleted}/cache", "key", content="c", layers=[secret])

    made = await api.create(stream(project), manager="test")
    item = {
        "created": "2026-01-01T10:00:00Z",
        "dockerImageReference": f"registry.test:5000/{shop}@{kept['stream']}",
        "image": kept["stream"],
        "generation": 1,
    }
    await set_status(api, made, {"tags": [{"tag": "latest", "items": [item]}]})
    await api.create(
        {
            "apiVersion": CONTROLLERREVISION.api_version,
            "kind": CONTROLLERREVISION.kind,
            "metadata": {"namespace": project, "name": "shop-1"},
            "revision": 1,
            "data": {"images": [{"reference": f"registry.test:5000/{project}/shop@{kept['revision']}"}]},
        },
        manager="test",
    )
    await account(api, project)
    await api.create(pod(project, "by-hand", f"registry.test:5000/{shop}@{kept['pod']}"), manager="test")
    try:
        said: list[str] = []
        before = registry.storage.used()
        going = await show(api, registry, say=said.append)
        assert {image.digest for image in going} >= {*gone, lost}
        assert registry.storage.used() == before, "a dry run changes nothing"
        assert said[-1].startswith("5 images would be removed, and 5.0 MiB be freed"), said

        said.clear()
        freed = await collect(api, registry, say=said.append, wait=0)
        after = registry.storage.used()
        print(*said, f"{before} bytes before, {after} after", sep="\n")
        assert freed == before - after
        assert 5 * MIB <= freed < 5.3 * MIB, said
        assert said[-1] == f"5 images removed, {freed / MIB:.1f} MiB freed"
        assert f"{deleted}: empty, removed" in said
    finally:
        await api.delete(POD, Key(project, "by-hand"))
        await api.delete(BUILD, Key(project, build["metadata"]["name"]))

    for name, digest in kept.items():
        where = {"revision": f"{project}/shop", "cache": own.cache("shop")}.get(name, shop)
        assert serving.has(where, digest), name
    assert serving.has("paas/runtime-test", runtime)
    assert not any(serving.has(shop, digest) for digest in gone)
    assert not serving.has(deleted, lost)
    secret_digest = serving.upload("other/x", secret)
    assert not serving.has(deleted, secret_digest, kind="blobs"), "the layer was readable there"
    # the registry that served all the while takes again what it had, and has all of it
    again = serving.push(shop, "again", content="older", layers=[shared, secret])
    assert serving.has(shop, again)
    assert serving.has(shop, secret_digest, kind="blobs")
    assert not await collecting(api)


def torn(storage: Path, digest: str, content: bytes | None) -> Path:
    """What a power cut leaves of a manifest: other content, or nothing."""
    name = digest.removeprefix("sha256:")
    path = storage / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [None, b"", b"\0" * 200], ids=["gone", "empty", "NUL"])
async def test_a_torn_manifest_that_nothing_needs_goes_too(
    api: Cluster, real: tuple[registries.Registry, Registry], content: bytes | None
) -> None:
    """The registry's own collection ends at it, and would never run again."""
    serving, registry = real
    project = await make_project(api, "torn")
    build = await make_build(api, project, 1, phase="Running")
    shop, kept = (await repositories(api, project)).images("shop"), layer()
    needed = serving.push(shop, build["metadata"]["uid"], content="needed", layers=[kept])
    for number in range(3):
        torn(
            serving.storage, serving.push(shop, f"t{number}", content=f"{number}", layers=[layer()]), content
        )
    try:
        assert await collect(api, registry, say=lambda _: None, wait=0) > 3 * MIB
    finally:
        await api.delete(BUILD, Key(project, build["metadata"]["name"]))
    assert serving.has(shop, needed)
    assert serving.has(shop, f"sha256:{hashlib.sha256(kept).hexdigest()}", kind="blobs")
    assert [image.digest for image in registry.storage.stored()] == [needed]


@pytest.mark.parametrize("content", [None, b"", b"\0" * 200], ids=["gone", "empty", "NUL"])
async def test_a_torn_manifest_that_is_needed_is_told_and_can_be_pushed_again(
    api: Cluster, real: tuple[registries.Registry, Registry], content: bytes | None
) -> None:
    """The registry takes a torn file for what it has already, and would not write it again."""
    serving, registry = real
    project = await make_project(api, "torn")
    build = await make_build(api, project, 1, phase="Running")
    shop, own = (await repositories(api, project)).images("shop"), layer()
    broken = serving.push(shop, build["metadata"]["uid"], content="needed", layers=[own])
    whole = serving.push(shop, "whole", content="whole", layers=[layer()])
    unused = serving.push("deleted/shop", "x", content="x", layers=[layer()])
    torn(serving.storage, broken, content)
    await account(api, project)
    await api.create(pod(project, "by-hand", f"registry.test:5000/{shop}@{whole}"), manager="test")
    said: list[str] = []
    try:
        assert await collect(api, registry, say=said.append, wait=0) > MIB
        assert f"{shop}@{broken}: needed, but torn or gone on the disk; build it again" in said
        assert serving.has(shop, whole)
        assert not serving.has("deleted/shop", unused)
        again = serving.push(shop, build["metadata"]["uid"], content="needed", layers=[own])
        assert again == broken
        assert serving.has(shop, broken)
        await collect(api, registry, say=said.append, wait=0)
        assert serving.has(shop, f"sha256:{hashlib.sha256(own).hexdigest()}", kind="blobs")
    finally:
        await api.delete(POD, Key(project, "by-hand"))
        await api.delete(BUILD, Key(project, build["metadata"]["name"]))


async def test_a_repository_with_nothing_but_an_empty_list_stops_nobodys_collection(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    """Whoever may push to one repository could else keep everybody's layers on the disk for ever."""
    serving, registry = real
    project = await make_project(api, "list")
    build = await make_build(api, project, 1, phase="Running")
    shop = (await repositories(api, project)).images("shop")
    kept = serving.push_list(shop, build["metadata"]["uid"])
    serving.push("deleted/shop", "x", content="x", layers=[layer()])
    try:
        assert await collect(api, registry, say=lambda _: None, wait=0) > MIB
    finally:
        await api.delete(BUILD, Key(project, build["metadata"]["name"]))
    assert [image.digest for image in registry.storage.stored()] == [kept]


async def test_nothing_is_collected_while_a_build_may_push(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    """The layers of a push whose manifest is still to come are named by nothing."""
    serving, registry = real
    project = await make_project(api, "pushing")
    await account(api, project)
    uploaded = serving.upload(f"{project}/shop", layer())
    labels = {names.LABEL_BUILD: "shop-1"}
    await api.create(pod(project, "shop-1-build", "kaniko", labels), manager="test")
    with pytest.raises(CannotCollect, match=f"builds run .*{project}/shop-1-build"):
        await collect(api, registry, say=lambda _: None, wait=0)
    assert serving.has(f"{project}/shop", uploaded, kind="blobs")
    assert not await collecting(api)
    await api.delete(POD, Key(project, "shop-1-build"))
    await collect(api, registry, say=lambda _: None, wait=30)
    assert not serving.has(f"{project}/shop", uploaded, kind="blobs"), "of a push that never ended"


async def test_a_build_that_starts_between_the_look_and_the_lease_is_seen(
    api: Cluster, real: tuple[registries.Registry, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods are listed again under the Lease: one that is made after that asks for its token in vain."""
    serving, registry = real
    project = await make_project(api, "race")
    await account(api, project)
    uploaded = serving.upload(f"{project}/shop", layer())
    listed, acquire = 0, Lease.acquire

    async def late(self: Lease) -> None:
        nonlocal listed
        listed += 1
        labels = {names.LABEL_BUILD: "shop-1"}
        await api.create(pod(project, "shop-1-build", "kaniko", labels), manager="test")
        await acquire(self)
        assert await collecting(api)

    monkeypatch.setattr(Lease, "acquire", late)
    with pytest.raises(CannotCollect, match="builds run"):
        await collect(api, registry, say=lambda _: None, wait=0)
    await api.delete(POD, Key(project, "shop-1-build"))
    assert listed == 1
    assert serving.has(f"{project}/shop", uploaded, kind="blobs")
    assert not await collecting(api)


async def test_the_lease_is_held_to_the_end_and_one_that_is_lost_ends_the_work(
    api: Cluster, real: tuple[registries.Registry, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, registry = real
    serving.push("deleted/shop", "x", content="x", layers=[layer()])
    seen = []

    async def swept(registry: Registry) -> None:
        seen.append(await collecting(api))
        # whatever version it has: it is renewed all the time
        await api.patch(LEASE, LEASE_KEY, {"spec": {"holderIdentity": "somebody else"}}, manager="test")
        await asyncio.sleep(60)

    monkeypatch.setattr(program, "sweep", swept)
    monkeypatch.setattr("paas.kube.lease.RENEW_EVERY", 0.2)
    with pytest.raises(LeaseLost):
        await collect(api, registry, say=lambda _: None, wait=0)
    assert seen == [True]


async def test_images_that_are_being_loaded_on_the_node_are_waited_for(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    serving, registry = real
    serving.push("deleted/shop", "x", content="x")
    with (serving.storage / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(CannotCollect, match="paas up"):
            await collect(api, registry, say=lambda _: None, wait=0)
    assert await collect(api, registry, say=lambda _: None, wait=0) > 0


async def test_who_loads_images_does_not_wait_for_builds(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    """The collector, which may wait for twenty minutes, holds the lock only when it works: `paas up` gives up
    after two."""
    serving, registry = real
    serving.push("deleted/shop", "x", content="x")
    project = await make_project(api, "waited")
    await account(api, project)
    labels = {names.LABEL_BUILD: "shop-1"}
    await api.create(pod(project, "shop-1-build", "kaniko", labels), manager="test")
    said: list[str] = []
    collecting_ = asyncio.create_task(collect(api, registry, say=said.append, wait=60))

    async def waits() -> bool:
        return any("waiting: builds run" in line for line in said)

    await eventually(waits)
    with (serving.storage / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    await api.delete(POD, Key(project, "shop-1-build"))
    assert await collecting_ > 0


async def test_a_build_that_no_node_has_room_for_is_not_waited_for(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    """On a full disk builds wait for space, and the space for the builds."""
    serving, registry = real
    serving.push("deleted/shop", "x", content="x")
    project = await make_project(api, "full")
    await account(api, project)
    labels = {names.LABEL_BUILD: "shop-1"}
    waiting = await api.create(pod(project, "shop-1-build", "kaniko", labels), manager="test")
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    await set_status(api, waiting, {"phase": "Pending", "conditions": [condition]})
    assert await collect(api, registry, say=lambda _: None, wait=0) > 0
    await api.delete(POD, Key(project, "shop-1-build"))


async def test_nothing_is_collected_while_another_version_may_hand_out_tokens(
    api: Cluster, real: tuple[registries.Registry, Registry]
) -> None:
    """After a downgrade the CronJob is still there, and the older server knows nothing of the Lease."""
    serving, registry = real
    serving.push("deleted/shop", "x", content="x")
    await account(api, names.SYSTEM_NAMESPACE)
    labels = {names.LABEL_PART_OF: "paas-system", "app.kubernetes.io/name": "server"}
    await api.create(pod(names.SYSTEM_NAMESPACE, "server-1", "platform:1", labels), manager="test")
    try:
        with pytest.raises(CannotCollect, match=r"paas-system/server-1.* of another version"):
            await collect(api, registry, say=lambda _: None, version="platform:2", wait=0)
        assert await collect(api, registry, say=lambda _: None, version="platform:1", wait=0) > 0
    finally:
        await api.delete(POD, Key(names.SYSTEM_NAMESPACE, "server-1"))


async def test_its_account_may_do_what_it_does_and_the_others_see_that_it_does(
    api: Cluster, cluster: ApiServer, real: tuple[registries.Registry, Registry], tmp_path: Path
) -> None:
    """Under the roles that `paas up` and deploy/ give: the collector's, the front's, the operator's."""
    serving, registry = real
    serving.push("deleted/shop", "x", content="x", layers=[layer()])
    shipped = [m for m in shipped_manifests("deploy") if m["kind"] in ACCOUNTS]
    made = registry_gc(image="platform:1", storage="/srv", program="/bin/registry")
    for manifest in (*(m for m in made if m["kind"] in ACCOUNTS), *shipped):
        await api.apply(manifest, manager="test")
    own = await kubeconfig_of(api, cluster, GC_KEY, tmp_path / "collector")
    others = [
        await kubeconfig_of(api, cluster, Key(names.SYSTEM_NAMESPACE, name), tmp_path / name)
        for name in ("front", "operator")
    ]

    async def seen() -> list[bool]:
        found = []
        for path in others:
            async with await Cluster.connect(path) as door:
                found.append(await collecting(door))
        return found

    during: list[list[bool]] = []
    sweep = program.sweep

    async def looked(registry: Registry) -> None:
        during.append(await seen())
        await sweep(registry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "sweep", looked)
        async with await Cluster.connect(own) as door:
            assert await collect(door, registry, say=lambda _: None, wait=0) > MIB
    assert during == [[True, True]]
    assert await seen() == [False, False]


async def test_the_program_collects_without_any_capability_and_says_why_when_it_cannot(
    api: Cluster, cluster_kubeconfig: Path, real: tuple[registries.Registry, Registry], tmp_path: Path
) -> None:
    """As its pod runs it: the files' owner, and nothing beyond that."""
    serving, _ = real
    serving.push("deleted/shop", "x", content="x", layers=[layer()])
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs") if os.getuid() == 0 else ()
    where = (f"--storage={serving.storage}", f"--registry={serving.program}")

    async def run(*options: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *bare,
            *(sys.executable, "-m", "paas.registry.collect", *where, *options),
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster_kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    code, said = await run("--dry-run")
    assert (code, said.splitlines()[0]) == (0, "deleted/shop: 1 image that nothing needs")
    assert "1 image would be removed, and 1.0 MiB be freed; nothing was changed" in said
    project = await make_project(api, "program")
    await account(api, project)
    labels = {names.LABEL_BUILD: "shop-1"}
    await api.create(pod(project, "shop-1-build", "kaniko", labels), manager="test")
    code, said = await run("--wait=0")
    assert code == 1
    assert said.startswith(f"error: builds run ({project}/shop-1-build), and images are collected only while")
    await api.delete(POD, Key(project, "shop-1-build"))
    code, said = await run("--wait=30")
    assert (code, said.splitlines()[-1]) == (0, "1 image removed, 1.0 MiB freed")


def _listed(serving: registries.Registry, said: Path, images: int) -> bool:
    return "nothing needs" in said.read_text()


def _unlinked(serving: registries.Registry, said: Path, images: int) -> bool:
    return (
        len(list((serving.storage / REPOSITORIES).glob("deleted/*/_manifests/revisions/*/*/link"))) < images
    )


def _swept(serving: registries.Registry, said: Path, images: int) -> bool:
    return len(list((serving.storage / BLOBS).glob("*/*/data"))) < 3 * images


@pytest.mark.parametrize("moment", [_listed, _unlinked, _swept])
async def test_killed_at_any_moment_it_leaves_what_is_needed_whole_and_the_next_one_ends_it(
    api: Cluster,
    cluster_kubeconfig: Path,
    real: tuple[registries.Registry, Registry],
    tmp_path: Path,
    moment: Callable[[registries.Registry, Path, int], bool],
) -> None:
    serving, registry = real
    project = await make_project(api, "killed")
    build = await make_build(api, project, 1, phase="Running")
    shop, shared, images = (await repositories(api, project)).images("shop"), layer(), 40
    kept = serving.push(shop, build["metadata"]["uid"], content="needed", layers=[shared])
    for number in range(images):
        content = [shared, os.urandom(1024)]
        serving.push(f"deleted/r{number % 8}", f"t{number}", content=str(number), layers=content)
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "paas.registry.collect", f"--storage={serving.storage}"),
            *(f"--registry={serving.program}", "--wait=30"),
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster_kubeconfig)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not moment(serving, said, images):
            assert process.returncode is None, said.read_text()
            await asyncio.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # as a container ends: with all that runs in it
        await process.wait()
    try:
        assert serving.has(shop, kept)
        assert serving.has(shop, f"sha256:{hashlib.sha256(shared).hexdigest()}", kind="blobs")
        assert await collecting(api), "until its Lease has run out, nobody pushes"
        await api.delete(LEASE, LEASE_KEY)  # a test need not wait for that
        await collect(api, registry, say=lambda _: None, wait=0)
    finally:
        await api.delete(BUILD, Key(project, build["metadata"]["name"]))
    assert [image.digest for image in registry.storage.stored()] == [kept]
    assert len(list((serving.storage / BLOBS).glob("*/*/data"))) == 3, "manifest, configuration and layer"
    assert serving.has(shop, f"sha256:{hashlib.sha256(shared).hexdigest()}", kind="blobs")


async def test_what_the_node_is_given_is_accepted_and_kept(api: Cluster) -> None:
    if await api.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
        metadata = {"name": names.SYSTEM_NAMESPACE}
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="test")
    made = registry_gc(image="platform:1", storage="/srv", program="/bin/registry")
    for manifest in made:
        stored = await api.apply(manifest, manager="test", dry_run=True)
        assert stored["metadata"]["name"] == GC_KEY.name
    pod_spec = stored["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod_spec["volumes"] == made[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    job = job_of(stored, dry_run=True, now=datetime.now(UTC))
    by_hand = await api.create(job, manager="test", dry_run=True)
    assert by_hand["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--dry-run"


def test_a_cluster_with_a_registry_of_its_own_is_told(person: Person) -> None:
    said = person.paas("registry", "gc")
    assert said.code == 1
    assert "the registry of this cluster is not collected by the platform" in said.err
    assert "hint: on an embedded cluster: paas up" in said.err
