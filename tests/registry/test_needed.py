"""Which images go: never one that a Build, a stream's tag or history, a revision or a pod needs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.registry import needed as decision
from paas.registry.needed import Needed, Stored, needed, unneeded
from paas.registry.repositories import CACHE_HOURS, Repositories, repositories_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
UIDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(6)]
NAMESPACE: Manifest = {
    "metadata": {
        "name": "demo",
        "uid": "1",
        "creationTimestamp": "2026-11-26T10:00:00Z",
        "labels": {"paas.dev/project": "true"},
    }
}


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def own() -> Repositories:
    found = repositories_of(NAMESPACE, by_name_until="")
    assert found is not None
    return found


def build(number: int, phase: str = "Complete") -> Manifest:
    return {
        "kind": "Build",
        "metadata": {"namespace": "demo", "name": f"shop-{number}", "uid": UIDS[number]},
        "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}},
        "status": {"phase": phase},
    }


def stream(*numbers: int) -> Manifest:
    items = [{"image": digest(n), "dockerImageReference": f"r:5000/demo/shop@{digest(n)}"} for n in numbers]
    status = {"tags": [{"tag": "latest", "items": items}]}
    return {"kind": "ImageStream", "metadata": {"namespace": "demo", "name": "shop"}, "status": status}


def pod(image: str) -> Manifest:
    containers = [{"name": "web", "image": image}]
    return {"kind": "Pod", "metadata": {"namespace": "x", "name": "p"}, "spec": {"containers": containers}}


def needed_by(*objects: Manifest) -> Needed:
    return needed(
        objects,
        namespaces=[NAMESPACE],
        streams=[o for o in objects if o["kind"] == "ImageStream"],
        builds=[o for o in objects if o["kind"] in ("Build", "BuildConfig")],
    )


def gone(stored: list[Stored], *objects: Manifest) -> list[Stored]:
    return unneeded(stored, needed_by(*objects), now=NOW)


IMAGE = Stored("demo/shop", digest(1), frozenset({UIDS[1]}))
REVISION = {"kind": "ControllerRevision", "data": {"images": [{"reference": f"r/demo/shop@{digest(1)}"}]}}
CRONJOB = {"kind": "CronJob", "spec": {"jobTemplate": pod(f"r:5000/demo/shop:{UIDS[1]}")}}


@pytest.mark.parametrize(
    "needs_it",
    [
        build(1, "Complete"),
        build(1, "Running"),
        build(1, "Failed"),
        stream(5, 1),
        pod(f"registry/demo/shop@{digest(1)}"),
        pod(f"registry/demo/shop:{UIDS[1]}"),
        {"kind": "Pod", "status": {"containerStatuses": [{"imageID": f"r/demo/shop@{digest(1)}"}]}},
        {
            "kind": "Build",
            "metadata": {"namespace": "x", "uid": "u"},
            "spec": {"dockerfile": f"FROM r@{digest(1)}"},
        },
        REVISION,
        CRONJOB,
        {"kind": "Pod", "metadata": {"annotations": {"keep": digest(1)}}},
        {"kind": "Pod", "metadata": {"annotations": {digest(1): ""}}},
    ],
    ids=lambda obj: obj["kind"],
)
def test_what_is_mentioned_is_kept(needs_it: Manifest) -> None:
    assert gone([IMAGE], needs_it) == []
    assert gone([IMAGE]) == [IMAGE]
    assert gone([IMAGE], build(2), stream(2), pod("demo/shop:latest")) == [IMAGE]


def test_the_platforms_images_are_not_looked_at() -> None:
    assert gone([Stored("paas/runtime-python", digest(1), frozenset({"latest"}))]) == []
    assert len(gone([Stored("paas-like/shop", digest(1))])) == 1


def test_parts_of_a_list_and_what_is_about_an_image_stay_with_it() -> None:
    whole = Stored("demo/shop", digest(1), frozenset({UIDS[1]}), names=frozenset({digest(2)}))
    part = Stored("demo/shop", digest(2), names=frozenset({digest(3)}))
    below = Stored("demo/shop", digest(3))
    signature = Stored("demo/shop", digest(4), frozenset({f"sha256-{3:064x}.sig"}))
    referrer = Stored("demo/shop", digest(5), about=digest(4))
    elsewhere = Stored("demo/other", digest(2))
    family = [referrer, signature, below, part, whole]
    assert gone([*family, elsewhere], build(1)) == [elsewhere]
    assert gone(family) == family


def test_the_cache_of_a_stream_that_exists_is_kept_as_long_as_builds_take_it() -> None:
    old, new = NOW - timedelta(hours=CACHE_HOURS), NOW - timedelta(hours=CACHE_HOURS - 1)
    cache = own().cache("shop")
    expired, fresh = Stored(cache, digest(1), made=old), Stored(cache, digest(2), made=new)
    unknown, other = Stored(cache, digest(3)), Stored(own().cache("bank"), digest(4), made=NOW)
    by_name = Stored("demo/shop/cache", digest(5), made=NOW)
    predecessor = Stored("demo/uid_0123456789ab/shop/cache", digest(6), made=NOW)
    stored = [expired, fresh, unknown, other, by_name, predecessor]
    config = build(1) | {"kind": "BuildConfig"}
    for lives in (stream(), config):
        assert gone(stored, lives) == [expired, other, by_name, predecessor]
    assert gone(stored) == stored


# -- properties ------------------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
REPOSITORIES = st.sampled_from(["demo/shop", "demo/uid_0123456789ab/shop", "other/shop", "paas/runtime-x"])
IMAGES = st.builds(
    Stored,
    REPOSITORIES | st.just(own().cache("shop")) | st.just(own().images("shop")),
    st.integers(0, 5).map(digest),
    st.frozensets(st.sampled_from([*UIDS, "latest", f"sha256-{2:064x}.sig"]), max_size=2),
    st.frozensets(st.integers(0, 5).map(digest), max_size=2),
    st.none() | st.integers(0, 5).map(digest),
    st.none() | st.integers(0, 1000).map(lambda hours: NOW - timedelta(hours=hours)),
)
STORES = st.lists(IMAGES, max_size=8, unique_by=lambda image: (image.repository, image.digest))
REFERENCES = st.one_of(
    st.integers(0, 5).map(digest),
    st.builds(lambda n, r: f"registry:5000/{r}@{digest(n)}", st.integers(0, 5), REPOSITORIES),
    st.builds(lambda uid, r: f"registry:5000/{r}:{uid}", st.sampled_from(UIDS), REPOSITORIES),
)


def around(text: str, *, draw: Any) -> Any:
    """An object of any shape with the text somewhere in it."""
    found: Any = text
    for _ in range(draw(st.integers(0, 4))):
        others = draw(st.dictionaries(st.text(max_size=4), LEAVES, max_size=2))
        found = [found] if draw(st.booleans()) else {**others, draw(st.text(max_size=4)): found}
    return found


@pytest.mark.guard(decision, "not image.tags.isdisjoint(need.tags)", "False")
@given(st.data(), STORES, st.lists(REFERENCES, max_size=4))
def test_nothing_that_any_object_mentions_ever_goes(data: st.DataObject, stored: list[Stored], texts) -> None:
    objects = [{"kind": "Pod", "spec": around(text, draw=data.draw)} for text in texts]
    written = json.dumps(objects)
    for image in gone(stored, *objects):
        assert image.digest not in written
        assert not any(tag in written for tag in image.tags)
        assert not image.repository.startswith("paas/")


@pytest.mark.guard(decision, "[(image.repository, digest) for digest in image.names]", "[]")
@given(STORES, st.lists(st.integers(0, 5).map(build), max_size=3), st.booleans())
def test_what_goes_leaves_nothing_that_stays_without_a_part(stored, builds, with_stream) -> None:
    objects = [*builds, *([stream()] if with_stream else [])]
    going = {(i.repository, i.digest) for i in gone(stored, *objects)}
    for image in stored:
        if (image.repository, image.digest) not in going and not image.repository.startswith("paas/"):
            assert not any((image.repository, name) in going for name in image.names)


@given(STORES, st.lists(st.integers(0, 5).map(build), max_size=3))
def test_a_second_look_finds_nothing_more(stored: list[Stored], builds: list[Manifest]) -> None:
    going = gone(stored, *builds, stream())
    assert gone([image for image in stored if image not in going], *builds, stream()) == []


@given(STORES)
def test_without_any_object_all_but_the_platforms_goes(stored: list[Stored]) -> None:
    assert gone(stored) == [image for image in stored if not image.repository.startswith("paas/")]


def test_a_chain_of_thousands_is_looked_at_once() -> None:
    """Whoever may push to one repository may make lists of lists; the Lease is held meanwhile."""
    count = 20_000
    lists = [Stored("demo/shop", digest(n), names=frozenset({digest(n + 1)})) for n in range(count)]
    notes = [Stored("demo/bank", digest(n + 1), about=digest(n)) for n in range(count)]
    root = Stored("demo/bank", digest(0))
    began = time.process_time()
    assert gone([*lists, *notes[::-1], root], pod(digest(0))) == []
    assert len(gone([*lists, *notes, root], pod(digest(count)))) == 2 * count
    assert time.process_time() - began < 3
