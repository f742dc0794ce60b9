"""Which port of a Service a Route means."""

from __future__ import annotations

import pytest

from paas.api.names import Reason
from paas.api.route import RouteSpec
from paas.routes.backend import backend_problem, service_names, service_port
from tests.routes.fake_cluster import service

TWO = service(
    {"name": "web", "port": 80, "targetPort": "http"},
    {"name": "admin", "port": 9000, "targetPort": 8081},
    {"name": "same", "port": 7000},
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, 80),
        ("http", 80),
        ("web", 80),
        (8081, 9000),
        ("8081", 9000),
        ("admin", 9000),
        (9000, 9000),
        (7000, 7000),
        (1234, None),
        ("nothing", None),
        ("", None),
    ],
)
def test_the_port_is_looked_up_by_target_then_by_name_or_number(target, expected):
    assert service_port(TWO, target) == expected


def test_a_target_port_counts_before_a_port_of_that_number():
    swapped = service(
        {"name": "a", "port": 80, "targetPort": 81}, {"name": "b", "port": 81, "targetPort": 80}
    )
    assert service_port(swapped, 80) == 81


def test_a_service_without_ports_has_none():
    assert service_port({"spec": {}}, None) is None
    assert service_port({}, 80) is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"to": {"name": "a"}}, ["a"]),
        ({"to": {"name": "a"}, "alternateBackends": [{"name": "b"}, {"name": "c"}]}, ["a", "b", "c"]),
        ({"to": "broken", "alternateBackends": [{}, {"name": 1}]}, []),
        ({}, []),
    ],
)
def test_the_services_that_a_route_names(spec, expected):
    assert list(service_names({"spec": spec})) == expected


def test_every_backend_must_be_reachable():
    spec = RouteSpec.model_validate({"to": {"name": "a"}, "alternateBackends": [{"name": "b"}]})
    there = {"spec": {"ports": [{"port": 80}]}}
    assert backend_problem(spec, {"a": there, "b": there}) is None
    missing = backend_problem(spec, {"a": there})
    assert missing is not None
    assert missing.reason == Reason.SERVICE_NOT_FOUND
    assert "spec.alternateBackends[0].name" in missing.message
    portless = backend_problem(spec, {"a": there, "b": {}})
    assert portless is not None
    assert portless.reason == Reason.PORT_NOT_FOUND
    assert portless.message.startswith("Service b has no port at all")
