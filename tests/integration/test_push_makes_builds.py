"""A git push against a real API server: who may, and what object it becomes.

The server runs under the role that deploy/ gives it; the pusher has a token of a ServiceAccount.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.api import names
from paas.api.resources import BUILD, BUILDCONFIG, NAMESPACE, SECRET, Key
from paas.auth import credentials
from paas.kube.cluster import Cluster
from paas.settings import Settings
from tests.support.git_server import Clone, new_clone
from tests.support.served_platform import (
    CREDENTIALS_KEY,
    Platform,
    account,
    bound,
    build_config,
    served,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def platform(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with served(cluster_kubeconfig, tmp_path_factory.mktemp("platform")) as made:
        yield made


@pytest.fixture
def project(platform: Platform) -> str:
    return platform.project()


@pytest.fixture
def clone(platform: Platform, project: str, tmp_path: Path) -> Clone:
    made = new_clone(tmp_path / "clone")
    made.token = platform.token(project, "pusher")
    return made


def test_pushes_become_builds_in_order(platform: Platform, project: str, clone: Clone) -> None:
    (config,) = platform.apply(build_config(project, "shop"))
    first = clone.commit("Say hello")
    told = clone.git("push", platform.url(project, "shop"), "main", ok=True).err
    second = clone.commit("Say more")
    clone.git("push", platform.url(project, "shop"), "main", ok=True)
    assert "Builds by Dockerfile" in told
    assert "shop-1" in told
    builds = platform.builds(project)
    assert [build["metadata"]["name"] for build in builds] == ["shop-1", "shop-2"]
    assert [build["spec"]["revision"]["git"]["commit"] for build in builds] == [first, second]
    spec = builds[0]["spec"]
    assert spec["trigger"]["type"] == "Push"
    assert spec["trigger"]["user"] == f"system:serviceaccount:{project}:pusher"
    assert spec["revision"]["git"]["author"] == {"name": "Alice", "email": "alice@example.com"}
    assert spec["revision"]["git"]["message"] == "Say hello"
    assert spec["source"]["type"] == "Hosted"
    assert spec["dockerfile"].startswith("FROM scratch")
    assert len(spec["contentKey"]) == 64
    assert builds[0]["metadata"]["ownerReferences"][0]["uid"] == config["metadata"]["uid"]


def test_a_source_that_cannot_be_built_gets_a_build_that_says_so(
    platform: Platform, project: str, clone: Clone
) -> None:
    platform.apply(build_config(project, "shop"))
    clone.commit("Words", notes="hello")
    told = clone.git("push", platform.url(project, "shop"), "main", ok=True).err
    assert "add a Dockerfile" in told
    (build,) = platform.builds(project)
    assert build["spec"]["invalid"]["reason"] == "NoBuildpack"


def test_tokens_of_a_kubeconfig_are_taken_as_they_are(platform: Platform, project: str, clone: Clone) -> None:
    platform.apply(build_config(project, "shop"))
    clone.token = platform.token(project, "pusher", audience="https://kubernetes.default.svc")
    clone.commit()
    clone.git("push", platform.url(project, "shop"), "main", ok=True)
    clone.git("ls-remote", platform.url(project, "shop"), ok=True)


def test_who_may_not_push(platform: Platform, project: str, clone: Clone) -> None:
    platform.apply(
        build_config(project, "shop"), account(project, "reader"), bound(project, "reader", "paas-view")
    )
    clone.commit()
    clone.git("push", platform.url(project, "shop"), "main", ok=True)
    clone.commit()
    before = len(platform.builds(project))
    stranger = Clone(clone.path, platform.token(platform.project(), "pusher"))
    done = stranger.git("push", platform.url(project, "shop"), "main", ok=False)
    assert "may not push" in done.err
    reader = Clone(clone.path, platform.token(project, "reader"))
    assert "may not push" in reader.git("push", platform.url(project, "shop"), "main", ok=False).err
    reader.git("ls-remote", platform.url(project, "shop"), ok=True)
    nobody = Clone(clone.path, "not.a.token")
    status = http_get(platform, f"/git/{project}/shop.git/info/refs?service=git-receive-pack", nobody.token)
    assert status == 401
    elsewhere = Clone(clone.path, platform.token(project, "pusher", audience="https://elsewhere.example"))
    assert (
        http_get(platform, f"/git/{project}/shop.git/info/refs?service=git-receive-pack", elsewhere.token)
        == 401
    )
    assert len(platform.builds(project)) == before


def test_a_source_credential_of_a_real_build(platform: Platform, project: str, clone: Clone) -> None:
    platform.apply(build_config(project, "shop"))
    commit = clone.commit()
    clone.git("push", platform.url(project, "shop"), "main", ok=True)
    (build,) = platform.builds(project)
    key = credentials.key_of(CREDENTIALS_KEY)
    user = credentials.build_user(project, "shop-1")
    password = credentials.build_credential(key, build["metadata"]["uid"], credentials.SOURCE)
    basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    path = f"/git/{project}/shop/archive/{commit}.tar"
    assert http_get(platform, path, authorization=basic) == 200
    status = {
        "apiVersion": "paas.dev/v1",
        "kind": "Build",
        "metadata": {"namespace": project, "name": "shop-1"},
        "status": {"phase": "Complete"},
    }
    platform.do(lambda cluster: cluster.apply(status, manager="test", subresource="status"))
    assert http_get(platform, path, authorization=basic) == 401


def test_a_webhook_builds_an_external_repository(platform: Platform, project: str) -> None:
    uri = "https://git.example/team/shop.git"
    hook = {"type": "GitHub", "github": {"secretReference": {"name": "hook"}}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": project, "name": "hook"},
        "stringData": {"WebHookSecretKey": "s3cret"},
    }
    platform.apply(secret, build_config(project, "shop", source={"git": {"uri": uri}}, triggers=[hook]))
    commit = "a" * 40
    payload = {
        "ref": "refs/heads/main",
        "before": "b" * 40,
        "after": commit,
        "repository": {"clone_url": uri, "default_branch": "main"},
    }
    assert deliver(platform, project, payload)[0] == 202
    status, told = deliver(platform, project, payload)
    assert (status, told["build"]) == (200, "shop-1")
    (build,) = platform.builds(project)
    assert build["spec"]["revision"]["git"]["commit"] == commit
    assert build["spec"]["source"]["git"]["uri"] == uri
    assert "dockerfile" not in build["spec"]
    assert deliver(platform, project, payload, secret="wrong")[0] == 401


def test_health_and_metrics(platform: Platform) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert http_get(platform, path, port=platform.health_port) == 200
        assert http_get(platform, path) == 404
    assert http_get(platform, f"/registry/token?service={Settings().registry_service}") == 401


@pytest.mark.parametrize(
    ("account", "rights"),
    [("server", [False, True, True, False, False]), ("front", [False, True, True, False, False])],
)
def test_each_may_do_what_it_does_and_no_more(
    platform: Platform, project: str, account: str, rights: list[bool]
) -> None:
    """Neither can list Secrets, nor delete what is not its own."""

    async def allowed(cluster: Cluster) -> list[bool]:
        from paas.kube.cluster import UserInfo

        server = UserInfo(f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{account}")
        wanted_rights = [
            ("list", SECRET),
            ("get", SECRET),
            ("create", BUILD),
            ("delete", BUILD),
            ("delete", NAMESPACE),
        ]
        return [
            await cluster.allowed(
                server, verb=verb, resource=of.plural, group=of.group, namespace=project, name=""
            )
            for verb, of in wanted_rights
        ]

    assert platform.do(allowed) == rights
    assert platform.do(lambda cluster: cluster.get(BUILDCONFIG, Key(project, "none"))) is None


def http_get(
    platform: Platform, path: str, token: str = "", *, authorization: str = "", port: int = 0
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port or platform.port, timeout=30)
    given = authorization or (f"Bearer {token}" if token else "")
    connection.request("GET", path, headers={"Authorization": given} if given else {})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def deliver(
    platform: Platform, project: str, payload: dict[str, Any], *, secret: str = "s3cret"
) -> tuple[int, dict[str, Any]]:
    body = json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=30)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    connection.request("POST", f"/webhooks/{project}/shop/github", body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
