"""T8, T4: what each credential may do at a real registry, and what a forged token may: nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from paas.api.resources import BUILD, NAMESPACE, Key, Manifest
from paas.auth.credentials import (
    build_credential,
    build_user,
    key_of,
    platform_credential,
    project_credential,
    project_user,
)
from paas.kube.cluster import Cluster
from paas.kube.lease import Lease
from paas.node import build as components
from paas.registry.client import RegistryClient, RegistryDenied, RegistryUnreachable
from paas.registry.collection import LEASE_KEY
from paas.registry.signer import Signer
from paas.registry.token import Scope, claims
from tests.support.guarded_registry import SERVICE, Registry, new_signing_key, serving
from tests.support.images import make_build
from tests.support.rooms import KEY, make_project, prepare, repositories, set_status

pytestmark = pytest.mark.integration
CREDENTIALS_KEY = key_of(KEY)
PLATFORM = {"user": "platform", "password": platform_credential(CREDENTIALS_KEY)}


@pytest.fixture(scope="module")
def registry(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    asyncio.run(prepare(cluster_kubeconfig))
    binaries = components.ensure(["registry", "crane"], progress=lambda line: print(line, file=sys.stderr))
    folder = tmp_path_factory.mktemp("registry")
    with serving(
        folder, binaries=binaries, kubeconfig=cluster_kubeconfig, credential_key=CREDENTIALS_KEY
    ) as started:
        done = started.push("paas/runtime-test", "1", **PLATFORM)
        assert done.returncode == 0, done.stderr
        yield started


@pytest.fixture
async def build(api: Cluster) -> Manifest:
    """A Build of a new project that is running."""
    return await make_build(api, await make_project(api, "push"), 7, phase="Running")


@pytest.fixture
async def shop(api: Cluster, build: Manifest) -> str:
    """The repository of that Build's stream."""
    return await repository_of(api, build)


async def repository_of(api: Cluster, build: Manifest) -> str:
    return (await repositories(api, build["metadata"]["namespace"])).images("shop")


def credential(build: Manifest) -> dict[str, str]:
    metadata = build["metadata"]
    return {
        "user": build_user(metadata["namespace"], metadata["name"]),
        "password": build_credential(CREDENTIALS_KEY, metadata["uid"], "registry"),
    }


async def project_of(api: Cluster, namespace: str) -> dict[str, str]:
    found = await api.get(NAMESPACE, Key("", namespace))
    assert found is not None
    return {
        "user": project_user(namespace),
        "password": project_credential(CREDENTIALS_KEY, found["metadata"]["uid"]),
    }


def client(registry: Registry, *, user: str, password: str) -> RegistryClient:
    return RegistryClient(registry.address, username=user, password=password, ca_file=registry.ca_file)


def refused(done) -> bool:
    return done.returncode != 0 and any(
        word in done.stderr for word in ("UNAUTHORIZED", "DENIED", "401", "403")
    )


async def test_a_build_pushes_to_its_own_repository_and_cache(
    registry: Registry, api: Cluster, build: Manifest
) -> None:
    own, tag = await repositories(api, build["metadata"]["namespace"]), build["metadata"]["uid"]
    for repository in (own.images("shop"), own.cache("shop")):
        done = registry.push(repository, tag, **credential(build))
        assert done.returncode == 0, done.stderr
        pushed = done.stdout.strip().rpartition("@")[2]
        async with client(registry, **PLATFORM) as reader:
            assert await reader.digest(repository, tag) == pushed


async def test_the_manifest_and_configuration_of_an_image_can_be_read(
    registry: Registry, build: Manifest, shop: str
) -> None:
    tag = build["metadata"]["uid"]
    assert registry.push(shop, tag, **credential(build)).returncode == 0
    async with client(registry, **PLATFORM) as reader:
        manifest = await reader.manifest(shop, tag)
        assert manifest is not None
        assert manifest.digest == await reader.digest(shop, tag)
        config = await reader.config(shop, manifest.data["config"]["digest"])
        assert config is not None
        assert "rootfs" in config.data
        assert await reader.manifest(shop, "nothing") is None


@pytest.mark.parametrize(
    "repository",
    [
        "{other}/shop",
        "{other}/shop/cache",
        "{own}/shop",
        "{own}/uid_0123456789ab/shop/cache",
        "{own}/else",
        "paas/runtime-test",
    ],
)
async def test_t4_t8_a_build_pushes_nowhere_else(
    registry: Registry, api: Cluster, build: Manifest, repository: str
) -> None:
    own, other = build["metadata"]["namespace"], await make_project(api, "victim")
    target, tag = repository.format(own=own, other=other), f"t{uuid4().hex[:8]}"
    done = registry.push(target, tag, **credential(build))
    assert refused(done), done.stderr
    async with client(registry, **PLATFORM) as reader:
        assert await reader.digest(target, tag) is None


async def test_t8_what_a_build_may_pull(registry: Registry, api: Cluster, build: Manifest) -> None:
    victim = await make_build(api, await make_project(api, "victim"), 1, phase="Running")
    secret = await repository_of(api, victim)
    assert registry.push(secret, "x", **credential(victim)).returncode == 0
    assert refused(registry.crane("digest", f"{registry.address}/{secret}:x", **credential(build)))
    runtime = registry.crane("digest", f"{registry.address}/paas/runtime-test:1", **credential(build))
    assert runtime.returncode == 0, runtime.stderr


async def test_t8_a_project_pulls_its_own_and_the_runtime_images_and_pushes_nothing(
    registry: Registry, api: Cluster, build: Manifest, shop: str
) -> None:
    own = build["metadata"]["namespace"]
    assert registry.push(shop, "x", **credential(build)).returncode == 0
    pods = await project_of(api, own)
    foreign = await project_of(api, await make_project(api, "foreign"))
    assert registry.crane("digest", f"{registry.address}/{shop}:x", **pods).returncode == 0
    assert registry.crane("digest", f"{registry.address}/paas/runtime-test:1", **pods).returncode == 0
    assert refused(registry.crane("digest", f"{registry.address}/{shop}:x", **foreign))
    assert refused(registry.push(shop, "y", **pods))


async def test_t8_strangers_get_nothing(registry: Registry, build: Manifest, shop: str) -> None:
    assert registry.push(shop, "x", **credential(build)).returncode == 0
    assert refused(registry.crane("digest", f"{registry.address}/{shop}:x"))
    assert refused(registry.crane("digest", f"{registry.address}/paas/runtime-test:1"))
    assert refused(registry.push(shop, "y"))


@pytest.mark.parametrize("phase", ["Complete", "Failed", "Error", "Cancelled"])
async def test_t8_the_credential_of_a_build_dies_with_it(
    registry: Registry, api: Cluster, build: Manifest, shop: str, phase: str
) -> None:
    assert registry.push(shop, "before", **credential(build)).returncode == 0
    await set_status(api, build, {"phase": phase, "completionTimestamp": "2026-01-01T10:00:00Z"})
    assert refused(registry.push(shop, "after", **credential(build)))
    async with client(registry, **PLATFORM) as reader:
        assert await reader.digest(shop, "after") is None


async def test_t8_a_build_that_is_made_anew_has_another_credential(
    registry: Registry, api: Cluster, build: Manifest, shop: str
) -> None:
    old, project = credential(build), build["metadata"]["namespace"]
    await api.delete(BUILD, Key(project, build["metadata"]["name"]))
    assert refused(registry.push(shop, "x", **old))
    again = await make_build(api, project, 7, phase="Running")
    assert refused(registry.push(shop, "x", **old))
    assert registry.push(shop, "x", **credential(again)).returncode == 0


async def test_missing_unreachable_and_denied_are_three_answers(registry: Registry, build: Manifest) -> None:
    async with client(registry, **PLATFORM) as reader:
        assert await reader.digest("nobody/nothing", "x") is None
    async with client(registry, user="platform", password="wrong") as reader:
        with pytest.raises(RegistryDenied):
            await reader.digest("nobody/nothing", "x")
    async with client(registry, **credential(build)) as reader:
        with pytest.raises(RegistryDenied):
            await reader.digest("nobody/nothing", "x")
    async with RegistryClient("localhost:1", username="x", password="x", ca_file=registry.ca_file) as reader:
        with pytest.raises(RegistryUnreachable):
            await reader.digest("nobody/nothing", "x")


async def test_a_registry_whose_certificate_is_of_another_authority_is_not_believed(
    registry: Registry,
) -> None:
    async with RegistryClient(registry.address, username="platform", password="x") as reader:
        with pytest.raises(RegistryUnreachable, match="certificate"):
            await reader.digest("paas/runtime-test", "1")


# -- raw requests ------------------------------------------------------------------------------------


def request(
    registry: Registry, url: str, method: str = "GET", *, authorization: str = "", data=None
) -> tuple[int, str]:
    """Status and body."""
    headers = {"Authorization": authorization} if authorization else {}
    asked = urllib.request.Request(url, method=method, headers=headers, data=data)
    try:
        with urllib.request.urlopen(asked, context=registry.tls, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def token_for(registry: Registry, scope: str, *, user: str, password: str) -> str:
    query = urllib.parse.urlencode({"service": SERVICE, "scope": scope})
    status, body = request(registry, f"{registry.token_url}?{query}", authorization=basic(user, password))
    assert status == 200, body
    return str(json.loads(body)["token"])


def may_read(registry: Registry, token: str, what: str = "paas/runtime-test/tags/list") -> bool:
    status, _ = request(registry, f"https://{registry.address}/v2/{what}", authorization=f"Bearer {token}")
    assert status in (200, 401)
    return status == 200


def forged(
    registry: Registry, *, signer: Signer | None = None, service: str = SERVICE, age: timedelta = timedelta()
) -> str:
    grants = [Scope("paas/runtime-test", frozenset({"pull"}))]
    content = claims("platform", grants, service=service, now=datetime.now(UTC) - age, identifier=uuid4().hex)
    return (signer or registry.signer).sign(content)


def part(data: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


async def test_t8_a_good_token_is_good(registry: Registry) -> None:
    assert may_read(registry, forged(registry))


def of_no_algorithm(registry: Registry) -> str:
    _, payload, _ = forged(registry).split(".")
    return f"{part({'typ': 'JWT', 'alg': 'none', 'kid': registry.signer.key_id})}.{payload}."


def with_more_access(registry: Registry) -> str:
    header, payload, signature = forged(registry).split(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    content["access"][0]["actions"] = ["pull", "push"]
    return f"{header}.{part(content)}.{signature}"


FORGERIES = {
    "expired": lambda registry: forged(registry, age=timedelta(minutes=10)),
    "not valid yet": lambda registry: forged(registry, age=-timedelta(minutes=10)),
    "for another service": lambda registry: forged(registry, service="other.test"),
    "alg none": of_no_algorithm,
    "signed by another key": lambda registry: forged(registry, signer=Signer(new_signing_key())),
    "with access added": with_more_access,
    "no token at all": lambda registry: "nonsense",
}


@pytest.mark.parametrize("make", FORGERIES.values(), ids=FORGERIES.keys())
async def test_t8_a_forged_token_is_refused(registry: Registry, make) -> None:
    assert not may_read(registry, make(registry))


async def test_t8_a_build_neither_lists_deletes_nor_mounts(
    registry: Registry, api: Cluster, build: Manifest
) -> None:
    own = await repository_of(api, build)
    done = registry.push(own, "x", **credential(build))
    assert done.returncode == 0, done.stderr
    digest = done.stdout.strip().rpartition("@")[2]
    scopes = f"repository:{own}:pull,push,delete,* registry:catalog:*"
    token = f"Bearer {token_for(registry, scopes, **credential(build))}"
    root = f"https://{registry.address}/v2"
    assert request(registry, f"{root}/_catalog", authorization=token)[0] == 401
    assert request(registry, f"{root}/{own}/manifests/{digest}", "DELETE", authorization=token)[0] == 401
    victim = await make_build(api, await make_project(api, "victim"), 1, phase="Running")
    secret = await repository_of(api, victim)
    assert registry.push(secret, "x", **credential(victim)).returncode == 0
    async with client(registry, **PLATFORM) as reader:
        manifest = await reader.manifest(secret, "x")
        assert manifest is not None
    layer = manifest.data["layers"][0]["digest"]
    scopes = f"repository:{own}:pull,push repository:{secret}:pull"
    token = f"Bearer {token_for(registry, scopes, **credential(build))}"
    mount = f"{root}/{own}/blobs/uploads/?mount={layer}&from={secret}"
    assert request(registry, mount, "POST", authorization=token, data=b"")[0] == 401


async def test_the_token_endpoint_speaks_the_form_that_containerd_tries_first(
    registry: Registry, api: Cluster, build: Manifest
) -> None:
    own = await repository_of(api, build)
    known = credential(build)
    form = {"service": SERVICE, "client_id": "containerd", "scope": f"repository:{own}:pull"}

    def ask(**more: str) -> tuple[int, str]:
        return request(
            registry, registry.token_url, "POST", data=urllib.parse.urlencode({**form, **more}).encode()
        )

    status, body = ask(grant_type="password", username=known["user"], password=known["password"])
    assert status == 200
    answer = json.loads(body)
    assert answer["access_token"] == answer["token"]
    assert answer["scope"] == f"repository:{own}:pull"
    # the part before the colon taken for the whole name, as the kubelet does with `auth`
    user, _, rest = known["user"].partition(":")
    status, body = ask(grant_type="password", username=user, password=f"{rest}:{known['password']}")
    assert status == 200
    assert ask(grant_type="password", username=known["user"], password="wrong")[0] == 401
    assert ask(grant_type="refresh_token", refresh_token="x")[0] == 405
    assert ask(grant_type="password", username="x" * 9000, password="x")[0] == 413


async def test_every_refused_identity_looks_the_same(registry: Registry, build: Manifest) -> None:
    good = credential(build)
    tries = [
        "",
        "Bearer x",
        "Basic !",
        basic("", ""),
        basic("platform", "wrong"),
        basic("platform", good["password"]),
        basic(good["user"], "wrong"),
        basic("build:nobody/x-1", good["password"]),
        basic("project:nobody", good["password"]),
        basic("project:default", good["password"]),
        basic("someone", good["password"]),
    ]
    answers = {request(registry, f"{registry.token_url}?service={SERVICE}", authorization=a) for a in tries}
    assert {status for status, _ in answers} == {401}
    assert len(answers) == 1
    other = request(
        registry,
        f"{registry.token_url}?service=other",
        authorization=basic(user=good["user"], password=good["password"]),
    )
    assert other[0] == 400


async def test_nobody_pushes_while_unused_images_are_collected_and_all_pull(
    registry: Registry, api: Cluster, build: Manifest, shop: str
) -> None:
    """What the token endpoint says is the API server's word of now: no token is given from the Lease on."""
    pods = await project_of(api, build["metadata"]["namespace"])
    assert registry.push(shop, "x", **credential(build)).returncode == 0
    if await api.get(NAMESPACE, Key("", LEASE_KEY.namespace)) is None:
        metadata = {"name": LEASE_KEY.namespace}
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="test")
    lease = Lease(api, LEASE_KEY, identity="collector")
    await lease.acquire()
    try:
        done = registry.push(shop, "y", **credential(build))
        assert done.returncode != 0
        assert "503" in done.stderr
        assert registry.crane("digest", f"{registry.address}/{shop}:x", **pods).returncode == 0
    finally:
        await lease.release()
    assert registry.push(shop, "y", **credential(build)).returncode == 0
