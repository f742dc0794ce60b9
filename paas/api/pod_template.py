"""What pods are made from: a template as in any Deployment, of which only the owners are known."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from paas.api.base import Model


class TemplateMeta(Model):
    """Metadata of the pods."""

    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the pods."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the pods."""


def _named(limit: int, **properties: Any) -> dict[str, Any]:
    """Schema of a list whose items server-side apply tells apart by their name: each has owners of its own,
    as in a Deployment."""
    item = {
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"name": {"type": "string", "description": "Its name."}, **properties},
        "required": ["name"],
    }
    return {
        "type": "array",
        "description": "As in any Deployment; the names differ.",
        "items": item,
        "maxItems": limit,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }


_CONTAINERS: Final = _named(64, env=_named(1000))
PodSpec = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"containers": _CONTAINERS, "initContainers": _CONTAINERS},
        }
    ),
]
"""A pod's spec, kept as it is. Only who owns which container and variable is known of it."""


class PodTemplate(Model):
    """What the pods are made from."""

    metadata: Annotated[TemplateMeta, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=TemplateMeta
    )
    """Labels and annotations of the pods."""
    spec: PodSpec
    """The pod's spec, as in any Deployment; see `kubectl explain pod.spec`."""
