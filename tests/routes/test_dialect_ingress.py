"""Intent → Ingress: golden manifests, and nothing of the user's where it could be a statement (T10)."""

from __future__ import annotations

import pytest

from paas.api.resources import INGRESS
from paas.api.route import InsecurePolicy, Termination
from paas.routes.capabilities import INSTEAD, Feature, needed, refusal, unsupported
from paas.routes.dialects import DEFAULT, DIALECTS
from paas.routes.dialects.ingress import ANNOTATIONS, IngressDialect
from paas.routes.intent import Backend, Intent
from tests.routes.fake_cluster import SETTINGS, route

DIALECT = IngressDialect()
ROUTER = "traefik.ingress.kubernetes.io/router"


def intent(**changes) -> Intent:
    values = {
        "host": "shop-demo.apps.test",
        "path": "/",
        "backends": (Backend("shop", 80),),
        "termination": Termination.EDGE,
        "insecure": InsecurePolicy.NONE,
        "secret": None,
    }
    return Intent(**{**values, **changes})


def test_the_golden_manifest_of_edge_tls():
    rendered = DIALECT.render(route(), intent(), SETTINGS)
    assert list(rendered) == [(INGRESS, "shop")]
    (ingress,) = rendered.values()
    assert ingress == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "namespace": "demo",
            "name": "shop",
            "labels": {
                "app.kubernetes.io/managed-by": "paas",
                "app.kubernetes.io/part-of": "shop",
                "paas.dev/route": "shop",
            },
            "annotations": {f"{ROUTER}.entrypoints": "websecure", f"{ROUTER}.tls": "true"},
            "ownerReferences": [
                {
                    "apiVersion": "paas.dev/v1",
                    "kind": "Route",
                    "name": "shop",
                    "uid": "demo-shop-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "ingressClassName": "traefik",
            "rules": [
                {
                    "host": "shop-demo.apps.test",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "shop", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ],
            "tls": [{"hosts": ["shop-demo.apps.test"]}],
        },
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"termination": None, "insecure": InsecurePolicy.ALLOW}, {"shop": ("web", None, False)}),
        ({}, {"shop": ("websecure", None, True)}),
        (
            {"insecure": InsecurePolicy.ALLOW},
            {"shop": ("websecure", None, True), "shop.http": ("web", None, False)},
        ),
        (
            {"insecure": InsecurePolicy.REDIRECT},
            {"shop": ("websecure", None, True), "shop.http": ("web", "paas-redirect@file", False)},
        ),
    ],
    ids=["no TLS", "None", "Allow", "Redirect"],
)
def test_each_policy_on_each_entry_point(changes, expected):
    children = DIALECT.render(route(), intent(**changes), SETTINGS)
    assert set(children) <= set(DIALECT.children("shop"))
    assert {resource for resource, _ in children} <= set(DIALECT.resources)
    assert {(INGRESS, child["metadata"]["name"]) for child in children.values()} == set(children)
    rendered = children.values()
    assert {
        ingress["metadata"]["name"]: (
            ingress["metadata"]["annotations"][f"{ROUTER}.entrypoints"],
            ingress["metadata"]["annotations"].get(f"{ROUTER}.middlewares"),
            "tls" in ingress["spec"],
        )
        for ingress in rendered
    } == expected
    for ingress in rendered:
        assert set(ingress["metadata"]["annotations"]) <= ANNOTATIONS


def test_a_certificate_of_its_own():
    (ingress,) = DIALECT.render(route(), intent(secret="shop.route-tls"), SETTINGS).values()
    assert ingress["spec"]["tls"] == [{"hosts": ["shop-demo.apps.test"], "secretName": "shop.route-tls"}]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ""),
        ({"loadBalancer": {}}, ""),
        ({"loadBalancer": {"ingress": [{}]}}, ""),
        ({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}, "10.0.0.1"),
        ({"loadBalancer": {"ingress": [{"hostname": "lb.test", "ip": "10.0.0.1"}]}}, "lb.test"),
    ],
)
def test_the_address_is_what_the_ingress_controller_says(status, expected):
    assert DIALECT.address("shop", {(INGRESS, "shop"): {"status": status}}) == expected
    assert DIALECT.address("shop", {(INGRESS, "shop.http"): {"status": status}}) == ""
    assert DIALECT.address("shop", {}) == ""


def test_what_the_dialect_cannot_do_is_data():
    assert Feature.EDGE in DIALECT.capabilities
    assert Feature.WEIGHTS not in DIALECT.capabilities
    assert set(DIALECTS) == {"ingress"}
    assert DIALECTS["ingress"] is DEFAULT


TWO = (Backend("shop", 80), Backend("shop-next", 80, 10))


@pytest.mark.parametrize(
    ("changes", "features", "lacking"),
    [
        ({"termination": None, "insecure": InsecurePolicy.ALLOW}, set(), ()),
        ({}, {Feature.EDGE}, ()),
        ({"insecure": InsecurePolicy.ALLOW}, {Feature.EDGE, Feature.INSECURE_ALLOW}, ()),
        ({"insecure": InsecurePolicy.REDIRECT}, {Feature.EDGE, Feature.INSECURE_REDIRECT}, ()),
        ({"secret": "x", "path": "/api"}, {Feature.EDGE, Feature.OWN_CERTIFICATE, Feature.PATH}, ()),
        ({"termination": Termination.PASSTHROUGH}, {Feature.PASSTHROUGH}, (Feature.PASSTHROUGH,)),
        ({"termination": Termination.REENCRYPT}, {Feature.REENCRYPT}, (Feature.REENCRYPT,)),
        ({"backends": (Backend("shop", 80, 1),)}, {Feature.EDGE}, ()),
        ({"backends": (Backend("shop", 80, 0),)}, {Feature.EDGE, Feature.WEIGHTS}, (Feature.WEIGHTS,)),
        ({"backends": TWO}, {Feature.EDGE, Feature.WEIGHTS}, (Feature.WEIGHTS,)),
        (
            {"backends": TWO, "termination": Termination.REENCRYPT},
            {Feature.REENCRYPT, Feature.WEIGHTS},
            (Feature.REENCRYPT, Feature.WEIGHTS),
        ),
    ],
)
def test_what_an_intent_needs_and_what_the_dialect_lacks(changes, features, lacking):
    assert needed(intent(**changes)) == features
    assert unsupported(intent(**changes), DIALECT.capabilities) == lacking


def test_every_feature_that_is_lacking_comes_with_what_to_do():
    assert set(INSTEAD) == set(Feature)
    assert refusal((Feature.PASSTHROUGH,)) == "tls.termination passthrough is not supported yet; use edge"


def test_what_the_dialect_cannot_do_is_not_rendered_in_part():
    """One of two backends would get all requests."""
    with pytest.raises(ValueError, match="too many values"):
        DIALECT.render(route(), intent(backends=TWO), SETTINGS)
