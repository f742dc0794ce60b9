"""Peers of a NetworkPolicy. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from paas.api.resources import Manifest


def peers(*, namespaces: Iterable[str], networks: Iterable[str]) -> list[Manifest]:
    """All pods of these namespaces, by name, and these CIDRs. Nothing of both is an empty list, which in a
    rule means everybody."""
    named = sorted(namespaces)
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": named}
    return [
        *([{"namespaceSelector": {"matchExpressions": [expression]}}] if named else []),
        *({"ipBlock": {"cidr": cidr}} for cidr in networks),
    ]
