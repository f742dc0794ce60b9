"""`paas start-build` against the real server and a real API server, with real pushes before it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from paas.api.names import SYSTEM_NAMESPACE
from paas.api.resources import BUILD, BUILDCONFIG, CONFIGMAP, Key, Manifest
from paas.kube.cluster import Cluster
from paas.kube.errors import Forbidden
from paas.kube.observe import observe
from paas.node.apiserver import ApiServer
from tests.support import command_line
from tests.support.command_line import Person
from tests.support.git_server import Clone, new_clone
from tests.support.rooms import token_of
from tests.support.served_platform import Platform, account, bound, build_config, served

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def platform(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """With the address and CA of this server in what clients read, as long as it is there."""
    command_line.install(cluster_kubeconfig)
    with served(cluster_kubeconfig, tmp_path_factory.mktemp("platform")) as made:
        info = Key(SYSTEM_NAMESPACE, "paas-info")
        before = made.do(lambda c: c.get(CONFIGMAP, info))
        assert before is not None
        ours = {"data": {"url": made.address, "ca.crt": made.authority}}
        made.do(lambda c: c.patch(CONFIGMAP, info, ours, manager="test"))
        yield made
        made.do(lambda c: c.patch(CONFIGMAP, info, {"data": before["data"]}, manager="test"))


@pytest.fixture
def app(platform: Platform, person: Person) -> Manifest:
    """A hosted application of somebody who has a client certificate."""
    platform.apply(bound(person.project, "pusher", "paas-pusher"))
    return platform.apply(build_config(person.project, "shop"))[0]


@pytest.fixture
def clone(platform: Platform, person: Person, app: Manifest, tmp_path: Path) -> Clone:
    made = new_clone(tmp_path / "clone")
    made.token = platform.token(person.project, "pusher")
    return made


def push(platform: Platform, person: Person, clone: Clone) -> str:
    commit = clone.commit()
    clone.git("push", platform.url(person.project, "shop"), "main", ok=True)
    return commit


def by_token(person: Person, cluster: ApiServer, *roles: str) -> Person:
    """The same person, known by the token of an account with these roles in the project and nothing else."""
    name = f"account-{len(roles)}"
    person.create(account(person.project, name), *(bound(person.project, name, role) for role in roles))
    token = person.cluster(lambda c: token_of(c, person.project, name))
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [
            {"name": "c", "cluster": {"server": cluster.url, "certificate-authority": str(cluster.authority)}}
        ],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path = person.home / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return Person(path, person.home, person.project)


def test_the_head_is_built_and_any_commit_that_is_stored(
    platform: Platform, person: Person, clone: Clone
) -> None:
    nothing = person.paas("start-build", "shop")
    assert (nothing.code, nothing.out) == (1, "")
    assert "hint: git push paas HEAD:main" in nothing.err
    first, second = push(platform, person, clone), push(platform, person, clone)
    older = json.loads(person.paas("start-build", "bc/shop", "--commit", first[:8], "-o", "json").ok().out)
    assert older["spec"]["revision"]["git"]["commit"] == first
    assert person.paas("start-build", "shop", "-o", "name").ok().out == "build.paas.dev/shop-4\n"
    assert person.paas("start-build", "shop", "--no-cache").ok().out == 'build "shop-5" started\n'
    builds = platform.builds(person.project)
    assert [b["spec"]["revision"]["git"]["commit"] for b in builds] == [first, second, first, second, second]
    by_push, by_hand, uncached = builds[1]["spec"], builds[3]["spec"], builds[4]["spec"]
    assert by_hand["trigger"]["type"] == "Manual"
    for field in ("dockerfile", "contentKey", "revision"):
        assert by_hand[field] == by_push[field]
    assert uncached["strategy"]["dockerStrategy"]["noCache"] is True
    unknown = person.paas("start-build", "shop", "--commit", "abcdef01")
    assert (unknown.code, "no commit abcdef01 is stored" in unknown.err) == (3, True)
    assert person.paas("start-build", "nothing").code == 3
    assert person.paas("start-build", "shop", "--commit", "main~1").code == 2


def test_a_build_that_was_pruned_is_made_again(platform: Platform, person: Person, clone: Clone) -> None:
    """And in the way the BuildConfig says now."""
    first = push(platform, person, clone)
    push(platform, person, clone)
    assert platform.do(lambda c: c.delete(BUILD, Key(person.project, "shop-1")))
    shop = Key(person.project, "shop")
    inline = {"spec": {"source": {"dockerfile": "FROM scratch\n# inline\n"}}}
    platform.do(lambda c: c.patch(BUILDCONFIG, shop, inline, manager="test"))
    made = json.loads(person.paas("start-build", "shop", "--commit", first, "-o", "json").ok().out)
    assert made["spec"]["revision"]["git"]["commit"] == first
    assert made["spec"]["dockerfile"] == "FROM scratch\n# inline\n"


def test_an_answer_that_is_lost_makes_no_second_build(
    platform: Platform, person: Person, clone: Clone
) -> None:
    push(platform, person, clone)
    platform.answers_lost = 2
    done = person.paas("start-build", "shop").ok()
    assert platform.answers_lost == 0
    assert done.out == 'build "shop-2" started\n'
    assert "does not answer at the moment; trying again" in done.err
    assert len(platform.builds(person.project)) == 2


def test_the_role_edit_is_enough_and_view_is_not(
    platform: Platform, person: Person, cluster: ApiServer, clone: Clone
) -> None:
    push(platform, person, clone)
    editor = by_token(person, cluster, "paas-view", "paas-edit")
    assert editor.paas("start-build", "shop").ok().out == 'build "shop-2" started\n'
    (_, made) = platform.builds(person.project)
    assert made["spec"]["trigger"]["user"] == f"system:serviceaccount:{person.project}:account-2"

    # and a Build comes to be in no other way: what it says it builds is what the platform found
    for field in ("resourceVersion", "uid"):
        del made["metadata"][field]
    made["metadata"]["name"], made["spec"]["number"] = "shop-9", 9
    with pytest.raises(Forbidden):
        editor.cluster(lambda c: c.create(made, manager="test"))

    viewer = by_token(person, cluster, "paas-view")
    refused = viewer.paas("start-build", "shop")
    assert (refused.code, refused.out) == (4, "")
    assert "may not start builds of" in refused.err
    assert "kubectl create rolebinding" in refused.err
    assert len(platform.builds(person.project)) == 2


@pytest.mark.parametrize(("phase", "code"), [("Complete", 0), ("Failed", 1), ("Cancelled", 1)])
def test_waiting_ends_with_what_became_of_the_build(
    platform: Platform, person: Person, clone: Clone, phase: str, code: int
) -> None:
    push(platform, person, clone)

    async def end_it() -> None:
        async with await Cluster.connect(person.kubeconfig) as cluster:
            async for found in observe(cluster, BUILD, person.project):
                if "shop-2" in found:
                    status = {"status": {"phase": phase, "reason": "DockerBuildFailed", "message": "no luck"}}
                    await cluster.patch(
                        BUILD, Key(person.project, "shop-2"), status, manager="test", subresource="status"
                    )
                    return

    thread = threading.Thread(target=lambda: asyncio.run(end_it()))
    thread.start()
    done = person.paas("start-build", "shop", "--wait")
    thread.join(30)
    assert (done.code, done.out) == (code, 'build "shop-2" started\n'), done.err
    assert ("no luck" in done.err) == (phase == "Failed")


def test_nobody_waits_longer_than_asked(platform: Platform, person: Person, clone: Clone) -> None:
    push(platform, person, clone)
    assert person.paas("start-build", "shop", "--wait", "--timeout", "300ms").code == 124
