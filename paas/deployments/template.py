"""Pod templates as data: what is compared, and what is frozen.

A container that an image trigger covers gets its image from the trigger, so the image written in the
spec is only a placeholder: it is left out of every comparison.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from paas.api.resources import Manifest
from paas.reconcile.meta import short_hash


def clean(value: Any) -> Any:
    """Without nulls: to the API server a null and an absent field are the same."""
    if isinstance(value, Mapping):
        return {key: clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


def normal(template: Mapping[str, Any]) -> Manifest:
    """The template without nulls and with only the metadata that pods take over."""
    cleaned = clean(template)
    metadata = cleaned.get("metadata") or {}
    kept = {name: dict(metadata[name]) for name in ("labels", "annotations") if metadata.get(name)}
    return {"metadata": kept, "spec": cleaned.get("spec") or {}}


def containers(
    template: Mapping[str, Any], *, fields: tuple[str, ...] = ("initContainers", "containers")
) -> Iterator[Mapping[str, Any]]:
    """Init containers, then containers; whatever is malformed is skipped (the API server will say)."""
    spec = template.get("spec") or {}
    for field in fields:
        listed = spec.get(field)
        for container in listed if isinstance(listed, list) else ():
            if isinstance(container, Mapping) and isinstance(container.get("name"), str):
                yield container


def main_image(template: Mapping[str, Any]) -> str | None:
    """Of the first container that is no init container."""
    first = next(containers(template, fields=("containers",)), {})
    return str(first["image"]) if first.get("image") else None


def images(template: Mapping[str, Any]) -> dict[str, str]:
    """Container name -> image; containers without one are left out."""
    return {str(c["name"]): str(c["image"]) for c in containers(template) if c.get("image")}


def with_images(template: Manifest, chosen: Mapping[str, str | None]) -> Manifest:
    """The template with these containers' images set, or (None) taken out."""

    def changed(container: Any) -> Any:
        if not isinstance(container, Mapping) or container.get("name") not in chosen:
            return container
        rest = {key: value for key, value in container.items() if key != "image"}
        image = chosen[container["name"]]
        return rest if image is None else {**rest, "image": image}

    spec = dict(template.get("spec") or {})
    for field in ("initContainers", "containers"):
        if isinstance(spec.get(field), list):
            spec[field] = [changed(container) for container in spec[field]]
    return {**template, "spec": spec}


def comparable(template: Mapping[str, Any], covered: Collection[str]) -> Manifest:
    """What ConfigChange looks at: the template without the images that triggers set."""
    return with_images(normal(template), dict.fromkeys(covered))


def fingerprint(template: Mapping[str, Any], covered: Collection[str]) -> str:
    """16 hex digits; two templates that ConfigChange tells apart have different ones."""
    return short_hash(json.dumps(comparable(template, covered), sort_keys=True, default=str), length=16)
