"""Who owns a host (T9)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.resources import Key
from paas.routes.claims import claim_of, generated_host, host_of, is_platform_name, judge
from paas.settings import Settings
from tests.routes.fake_cluster import SETTINGS, project_of, route

HOST = "www.example.com"


def claim(one):
    """Of a Route in a project."""
    return claim_of(one, project_of(one["metadata"]["namespace"]))


def judged(*routes, host=HOST):
    verdicts = judge(host, [claim(one) for one in routes], SETTINGS)
    return {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": str(
            verdicts[one["metadata"]["uid"]].reason
        )
        for one in routes
    }


ADMITTED, CLAIMED = "Admitted", "HostAlreadyClaimed"

CASES = {
    "alone": ([route("a")], {"demo/a": ADMITTED}),
    "the oldest of two projects": (
        [route("a", "one", age=1), route("a", "two", age=2)],
        {"one/a": CLAIMED, "two/a": ADMITTED},
    ),
    "of the same second the smaller UID": (
        [route("a", "one"), route("a", "two")],
        {"one/a": ADMITTED, "two/a": CLAIMED},
    ),
    "the owner's project may add paths": (
        [route("a", age=9), route("b", path="/api", age=1)],
        {"demo/a": ADMITTED, "demo/b": ADMITTED},
    ),
    "another project may not add a path": (
        [route("a", "one", age=9), route("b", "two", path="/api", age=1)],
        {"one/a": ADMITTED, "two/b": CLAIMED},
    ),
    "not even when the owner has only another path": (
        [route("a", "one", path="/web", age=9), route("b", "two", path="/api", age=1)],
        {"one/a": ADMITTED, "two/b": CLAIMED},
    ),
    "the same path belongs to the oldest of the project": (
        [route("a", path="/api", age=1), route("b", path="/api", age=9)],
        {"demo/a": CLAIMED, "demo/b": ADMITTED},
    ),
    "a final slash makes no other path": (
        [route("a", path="/api/", age=1), route("b", path="/api", age=9)],
        {"demo/a": CLAIMED, "demo/b": ADMITTED},
    ),
    "the root is the whole host": (
        [route("a", path="/", age=1), route("b", age=9)],
        {"demo/a": CLAIMED, "demo/b": ADMITTED},
    ),
    "a late-seen older Route displaces newer ones": (
        [route("a", "one", age=1), route("b", "one", path="/x", age=2), route("c", "two", age=3)],
        {"one/a": CLAIMED, "one/b": CLAIMED, "two/c": ADMITTED},
    ),
}


@pytest.mark.parametrize(("routes", "expected"), CASES.values(), ids=CASES.keys())
def test_t9_who_is_admitted_in_whatever_order_routes_are_seen(routes, expected):
    for order in itertools.permutations(routes):
        assert judged(*order) == expected


def test_an_admitted_route_is_told_what_is_its_own_and_not_that_it_is_published():
    """Whether it is published, only the plan knows: the winner may have to wait."""
    one = route("a", "one", path="/api")
    assert judge(HOST, [claim(one)], SETTINGS)[one["metadata"]["uid"]].message == (
        f"{HOST}/api belongs to this Route"
    )


BARRED = {
    "being deleted": (
        {"deletionTimestamp": "2026-01-01T10:00:00Z", "finalizers": ["a/b"]},
        project_of("one"),
        "BeingDeleted",
        "(a/b): kubectl edit route a -n one",
    ),
    "in a namespace without the label": (
        {},
        project_of("one", labelled=False),
        "NotAProject",
        "kubectl label namespace one paas.dev/project=true",
    ),
    "in a reserved namespace": ({}, project_of("kube-system"), "NotAProject", "reserved name"),
    "in a namespace that is gone": ({}, None, "NotAProject", "not a project"),
}


@pytest.mark.parametrize(("metadata", "namespace", "reason", "message"), BARRED.values(), ids=BARRED.keys())
@pytest.mark.parametrize("host", [HOST, "paas.apps.test"])
def test_t17_a_route_that_may_own_nothing_loses_to_every_other(metadata, namespace, reason, message, host):
    oldest = route("a", namespace["metadata"]["name"] if namespace else "one", age=9)
    oldest["metadata"] |= metadata
    younger = route("b", "two", age=1)
    verdicts = judge(host, [claim_of(oldest, namespace), claim(younger)], SETTINGS)
    lost = verdicts[oldest["metadata"]["uid"]]
    assert (lost.admitted, lost.reason) == (False, reason)
    assert message in lost.message
    assert verdicts[younger["metadata"]["uid"]].admitted is (host == HOST)


def test_t9_when_the_owner_goes_the_next_in_line_is_admitted():
    routes = [route("a", "one", age=3), route("a", "two", age=2), route("a", "three", age=1)]
    assert judged(*routes[1:]) == {"two/a": ADMITTED, "three/a": CLAIMED}
    # made again, it has to queue up like everybody
    again = route("a", "one", age=0)
    assert judged(*routes[1:], again)["one/a"] == CLAIMED


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("paas.apps.test", "HostReserved"),
        ("apps.test", "HostReserved"),
        ("paas.paas.internal", "HostReserved"),
        ("registry.paas.internal", "HostReserved"),
        ("x.paas.internal", "HostReserved"),
        ("server.paas-system.svc", "HostReserved"),
        ("server.paas-system.svc.cluster.local", "HostReserved"),
        ("localhost", "HostReserved"),
        ("shop.apps.test.", "InvalidHost"),
        ("Shop.apps.test", "InvalidHost"),
        ("*.apps.test", "InvalidHost"),
        ("shop_.apps.test", "InvalidHost"),
        ("-shop.apps.test", "InvalidHost"),
        ("shop..apps.test", "InvalidHost"),
        ("a" * 64 + ".test", "InvalidHost"),
        (".".join(["a" * 50] * 6), "InvalidHost"),
        ("shop\n.test", "InvalidHost"),
        ("xn--bcher-kva.example", "Admitted"),
        ("paas.example.com", "Admitted"),
        ("mypaas.internal", "Admitted"),
    ],
)
def test_t9_hosts_that_are_nobodys(host, reason):
    assert judged(route("a", host=host), host=host) == {"demo/a": reason}


def test_the_registrys_host_is_reserved_wherever_it_is():
    settings = Settings(registry_pull="images.example.com:5000", registry_push="push.example.com")
    assert is_platform_name("images.example.com", settings)
    assert is_platform_name("push.example.com", settings)


def test_the_host_is_the_routes_own_word_or_made_of_route_and_project():
    assert host_of(route("shop", host="www.example.com"), SETTINGS) == "www.example.com"
    assert host_of(route("shop"), SETTINGS) == "shop-demo.apps.test"
    assert host_of(route("shop", host=""), SETTINGS) == "shop-demo.apps.test"


def test_a_long_label_is_cut_and_hashed_so_that_two_stay_apart():
    one = generated_host(Key("demo", "a" * 60), SETTINGS)
    two = generated_host(Key("demo", "a" * 61), SETTINGS)
    assert one != two
    for host in (one, two):
        assert len(host.split(".")[0]) <= 63
        assert judged(route("a", host=host), host=host) == {"demo/a": "Admitted"}


def test_two_generated_hosts_that_meet_are_decided_by_age():
    one, two = route("a-b", "c", age=1), route("a", "b-c", age=2)
    assert host_of(one, SETTINGS) == host_of(two, SETTINGS) == "a-b-c.apps.test"
    assert judged(one, two, host="a-b-c.apps.test") == {"c/a-b": CLAIMED, "b-c/a": ADMITTED}


def test_a_refusal_names_no_other_project():
    routes = [route("a", "secret", age=2), route("a", "two", age=1)]
    verdicts = judge(HOST, [claim(one) for one in routes], SETTINGS)
    assert "secret" not in verdicts["two-a-uid"].message


@given(
    st.lists(
        st.builds(
            route,
            st.sampled_from("abc"),
            st.sampled_from(["one", "two", "three"]),
            age=st.integers(0, 3),
            path=st.sampled_from(["", "/", "/x", "/y/"]),
        ),
        min_size=1,
        max_size=9,
        unique_by=lambda one: one["metadata"]["uid"],
    )
)
def test_one_project_owns_a_host_and_each_path_has_one_route(routes):
    verdicts = judge(HOST, [claim(one) for one in routes], SETTINGS)
    admitted = [one for one in routes if verdicts[one["metadata"]["uid"]].admitted]
    assert len({one["metadata"]["namespace"] for one in admitted}) == 1
    paths = [claim(one).path for one in admitted]
    assert len(paths) == len(set(paths))
    oldest = min(routes, key=lambda one: claim(one).age)
    assert oldest in admitted
