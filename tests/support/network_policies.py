"""What NetworkPolicies let in, by the rules that Kubernetes documents: for tests of policies, as the networks
of these tests' clusters enforce none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from paas.api.resources import Manifest

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Sender:
    """Who sends: a pod of a namespace, or, without one, a node."""

    namespace: str | None
    pod: Labels = field(default_factory=dict)
    namespace_labels: Labels = field(default_factory=dict)
    address: str = "10.0.0.1"


def lets_in(policies: Iterable[Manifest], namespace: str, pod: Labels, sender: Sender, port: int) -> bool:
    """Whether a TCP connection from another node arrives at a pod."""
    chosen = [
        policy["spec"]
        for policy in policies
        if policy["kind"] == "NetworkPolicy"
        and policy["metadata"]["namespace"] == namespace
        and "Ingress" in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], pod)
    ]
    if not chosen:
        return True
    return any(
        (not rule.get("from") or any(_is_peer(peer, sender, namespace) for peer in rule["from"]))
        and (not rule.get("ports") or any(_is_port(each, port) for each in rule["ports"]))
        for spec in chosen
        for rule in spec.get("ingress") or ()
    )


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector selects these labels."""
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], expression.get("values")
        holds = {
            "In": lambda key=key, values=values: labels.get(key) in values,
            "NotIn": lambda key=key, values=values: labels.get(key) not in values,
            "Exists": lambda key=key: key in labels,
            "DoesNotExist": lambda key=key: key not in labels,
        }[expression["operator"]]()
        if not holds:
            return False
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())


def _is_port(rule: Mapping[str, Any], port: int) -> bool:
    return rule.get("protocol", "TCP") == "TCP" and rule.get("port", port) == port


def _is_peer(peer: Mapping[str, Any], sender: Sender, namespace: str) -> bool:
    if "ipBlock" in peer:
        return ip_address(sender.address) in ip_network(peer["ipBlock"]["cidr"])
    if sender.namespace is None:
        return False
    if "namespaceSelector" in peer:
        own = {"kubernetes.io/metadata.name": sender.namespace, **sender.namespace_labels}
        if not matches(peer["namespaceSelector"], own):
            return False
    elif sender.namespace != namespace:
        return False
    return matches(peer.get("podSelector") or {}, sender.pod)
