"""Intent → Ingress: golden manifests, and nothing of the user's where it could be a statement (T10)."""

from __future__ import annotations

import pytest

from paas.api.route import InsecurePolicy
from paas.routes.capabilities import CAPABILITIES, Feature
from paas.routes.dialects.ingress import ANNOTATIONS, address, child_names, render
from paas.routes.intent import Intent
from tests.routes.fake_cluster import SETTINGS, route

ROUTER = "traefik.ingress.kubernetes.io/router"


def intent(**changes) -> Intent:
    values = {
        "host": "shop-demo.apps.test",
        "path": "/",
        "service": "shop",
        "port": 80,
        "tls": True,
        "insecure": InsecurePolicy.NONE,
        "secret": None,
    }
    return Intent(**{**values, **changes})


def test_the_golden_manifest_of_edge_tls():
    (ingress,) = render(route(), intent(), SETTINGS)
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
        ({"tls": False, "insecure": InsecurePolicy.ALLOW}, {"shop": ("web", None, False)}),
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
    rendered = render(route(), intent(**changes), SETTINGS)
    assert {
        ingress["metadata"]["name"]: (
            ingress["metadata"]["annotations"][f"{ROUTER}.entrypoints"],
            ingress["metadata"]["annotations"].get(f"{ROUTER}.middlewares"),
            "tls" in ingress["spec"],
        )
        for ingress in rendered
    } == expected
    assert {ingress["metadata"]["name"] for ingress in rendered} <= set(child_names("shop"))
    for ingress in rendered:
        assert set(ingress["metadata"]["annotations"]) <= ANNOTATIONS


def test_a_certificate_of_its_own():
    (ingress,) = render(route(), intent(secret="shop.route-tls"), SETTINGS)
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
    assert address({"status": status}) == expected
    assert address(None) == ""


def test_what_the_dialect_cannot_carry_is_data():
    assert Feature.EDGE in CAPABILITIES["ingress"]
    assert Feature.WEIGHTS not in CAPABILITIES["ingress"]
    assert set(CAPABILITIES) == {"ingress"}
