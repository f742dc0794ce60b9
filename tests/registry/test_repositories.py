"""T18: repositories are bound to the Namespace's UID: a name that is used again leads to none of the old."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.registry.reference import is_repository
from paas.registry.repositories import Repositories, repositories_of

UPGRADED = "2026-11-26T10:00:00Z"
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
UIDS = st.uuids(version=4).map(str)
STREAMS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]{1,5})?", fullmatch=True)


def namespace(name: str, uid: str, made: str = "2026-11-26T11:00:00Z") -> Manifest:
    return {"metadata": {"name": name, "uid": uid, "creationTimestamp": made}}


def of(name: str, uid: str, made: str = "2026-11-26T11:00:00Z") -> Repositories:
    found = repositories_of(namespace(name, uid, made), by_name_until=UPGRADED)
    assert found is not None
    return found


def test_a_project_of_before_the_binding_keeps_its_images_where_they_are() -> None:
    older = of("demo", "1", "2026-11-26T10:00:00Z")
    assert older.images("shop") == "demo/shop"
    assert older.pulled("demo/shop")
    assert not older.pulled(of("demo", "2", "2026-11-26T10:00:01Z").images("shop")), "of a namesake"
    assert of("demo", "2", "2026-11-26T10:00:01Z").images("shop").startswith("demo/uid_")


def test_where_nothing_was_upgraded_every_project_is_bound() -> None:
    found = repositories_of(namespace("demo", "1", "2020-01-01T00:00:00Z"), by_name_until="")
    assert found is not None
    assert not found.by_name


def test_a_reserved_name_has_no_repositories() -> None:
    for name in ("paas", "default", "kube-system"):
        assert repositories_of(namespace(name, "1"), by_name_until=UPGRADED) is None


@given(
    name=NAMES, uids=st.lists(UIDS, min_size=2, max_size=2, unique=True), stream=STREAMS, old=st.booleans()
)
def test_t18_a_project_made_again_reaches_nothing_of_its_predecessor(name, uids, stream, old) -> None:
    """Whether the predecessor was older than the binding or not."""
    if repositories_of(namespace(name, "1"), by_name_until="") is None:
        return
    before = of(name, uids[0], "2026-11-26T09:00:00Z" if old else "2026-11-26T11:00:00Z")
    after = of(name, uids[1], "2026-11-26T12:00:00Z")
    theirs = before.of_build(stream)
    assert not any(after.pulled(repository) for repository in theirs)
    assert theirs.isdisjoint(after.of_build(stream))


@given(st.lists(st.tuples(NAMES, UIDS, st.booleans(), STREAMS), min_size=2, max_size=2))
def test_no_two_projects_share_a_repository(two) -> None:
    (name, uid, old, stream), (other_name, other_uid, other_old, other_stream) = two
    if name == other_name or any(
        repositories_of(namespace(n, "1"), by_name_until="") is None for n, *_ in two
    ):
        return
    one = of(name, uid, "2026-11-26T09:00:00Z" if old else "2026-11-26T11:00:00Z")
    other = of(other_name, other_uid, "2026-11-26T09:00:00Z" if other_old else "2026-11-26T11:00:00Z")
    assert one.of_build(stream).isdisjoint(other.of_build(other_stream))
    assert not any(one.pulled(repository) for repository in other.of_build(other_stream))


@given(NAMES, UIDS, STREAMS, STREAMS)
def test_streams_of_a_project_share_no_repository_and_their_names_are_the_registrys(
    name, uid, stream, other
) -> None:
    own = repositories_of(namespace(name, uid), by_name_until="")
    if own is None:
        return
    assert all(is_repository(repository) for repository in own.of_build(stream))
    assert all(own.pulled(repository) for repository in own.of_build(stream))
    if stream != other:
        assert own.of_build(stream).isdisjoint(own.of_build(other))
