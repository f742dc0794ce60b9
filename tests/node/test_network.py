"""What of the host's network decides about an instance."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest

from paas.node import network
from paas.node.errors import NodeError
from paas.node.spec import CANDIDATES, Subnets, check_name, choose_subnets


def test_the_first_subnets_are_taken_when_nothing_collides() -> None:
    assert choose_subnets(["192.0.2.0/24", "127.0.0.1/8", "0.0.0.0/0"]) == CANDIDATES[0]


@pytest.mark.parametrize("used", ["10.0.0.0/8", "10.244.3.7/24", "10.96.0.1/32", "10.200.0.0/30"])
def test_networks_of_the_host_are_avoided(used: str) -> None:
    assert choose_subnets([used]) == CANDIDATES[1]


def test_with_everything_taken_there_is_still_an_answer() -> None:
    assert choose_subnets(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"]) in CANDIDATES


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_node_pods_and_services_of_a_candidate_do_not_meet(candidate: Subnets) -> None:
    networks = [ip_network(each) for each in (candidate.node, candidate.pods, candidate.services)]
    assert not any(a.overlaps(b) for a, b in combinations(networks, 2))
    assert ip_address(candidate.dns_service) in networks[2]


def test_networks_are_read_from_routes_and_addresses() -> None:
    routes = [{"dst": "default", "dev": "eth0"}, {"dst": "10.1.0.0/16"}]
    addresses = [
        {"addr_info": [{"family": "inet", "local": "10.1.2.3", "prefixlen": 16}, {"family": "inet6"}]},
        {},
    ]
    assert network.networks_of(routes, addresses) == ("10.1.0.0/16", "10.1.2.3/16")


@pytest.mark.parametrize(
    ("resolv", "systemd", "expected"),
    [
        ("nameserver 192.0.2.53\n", "", ("192.0.2.53",)),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.53\n", ("192.0.2.53", "127.0.0.53")),
        ("# nothing\nnameserver\nnameserver fd00::1\nnameserver 127.0.0.1\n", "", ("127.0.0.1",)),
        ("", "", ()),
    ],
)
def test_resolvers_that_can_be_asked_come_first(resolv: str, systemd: str, expected: tuple[str, ...]) -> None:
    assert network.upstream_resolvers(resolv, systemd) == expected


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not network.port_is_free(port)
    assert network.port_is_free(port)


@pytest.mark.parametrize("name", ["default", "a", "e2e-2"])
def test_names_of_instances(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a-", "a/b", "..", "x" * 40])
def test_names_that_would_make_bad_folders_are_refused(name: str) -> None:
    with pytest.raises(NodeError, match="cannot name an instance"):
        check_name(name)
