"""What an instance starts and how it is configured, from its spec alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from paas.node import commands, config, manifests
from paas.node.components import COMPONENTS
from paas.node.processes import Process, to_document
from paas.node.spec import CANDIDATES, Instance

INSTANCE = Instance(
    name="one",
    state=Path("/state/one"),
    binaries=Path("/bin-of-paas"),
    pause_image=Path("/cache/pause.tar"),
    http_port=18080,
    https_port=18443,
    api_port=16443,
)


def process(name: str, instance: Instance = INSTANCE) -> Process:
    return next(each for each in commands.processes(instance) if each.name == name)


def test_only_ports_of_loopback_are_opened_on_the_host() -> None:
    argv = process("pasta").argv
    forwards = [each for each in argv if each.startswith("--tcp-ports=")]
    assert forwards == [
        "--tcp-ports=127.0.0.1/18080:80",
        "--tcp-ports=127.0.0.1/18443:443",
        "--tcp-ports=127.0.0.1/16443:6443",
    ]
    # nothing of the host's loopback is opened to pods, neither by ports nor by the gateway's address
    assert {"--tcp-ns=none", "--udp-ns=none", "--udp-ports=none", "--no-map-gw"} <= set(argv)


def test_every_process_starts_after_what_it_needs() -> None:
    started: set[str] = set()
    for each in commands.processes(INSTANCE):
        assert set(each.after) <= started, each.name
        started.add(each.name)


def test_an_order_that_can_never_start_is_refused() -> None:
    with pytest.raises(ValueError, match="a waits for b"):
        to_document(
            [Process(name="a", argv=("a",), after=("b",)), Process(name="b", argv=("b",))],
            setup=[], mounts={}, drain={},
        )  # fmt: skip


def test_what_could_start_pods_again_ends_before_them_and_etcd_ends_last() -> None:
    phases = {each.name: each.stop for each in commands.processes(INSTANCE)}
    assert {name for name, phase in phases.items() if phase == 0} == {
        "kubelet", "kube-controller-manager", "kube-scheduler",
    }  # fmt: skip
    assert phases["containerd"] < phases["etcd"] < phases["pasta"]


def test_binaries_are_those_that_are_compiled() -> None:
    known = {binary for component in COMPONENTS.values() for binary in component.binaries}
    for each in commands.processes(INSTANCE):
        ours = [Path(word) for word in each.argv if word.startswith("/bin-of-paas/")]
        assert ours or each.name == "pasta"
        assert {path.name for path in ours} <= known


def test_etcd_is_safe_unless_asked_otherwise() -> None:
    assert "--unsafe-no-fsync" not in process("etcd").argv
    assert "--unsafe-no-fsync" in process("etcd", replace(INSTANCE, fsync=False)).argv


def test_long_pushes_are_not_cut_by_the_ingress() -> None:
    argv = process("traefik").argv
    for entry_point in ("web", "websecure"):
        assert f"--entrypoints.{entry_point}.transport.respondingtimeouts.readtimeout=0" in argv


def test_redirects_go_to_the_external_port() -> None:
    rendered = yaml.safe_load(config.files(INSTANCE, host_resolvers=[])["traefik-dynamic.yaml"])
    redirect = rendered["http"]["middlewares"]["paas-redirect"]["redirectScheme"]
    assert redirect == {"scheme": "https", "port": "18443", "permanent": False}


def test_the_registry_asks_for_tokens_but_on_loopback() -> None:
    files = config.files(INSTANCE, host_resolvers=[])
    real, loopback = yaml.safe_load(files["registry.yaml"]), yaml.safe_load(files["registry-bootstrap.yaml"])
    assert real["auth"]["token"]["realm"] == "https://paas.paas.internal/registry/token"
    assert real["auth"]["token"]["signingalgorithms"] == ["ES256"]
    assert "auth" not in loopback
    assert loopback["http"]["addr"].startswith("127.0.0.1:")
    assert real["storage"] == loopback["storage"]
    assert "certificate" in loopback["http"]["tls"]


def test_every_path_is_below_the_instance_or_private_to_it() -> None:
    """Two instances share no file: what is not in the state folder is in the instance's own /run."""
    one = json.dumps(commands.document(INSTANCE, keep=())) + str(config.files(INSTANCE, host_resolvers=[]))
    other = replace(INSTANCE, name="two", state=Path("/state/two"))
    two = json.dumps(commands.document(other, keep=())) + str(config.files(other, host_resolvers=[]))
    assert "/state/two" not in one
    assert "/state/one" not in two
    assert "paas-one" in one
    assert "paas-one" not in two


def test_kubelet_cannot_reach_the_hosts_settings() -> None:
    shielded = commands.document(INSTANCE, keep=())["mounts"]["sysctls"]
    assert {"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom"} <= set(
        shielded
    )


def test_the_addresses_are_the_same_everywhere() -> None:
    elsewhere = replace(INSTANCE, subnets=CANDIDATES[1])
    text = json.dumps(commands.document(elsewhere, keep=())) + str(config.files(elsewhere, host_resolvers=[]))
    text += json.dumps(manifests.foundation(elsewhere))
    assert CANDIDATES[1].node in text
    assert not any(word in text for word in ("10.200.0.1", "10.244.", "10.96."))


def test_a_node_has_no_wildcard_rights() -> None:
    for manifest in manifests.foundation(INSTANCE):
        for rule in manifest.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        if manifest["kind"] == "ClusterRoleBinding":
            assert manifest["roleRef"]["name"].startswith("system:paas:")


def test_a_checkout_elsewhere_changes_nothing_of_a_running_instance() -> None:
    shared = (Path("/var/lib/paas/one"), Path("/var/cache/paas"))
    one = commands.document(INSTANCE, keep=(*shared, Path("/home/ann/paas")))
    two = commands.document(INSTANCE, keep=(*shared, Path("/tmp/paas")))
    assert one == two
    assert one["mounts"]["keep"] == ["/var/lib/paas/one"]
    hidden = commands.document(INSTANCE, keep=(*shared, Path("/var/lib/ann/paas")))
    assert "/var/lib/ann/paas" in hidden["mounts"]["keep"], "or its init process could not be started"
