"""A project is a Namespace labelled `paas.dev/project=true`; it has no kind of its own.

Names that a project may not have: the cluster's and the platform's own, and `paas`, whose images in the
registry (`paas/...`) every project may pull.
"""

from __future__ import annotations

from typing import Any, Final

from paas.kube import names
from paas.kube.model import Kind

KINDS: Final[tuple[Kind, ...]] = ()

RESERVED_NAMES: Final = frozenset({"default", "openshift", "kubernetes", "kube", "paas"})
RESERVED_PREFIXES: Final = ("openshift-", "kubernetes-", "kube-", "paas-")

ANNOTATION_STALLED: Final = "paas.dev/stalled"
"""On a project's Namespace: why it could not be given all that a project is given; absent when it was."""

PUSHER_ROLE: Final = "paas-pusher"
"""ClusterRole that a project's `pusher` is bound to, shipped with the platform."""


def is_reserved(name: str) -> bool:
    """Whether a project may not have this name."""
    return name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES)


def is_project(namespace: dict[str, Any] | None) -> bool:
    """Whether a Namespace (JSON data, or None) is a project."""
    metadata = (namespace or {}).get("metadata") or {}
    labelled = (metadata.get("labels") or {}).get(names.LABEL_PROJECT) == "true"
    return labelled and not is_reserved(str(metadata["name"]))
