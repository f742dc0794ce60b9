"""Who reaches the platform's own pods, on a cluster whose network enforces NetworkPolicies."""

from __future__ import annotations

from typing import Any

import pytest

from paas.api.resources import Manifest
from paas.install.apply import shipped_manifests
from paas.install.manifests import Keys, manifests
from paas.projects.default_objects import default_objects
from paas.settings import Settings
from tests.support.network_policies import Sender, lets_in

PROCESSES = ("operator", "server", "front")
HTTP, HEALTH = 8000, 8080
INGRESS = Sender("traefik", {"app": "traefik"})
ELSEWHERE = {
    "a pod of a project": Sender("shop", {"app": "shop"}),
    "a build": Sender("shop", {"paas.dev/build": "shop-1"}),
    "a pod beside": Sender("paas-system", {"app.kubernetes.io/name": "front"}),
    "another node": Sender(None, address="192.0.2.9"),
}


def made(**settings: Any) -> list[Manifest]:
    return manifests(
        shipped_manifests("deploy"), Settings.model_validate(settings), Keys("", "", ""), credentials_key=""
    )


def reached(objects: list[Manifest], process: str, sender: Sender, port: int) -> bool:
    (deployment,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == ("Deployment", process))
    return lets_in(objects, "paas-system", deployment["spec"]["template"]["metadata"]["labels"], sender, port)


def test_the_ports_are_those_that_the_processes_have() -> None:
    for deployment in (o for o in made() if o["kind"] == "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports.pop("health") == HEALTH
        assert ports in ({}, {"http": HTTP})


@pytest.mark.parametrize("process", PROCESSES)
def test_requests_come_through_the_ingress_controller_alone(process: str) -> None:
    objects = made()
    answers = process != "operator"
    assert reached(objects, process, INGRESS, HTTP) is answers
    assert reached(objects, process, Sender("kube-system"), HTTP) is answers
    assert not reached(objects, process, INGRESS, HEALTH)
    for who, sender in ELSEWHERE.items():
        assert not reached(objects, process, sender, HTTP), who
        assert not reached(objects, process, sender, HEALTH), who


def test_where_the_ingress_controller_runs_is_a_setting() -> None:
    objects = made(ingressNamespaces=["edge"])
    assert reached(objects, "server", Sender("edge"), HTTP)
    assert not reached(objects, "server", INGRESS, HTTP)


def test_an_ingress_controller_on_the_nodes_own_network_is_known_by_address() -> None:
    objects = made(ingressNamespaces=[], ingressNetworks=["192.0.2.0/24"])
    assert reached(objects, "front", Sender(None, address="192.0.2.9"), HTTP)
    assert not reached(objects, "front", Sender(None, address="198.51.100.1"), HTTP)
    assert not reached(objects, "front", INGRESS, HTTP)
    nowhere = made(ingressNamespaces=[])
    assert not reached(nowhere, "front", INGRESS, HTTP)


@pytest.mark.parametrize("process", PROCESSES)
def test_metrics_are_read_from_namespaces_that_an_administrator_names(process: str) -> None:
    reader = Sender("monitoring", namespace_labels={"paas.dev/reads-metrics": "true"})
    assert reached(made(), process, reader, HEALTH)
    assert not reached(made(), process, reader, HTTP)


@pytest.mark.parametrize("address", ["192.0.2.9", "198.51.100.1"])
def test_projects_are_reached_by_the_same_ingress_controllers(address: str) -> None:
    settings = Settings.model_validate({"ingressNetworks": ["192.0.2.0/24"]})
    namespace = {"metadata": {"name": "shop", "uid": "u"}}
    objects = default_objects(namespace, pull_password="", settings=settings)
    sender = Sender(None, address=address)
    assert lets_in(objects, "shop", {"app": "shop"}, sender, 8080) is (address == "192.0.2.9")
    assert lets_in(objects, "shop", {"app": "shop"}, INGRESS, 8080)
    assert lets_in(objects, "shop", {"app": "shop"}, Sender("shop"), 8080)
    assert not lets_in(objects, "shop", {"app": "shop"}, Sender("other"), 8080)
    assert not lets_in(objects, "shop", {"paas.dev/build": "b"}, Sender("shop"), 8080)
