"""What each Route of a host gets: tables for every rule, and silence when all is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from paas.reconcile.plan import Apply, Delete, Event, Plan, Requeue
from paas.routes.plan import IssueCertificate
from paas.routes.snapshot import RouteSnapshot
from paas.routes.tls import RENEW_BEFORE
from tests.routes.fake_cluster import (
    ALLOW,
    EDGE,
    NOW,
    REDIRECT,
    applied,
    certificate,
    conditions,
    foreign_ingress,
    ingresses_of,
    observed,
    planned,
    route,
    secret_of,
    service,
    taken_up,
    with_route,
)

DEEP = "a.b.apps.test"


def published(snapshot: RouteSnapshot, host: str = "shop-demo.apps.test") -> RouteSnapshot:
    """After the plan, the ingress controller, and the plan again."""
    (snapshot,) = applied(planned(snapshot, host=host), snapshot)
    snapshot = taken_up(snapshot)
    (snapshot,) = applied(planned(snapshot, host=host), snapshot)
    return snapshot


def test_a_route_is_published_and_says_where():
    snapshot = published(observed(route(tls=REDIRECT), service=service()))
    status = snapshot.route["status"]
    assert conditions(snapshot) == {
        "Admitted": ("True", "Admitted"),
        "CertificateReady": ("True", "DefaultCertificate"),
        "Ready": ("True", "Reconciled"),
    }
    assert status["url"] == "https://shop-demo.apps.test:8443"
    assert status["address"] == "127.0.0.1"
    assert status["host"] == status["ingress"][0]["host"] == "shop-demo.apps.test"
    assert status["ingress"][0]["conditions"][0]["type"] == "Admitted"
    assert planned(snapshot, now=NOW + timedelta(days=1)) == Plan()


@pytest.mark.parametrize(
    ("spec", "url", "ingresses"),
    [
        ({}, "http://shop-demo.apps.test:8080", {"shop"}),
        ({"tls": EDGE}, "https://shop-demo.apps.test:8443", {"shop"}),
        ({"tls": ALLOW}, "https://shop-demo.apps.test:8443", {"shop", "shop.http"}),
        ({"tls": REDIRECT, "path": "/api"}, "https://shop-demo.apps.test:8443/api", {"shop", "shop.http"}),
    ],
)
def test_what_is_published_for_each_tls_setting(spec, url, ingresses):
    snapshot = published(observed(route(**spec), service=service()))
    assert snapshot.route["status"]["url"] == url
    assert set(ingresses_of(snapshot)) == ingresses


def test_an_ingress_that_is_no_longer_wanted_is_taken_away():
    snapshot = published(observed(route(tls=REDIRECT), service=service()))
    changed = with_route(snapshot, {**snapshot.route, "spec": route(tls=EDGE)["spec"]})
    result = planned(changed)
    assert [action.key.name for action in result.actions if isinstance(action, Delete)] == ["shop.http"]
    (after,) = applied(result, changed)
    assert set(ingresses_of(after)) == {"shop"}


def test_without_an_address_the_route_is_not_ready_yet():
    (snapshot,) = applied(planned(only := observed(route(tls=EDGE), service=service())), only)
    assert conditions(snapshot)["Ready"] == ("False", "AddressPending")
    assert conditions(snapshot)["Reconciling"] == ("True", "AddressPending")
    assert "address" in snapshot.route["status"]
    assert snapshot.route["status"]["address"] == ""


def test_a_missing_service_is_said_and_the_route_stays_admitted():
    snapshot = published(observed(route(tls=EDGE, port={"targetPort": 8080})))
    assert conditions(snapshot)["Admitted"] == ("True", "Admitted")
    assert conditions(snapshot)["Ready"] == ("False", "ServiceNotFound")
    (after,) = applied(planned(found := replace(snapshot, services={"shop": service()})), found)
    backend = ingresses_of(after)["shop"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend["service"]["port"] == {"number": 80}
    assert conditions(after)["Ready"] == ("True", "Reconciled")


def test_a_missing_port_is_said():
    snapshot = published(observed(route(tls=EDGE, port={"targetPort": 1234}), service=service()))
    assert conditions(snapshot)["Ready"] == ("False", "PortNotFound")
    assert "1234" in snapshot.route["status"]["conditions"][-1]["message"]


def test_the_loser_is_taken_down_before_the_winner_is_put_up():
    older, newer = route("a", "one", age=2, host="w.test"), route("a", "two", age=1, host="w.test")
    two = published(observed(newer, service=service(project="two")), host="w.test")
    one = observed(older, service=service(project="one"))
    result = planned(two, one, host="w.test")
    writes = [
        (
            type(action),
            action.key.namespace if isinstance(action, Delete) else action.manifest["metadata"]["namespace"],
        )
        for action in result.actions
        if isinstance(action, (Delete, Apply))
    ]
    assert writes == [(Delete, "two"), (Apply, "one")]
    two, one = applied(result, two, one)
    assert conditions(two)["Admitted"] == ("False", "HostAlreadyClaimed")
    assert conditions(two)["Stalled"] == ("True", "HostAlreadyClaimed")
    assert two.route["status"]["url"] == ""
    assert not ingresses_of(two)
    assert conditions(one)["Admitted"] == ("True", "Admitted")
    # and back, when the owner goes
    (two,) = applied(planned(two, host="w.test"), two)
    assert conditions(two)["Admitted"] == ("True", "Admitted")
    assert set(ingresses_of(two)) == {"a"}


def test_admission_and_refusal_are_told_once():
    snapshot = observed(route(tls=EDGE), service=service())
    told = [action for action in planned(snapshot).actions if isinstance(action, Event)]
    assert [(event.reason, event.type) for event in told] == [("Admitted", "Normal")]
    snapshot = published(snapshot)
    refused = planned(snapshot, host="paas.apps.test")
    told = [action for action in refused.actions if isinstance(action, Event)]
    assert [(event.reason, event.type) for event in told] == [("HostReserved", "Warning")]


@pytest.mark.parametrize("name", ["shop", "shop.http"])
def test_a_foreign_ingress_under_a_name_is_left_alone_and_said(name):
    foreign = foreign_ingress(name)
    snapshot = observed(route(tls=REDIRECT), {name: foreign}, service())
    result = planned(snapshot)
    assert not [action for action in result.actions if isinstance(action, (Apply, Delete))]
    (after,) = applied(result, snapshot)
    assert conditions(after)["Stalled"] == ("True", "NameTaken")
    assert planned(after).actions == (Requeue(15),), "the objects of others are not watched"
    assert f"kubectl delete ingress {name}" in str(after.route["status"])


def test_a_deeper_host_gets_a_certificate_of_its_own():
    snapshot = observed(route(tls=EDGE, host=DEEP), service=service())
    result = planned(snapshot, host=DEEP)
    (issue,) = [action for action in result.actions if isinstance(action, IssueCertificate)]
    assert (issue.secret, issue.hosts, issue.secret_uid) == ("shop.route-tls", (DEEP,), None)
    (before,) = applied(Plan(tuple(a for a in result.actions if a is not issue)), snapshot)
    assert conditions(before)["CertificateReady"] == ("False", "CertificatePending")
    snapshot = published(snapshot, host=DEEP)
    assert conditions(snapshot)["CertificateReady"] == ("True", "CertificateIssued")
    assert ingresses_of(snapshot)["shop"]["spec"]["tls"][0]["secretName"] == "shop.route-tls"
    last = planned(snapshot, host=DEEP)
    assert last.writes == ()
    assert last.actions == (Requeue(86400),)


CERTIFICATES = {
    "good": (certificate(DEEP), False, "True"),
    "to be renewed": (certificate(DEEP, left=RENEW_BEFORE - timedelta(seconds=1)), True, "True"),
    "expired": (certificate(DEEP, left=timedelta(seconds=-1)), True, "False"),
    "of another authority or key": (certificate(DEEP, trusted=False), True, "False"),
    "for another host": (certificate("other.b.apps.test"), True, "False"),
    "unreadable": (None, True, "False"),
}


@pytest.mark.parametrize(("found", "issued", "ready"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_t11_when_a_certificate_is_made_again(found, issued, ready):
    snapshot = observed(route(tls=EDGE, host=DEEP), service=service())
    snapshot = replace(snapshot, secret=secret_of(snapshot), certificate=found)
    result = planned(snapshot, host=DEEP)
    issues = [action for action in result.actions if isinstance(action, IssueCertificate)]
    assert [issue.secret_uid for issue in issues] == (["secret-uid"] if issued else [])
    without = Plan(tuple(action for action in result.actions if action not in issues))
    (after,) = applied(without, snapshot)
    assert conditions(after)["CertificateReady"][0] == ready
    assert "tls" in ingresses_of(after)["shop"]["spec"]  # what is there keeps serving


def test_a_certificate_is_looked_at_again_when_it_is_due():
    snapshot = observed(route(tls=EDGE, host=DEEP), service=service())
    due = certificate(DEEP, left=RENEW_BEFORE + timedelta(hours=1))
    result = planned(replace(snapshot, secret=secret_of(snapshot), certificate=due), host=DEEP)
    assert [action for action in result.actions if isinstance(action, Requeue)] == [Requeue(3600)]


def test_a_foreign_secret_under_the_name_is_left_alone():
    snapshot = observed(route(tls=EDGE, host=DEEP), service=service())
    snapshot = replace(snapshot, secret=secret_of(snapshot, ours=False))
    result = planned(snapshot, host=DEEP)
    assert not [action for action in result.actions if isinstance(action, (IssueCertificate, Apply))]
    (after,) = applied(result, snapshot)
    assert conditions(after)["Ready"] == ("False", "NameTaken")
    assert planned(after, host=DEEP).actions == (Requeue(15),), "the objects of others are not watched"


def test_a_host_beyond_the_domain_is_admitted_but_has_no_certificate():
    snapshot = published(
        observed(route(tls=EDGE, host="www.example.com"), service=service()), "www.example.com"
    )
    assert conditions(snapshot)["Admitted"] == ("True", "Admitted")
    assert conditions(snapshot)["CertificateReady"] == ("False", "CertificateUnavailable")
    assert conditions(snapshot)["Ready"] == ("False", "CertificateUnavailable")
    plain = published(observed(route(host="www.example.com"), service=service()), "www.example.com")
    assert conditions(plain)["Ready"] == ("True", "Reconciled")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"to": {}}, "spec.to.name"),
        ({"to": "shop"}, "spec.to"),
        ({"tls": {}}, "spec.tls.termination"),
        ({"tls": {"termination": "passthrough"}}, "passthrough"),
        ({"alternateBackends": [{"name": "next"}]}, "sharing traffic by weight is not supported yet"),
        ({"path": "no slash"}, "spec.path"),
    ],
)
def test_a_broken_spec_is_said_and_nothing_is_published(spec, field):
    snapshot = observed(route(**spec), service=service())
    result = planned(snapshot)
    assert not [action for action in result.actions if isinstance(action, Apply)]
    (after,) = applied(result, snapshot)
    assert conditions(after)["Admitted"] == ("False", "InvalidSpec")
    assert field in str(after.route["status"])


def test_a_status_that_cannot_be_read_is_written_anew():
    snapshot = observed({**route(tls=EDGE), "status": {"conditions": "nonsense"}}, service=service())
    (after,) = applied(planned(snapshot), snapshot)
    assert conditions(after)["Admitted"] == ("True", "Admitted")


def test_every_message_of_what_is_not_well_ends_with_what_to_do():
    snapshots = [
        published(observed(route(tls=EDGE))),
        published(observed(route(tls=EDGE, port={"targetPort": 1}), service=service())),
        applied(planned(w := observed(route(), {"shop": foreign_ingress("shop")}, service())), w)[0],
        applied(planned(w := observed(route(tls=EDGE), service=service()), host="paas.apps.test"), w)[0],
    ]
    for snapshot in snapshots:
        ready = next(c for c in snapshot.route["status"]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "False"
        assert any(word in ready["message"] for word in ("create", "change", "delete", "choose", "kubectl"))
