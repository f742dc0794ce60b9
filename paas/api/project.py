"""A project is a Namespace labelled `paas.dev/project=true`; it has no kind of its own.

Names that a project may not have: the cluster's and the platform's own, and `paas`, whose images in the
registry (`paas/...`) every project may pull.
"""

from __future__ import annotations

from typing import Any, Final

from paas.api import names

RESERVED_NAMES: Final = frozenset({"default", "openshift", "kubernetes", "kube", "paas"})
RESERVED_PREFIXES: Final = ("openshift-", "kubernetes-", "kube-", "paas-")

ANNOTATION_STATUS: Final = "paas.dev/project-status"
"""On a project's Namespace: `ready`, or `preparing: …` or `stalled: …` with what is missing."""
READY: Final = "ready"

SECRETS_ROLE: Final = "paas-secrets"
"""ClusterRole by which the operator reads and writes the Secrets of a project, and no others."""
WEBHOOKS_ROLE: Final = "paas-webhooks"
"""ClusterRole by which server and front read the Secrets of a project's webhooks, and no others."""
PUSHER_ROLE: Final = "paas-pusher"
"""ClusterRole that a project's `pusher` is bound to, shipped with the platform."""


def is_reserved(name: str) -> bool:
    """Whether a project may not have this name."""
    return name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES)


def is_labelled(namespace: dict[str, Any] | None) -> bool:
    """Whether somebody asks for this Namespace (JSON data, or None) to be a project."""
    metadata = (namespace or {}).get("metadata") or {}
    return (metadata.get("labels") or {}).get(names.LABEL_PROJECT) == "true"


def is_project(namespace: dict[str, Any] | None) -> bool:
    """Whether a Namespace (JSON data, or None) is a project."""
    return namespace is not None and is_labelled(namespace) and not is_reserved(namespace["metadata"]["name"])


def status_of(namespace: dict[str, Any] | None) -> str:
    """What the Namespace says about the project's state; empty when nothing yet."""
    metadata = (namespace or {}).get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(ANNOTATION_STATUS) or "")
