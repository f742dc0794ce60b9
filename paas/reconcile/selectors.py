"""How a resource and its labels are named where they are asked for: by kopf, and by the API server."""

from __future__ import annotations

from collections.abc import Mapping

from paas.api.resources import Resource


def selector_of(resource: Resource) -> tuple[str, ...]:
    """How kopf names a resource: (group, version, plural), or (version, plural) of the core group."""
    core = (resource.version, resource.plural)
    return (resource.group, *core) if resource.group else core


def label_selector(labels: Mapping[str, str] | None) -> str | None:
    """The API server's form of equality on labels; None selects everything."""
    return ",".join(f"{name}={value}" for name, value in (labels or {}).items()) or None
