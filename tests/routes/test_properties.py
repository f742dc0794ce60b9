"""Whatever Routes want a host, in whatever state: a plan settles it, and two projects never share it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paas.routes.plan
import paas.routes.status
from paas.api.resources import INGRESS
from paas.reconcile.plan import Plan
from paas.routes.dialects import DEFAULT
from paas.routes.plan import IssueCertificate, refusals_of
from paas.routes.tls import LIFETIME, RENEW_BEFORE
from tests.routes.fake_cluster import (
    ALLOW,
    EDGE,
    NOW,
    REDIRECT,
    applied,
    certificate,
    conditions,
    foreign_ingress,
    observed,
    planned,
    project_of,
    route,
    secret_of,
    service,
    taken_up,
    with_route,
)
from tests.support.branches import every_branch
from tests.support.refusing import Refusing

DEEP = "a.b.apps.test"
NO_PORTS = {"metadata": {"namespace": "demo", "name": "shop", "uid": "s"}, "spec": {}}
MODULES = [paas.routes.plan, paas.routes.status]

specs = st.fixed_dictionaries(
    {},
    optional={
        "tls": st.sampled_from([EDGE, EDGE, ALLOW, REDIRECT, {"termination": "passthrough"}, {}]),
        "path": st.sampled_from(["/", "/api", "/api/", "broken"]),
        "port": st.sampled_from([{"targetPort": 8080}, {"targetPort": "http"}, {"targetPort": 99}]),
        "to": st.sampled_from([{"name": "shop"}, {"name": "Not A Name"}]),
    },
)


@st.composite
def snapshots(draw):
    host = draw(
        st.sampled_from(["shop-demo.apps.test", DEEP, "www.example.com", "paas.apps.test", "No Host"])
    )
    found = []
    for project, name in draw(
        st.lists(
            st.tuples(st.sampled_from(["one", "two"]), st.sampled_from("ab")),
            min_size=1,
            max_size=4,
            unique=True,
        )
    ):
        one = route(name, project, age=draw(st.integers(0, 2)), host=host, **draw(specs))
        if draw(st.integers(0, 9)) == 0:
            one["status"] = {"conditions": "nonsense"}
        snapshot = observed(one, service=draw(st.sampled_from([None, service(project=project), NO_PORTS])))
        match draw(st.sampled_from(["new", "new", "published", "taken", "older"])):
            case "published":
                (snapshot,) = applied(planned(snapshot, host=host), snapshot)
                snapshot = taken_up(snapshot) if draw(st.booleans()) else snapshot
            case "taken":
                taken = draw(st.sampled_from([name, f"{name}.http"]))
                snapshot = replace(snapshot, children={(INGRESS, taken): foreign_ingress(taken, project)})
            case "older":
                earlier = route(name, project, host=host, tls=ALLOW)
                (before,) = applied(planned(w := with_route(snapshot, earlier), host=host), w)
                snapshot = with_route(before, {**one, "status": before.route.get("status", {})})
        if draw(st.booleans()):
            snapshot = replace(
                snapshot,
                secret=secret_of(snapshot, ours=draw(st.booleans())),
                certificate=draw(
                    st.sampled_from([None, certificate(host), certificate(host, trusted=False)])
                ),
            )
        found.append(snapshot)
    return host, found


@st.composite
def with_losers(draw):
    """The same, of which some may own no host, and some are slow to go."""
    host, found = draw(snapshots())
    changed = []
    for snapshot in found:
        if draw(st.integers(0, 3)) == 0:
            snapshot = held(snapshot)
        match draw(st.sampled_from(["well", "well", "deleted", "unlabelled"])):
            case "deleted":
                metadata = {**snapshot.route["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
                snapshot = with_route(snapshot, {**snapshot.route, "metadata": metadata})
            case "unlabelled":
                namespace = project_of(snapshot.route["metadata"]["namespace"], labelled=False)
                snapshot = replace(snapshot, namespace=namespace)
        changed.append(snapshot)
    return host, changed


def held(snapshot):
    """Somebody's finalizer is on all its children."""
    return replace(
        snapshot,
        children={
            child: {**live, "metadata": {**live["metadata"], "finalizers": ["a/b"]}}
            for child, live in snapshot.children.items()
        },
    )


@settings(max_examples=1000, derandomize=True)
@given(
    st.one_of(snapshots(), with_losers()), st.integers(0, int((LIFETIME - RENEW_BEFORE).total_seconds()) - 1)
)
def a_plan_after_its_plan_was_applied_is_empty(snapshot, later):
    host, routes = snapshot
    after = applied(planned(*routes, host=host), *routes)
    # What the effect wrote is seen by the next gather, and told by the plan that follows it.
    after = applied(planned(*after, host=host), *after)
    assert planned(*after, host=host).writes == ()
    assert not [
        action
        for action in planned(*after, host=host, now=NOW + timedelta(seconds=later)).writes
        if not isinstance(action, IssueCertificate)
    ]


@settings(max_examples=300, derandomize=True)
@given(
    snapshots(),
    st.sampled_from(
        # most hosts need no certificate of their own, so that its refusal is tried more often
        [("Apply", "Ingress"), ("Delete", "Ingress"), *[("IssueCertificate", "")] * 4, ("Apply", "None")]
    ),
)
def what_the_cluster_refuses_is_said_and_done_later(snapshot, refused):
    host, routes = snapshot
    refusing = Refusing()
    refusing.toggle(*refused)
    after = settled(host, routes, refusing)
    told = [one for one in after if refusals_of(one, refusing.known, DEFAULT)]
    for one in told:
        if conditions(one)["Ready"][1] != "NameTaken":
            assert conditions(one)["Ready"] == ("False", "Refused")
            assert conditions(one)["Stalled"] == ("True", "Refused")
    assert len(told) >= bool(refusing.known)
    refusing.toggle(*refused)
    after = settled(host, after, refusing)
    assert refusing.known == ()
    assert planned(*after, host=host).writes == ()


def the_winner_waits_for_what_the_cluster_does_not_let_go():
    host, refusing = "www.example.com", Refusing()
    one = observed(route("a", "one", age=2, host=host))
    (one,) = applied(planned(one, host=host), one)
    one = replace(one, namespace=project_of("one", labelled=False))
    refusing.toggle("Delete", "Ingress")
    loser, winner = settled(host, (one, observed(route("a", "two", host=host))), refusing)
    assert conditions(loser)["Ready"] == ("False", "Refused")
    assert conditions(winner)["Ready"] == ("False", "HostNotReleased")


def a_refused_certificate_is_asked_for_again():
    host, refusing = "www.deep.apps.test", Refusing()
    refusing.toggle("IssueCertificate", "")
    (after,) = settled(host, (observed(route("a", "one", host=host, tls={"termination": "edge"})),), refusing)
    assert conditions(after)["Ready"] == ("False", "Refused")


def settled(host, routes, refusing):
    """After plans in a cluster that refuses something, until they come to rest."""
    after = list(routes)

    def carry_out(action):
        after[:] = applied(Plan((action,)), *after)

    for _ in range(20):
        seen = [replace(one, refusals=refusals_of(one, refusing.known, DEFAULT)) for one in after]
        if not refusing.run(planned(*seen, host=host, refusals=refusing.known), carry_out):
            return tuple(after)
    raise AssertionError("the plans never come to rest")


@pytest.mark.parametrize("module", MODULES, ids=[module.__name__ for module in MODULES])
def test_a_plan_after_its_plan_was_applied_is_empty_and_every_branch_was_reached(module):
    with every_branch(module) as missed:
        a_plan_after_its_plan_was_applied_is_empty()
        what_the_cluster_refuses_is_said_and_done_later()
        the_winner_waits_for_what_the_cluster_does_not_let_go()
        a_refused_certificate_is_asked_for_again()
    assert missed == []


@given(with_losers())
def test_without_an_effect_one_plan_is_enough(snapshot):
    host, routes = snapshot
    first = planned(*routes, host=host)
    if not any(isinstance(action, IssueCertificate) for action in first.actions):
        assert planned(*applied(first, *routes), host=host).writes == ()


@given(with_losers())
def test_two_projects_never_publish_the_same_host(snapshot):
    host, routes = snapshot
    after = applied(planned(*routes, host=host), *routes)
    assert len(publishing(after, "deletionTimestamp")) <= 1
    # What is held goes on for a while, and so nobody begins.
    assert len(publishing(after)) <= 1 or publishing(after) <= publishing(routes)


def publishing(routes, *without):
    """Namespaces with an Ingress of a Route, which has none of these fields of its metadata."""
    return {
        one.route["metadata"]["namespace"]
        for one in routes
        for live in one.children.values()
        if live["metadata"].get("ownerReferences") and not any(live["metadata"].get(name) for name in without)
    }
