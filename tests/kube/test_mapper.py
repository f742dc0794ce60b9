"""Which kind a word means, by discovery in both its forms; and that the answer is kept for a while."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from paas.kube import discovery as ask
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.mapper import Mapper, UnknownKind, of_aggregated
from tests.support import discovery

MAPPER = Mapper(of_aggregated(*discovery.aggregated()))


@pytest.mark.parametrize(
    ("word", "resource"),
    [
        ("pods", "/api/v1/pods"),
        ("pod", "/api/v1/pods"),
        ("po", "/api/v1/pods"),
        ("Pod", "/api/v1/pods"),
        ("PVC", "/api/v1/persistentvolumeclaims"),
        ("nodes", "/api/v1/nodes"),
        ("deploy", "/apis/apps/v1/deployments"),
        ("deployments.apps", "/apis/apps/v1/deployments"),
        ("deployments.v1.apps", "/apis/apps/v1/deployments"),
        ("deployments.v1", "/apis/apps/v1/deployments"),
        ("hpa", "/apis/autoscaling/v2/horizontalpodautoscalers"),
        ("events", "/api/v1/events"),
        ("events.events.k8s.io", "/apis/events.k8s.io/v1/events"),
        ("ingress.networking", "/apis/networking.k8s.io/v1/ingresses"),
        ("bc", "/apis/paas.dev/v1/buildconfigs"),
        ("BuildConfig", "/apis/paas.dev/v1/buildconfigs"),
        ("buildconfigs.build.openshift.io", "/apis/build.openshift.io/v1/buildconfigs"),
        ("build", "/apis/paas.dev/v1/builds"),
    ],
)
def test_words_for_kinds(word: str, resource: str) -> None:
    assert MAPPER.find(word).resource.path() == resource


def test_whether_it_is_in_a_namespace() -> None:
    assert not MAPPER.find("no").resource.namespaced
    assert MAPPER.find("po").resource.namespaced
    assert MAPPER.find("po").can("watch")
    assert not MAPPER.find("po").can("patch")


@pytest.mark.parametrize(
    ("word", "close"),
    [
        ("dploy", ()),
        ("deploymnt", ("deployment", "deployments")),
        ("pods.apps", ()),
        ("pods.v2", ()),
        ("web", ()),
        ("", ()),
    ],
)
def test_a_word_that_names_nothing(word: str, close: tuple[str, ...]) -> None:
    with pytest.raises(UnknownKind) as raised:
        MAPPER.find(word)
    assert set(close) <= set(raised.value.close)


class FakeServer:
    """Answers discovery, and counts."""

    host = "https://127.0.0.1:6443"

    def __init__(self, answers: dict[str, Any], *, ca: str = "", user: str = "") -> None:
        self.answers, self.asked = answers, 0
        self.ca, self.user = ca, user

    async def request(self, method: str, path: str, *, accept: str = "") -> Any:
        self.asked += 1
        if path not in self.answers:
            raise ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        return self.answers[path]


def as_cluster(server: FakeServer) -> Cluster:
    return cast(Cluster, server)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "paas"


def aggregating() -> FakeServer:
    return FakeServer(dict(zip(("/api", "/apis"), discovery.aggregated(), strict=True)))


async def test_both_forms_of_discovery_say_the_same() -> None:
    found = await ask.discover(as_cluster(FakeServer(discovery.lists())))
    for each in MAPPER.served:
        assert found.find(str(each.resource)) == each
    assert [each.resource for each in found.served] == [each.resource for each in MAPPER.served]


async def test_an_aggregated_api_that_does_not_answer_hides_no_other() -> None:
    answers = discovery.lists()
    del answers["/apis/build.openshift.io/v1"]
    found = await ask.discover(as_cluster(FakeServer(answers)))
    assert found.find("bc").resource.group == "paas.dev"


async def test_the_answer_is_kept_for_some_minutes(cache: Path) -> None:
    server = aggregating()
    for _ in range(3):
        (found,) = await ask.find(as_cluster(server), "pvc")
        assert found == MAPPER.find("pvc")
    assert server.asked == 2
    (file,) = cache.iterdir()
    assert cache.stat().st_mode & 0o077 == 0
    os.utime(file, (0, 0))
    await ask.find(as_cluster(server), "pvc")
    assert server.asked == 4
    file.write_text("not JSON")
    await ask.find(as_cluster(server), "pvc")
    assert server.asked == 6


@pytest.mark.parametrize("other", [{"ca": "another"}, {"user": "another"}])
async def test_another_cluster_or_user_behind_the_same_address_is_asked(other: dict[str, str]) -> None:
    await ask.find(as_cluster(aggregating()), "pods")
    server = FakeServer(aggregating().answers, **other)
    await ask.find(as_cluster(server), "pods")
    assert server.asked == 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "5",
        "[5]",
        '[{"resource": {}}]',
        '[{"resource": {"group": 1, "version": "v1", "kind": "Pod", "plural": "pods"},'
        ' "singular": "pod", "short_names": [], "verbs": ["get"]}]',
        '[{"resource": {"group": "", "version": "v1", "kind": "Pod", "plural": "pods", "namespaced": 0},'
        ' "singular": "pod", "short_names": [], "verbs": ["get"]}]',
        '[{"resource": {"group": "", "version": "v1", "kind": "Pod", "plural": "pods"},'
        ' "singular": null, "short_names": [], "verbs": ["get"]}]',
    ],
)
async def test_a_kept_answer_that_is_none_of_ours_is_asked_for_again(cache: Path, text: str) -> None:
    server = aggregating()
    await ask.find(as_cluster(server), "pods")
    (file,) = cache.iterdir()
    file.write_text(text)
    (found,) = await ask.find(as_cluster(server), "pods")
    assert (found, server.asked) == (MAPPER.find("pods"), 4)


async def test_a_new_kind_is_asked_for_again() -> None:
    server = aggregating()
    platform = server.answers["/apis"]
    server.answers["/apis"] = {**platform, "items": platform["items"][:-1]}
    await ask.find(as_cluster(server), "pods")
    server.answers["/apis"] = platform
    (found,) = await ask.find(as_cluster(server), "routes")
    assert found.resource.kind == "Route"
    with pytest.raises(UnknownKind):
        await ask.find(as_cluster(server), "boat")


async def test_a_cache_that_cannot_be_written_costs_a_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    server = aggregating()
    await ask.find(as_cluster(server), "pods")
    await ask.find(as_cluster(server), "pods")
    assert server.asked == 4


def test_a_resource_that_answers_with_no_kind_is_left_out() -> None:
    """Such as `bindings` of some aggregated API servers: nothing can be read of it."""
    core, groups = discovery.aggregated()
    pods, services, *_ = core["items"][0]["versions"][0]["resources"]
    del pods["responseKind"]
    services["responseKind"] = None
    found = [each.resource.plural for each in of_aggregated(core, groups)]
    assert not {"pods", "services"} & set(found)
    assert "nodes" in found
