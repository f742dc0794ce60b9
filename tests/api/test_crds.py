"""Schemas are structural: no references, no null unions, a maximum on all that can grow."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from paas.api.base import Model, Opaque, unsupported
from paas.api.crds import MAX_ITEMS, MAX_STRING, schema_of


class Part(Model):
    """A part."""

    size: int = Field(default=1, gt=0, le=9)
    port: int | str | None = None
    hooks: Opaque | None = None
    cel = unsupported("hooks")


class Whole(Model):
    """A whole. With a second sentence.

    And a second paragraph.
    """

    part: Part = Part()
    parts: list[Part] | None = None
    mode: Literal["On", "Off"] = "On"
    labels: dict[str, str] = Field(default_factory=dict)
    snake_case: str | None = None


SCHEMA = schema_of(Whole)


def walk(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in walk(value))]
    if isinstance(node, list):
        return [found for value in node for found in walk(value)]
    return []


def test_no_reference_and_no_union_is_left() -> None:
    for node in walk(SCHEMA):
        assert not {"$ref", "anyOf", "allOf", "$defs", "title"} & node.keys()


def test_wire_names_are_camel_case() -> None:
    assert "snakeCase" in SCHEMA["properties"]


def test_everything_that_can_grow_has_a_maximum() -> None:
    assert SCHEMA["properties"]["snakeCase"]["maxLength"] == MAX_STRING
    assert SCHEMA["properties"]["parts"]["maxItems"] == MAX_ITEMS
    assert SCHEMA["properties"]["labels"]["maxProperties"] > 0


def test_exclusive_bounds_are_written_the_openapi_way() -> None:
    assert SCHEMA["properties"]["part"]["properties"]["size"]["minimum"] == 0
    assert SCHEMA["properties"]["part"]["properties"]["size"]["exclusiveMinimum"] is True


def test_int_or_string_and_opaque_objects() -> None:
    properties = SCHEMA["properties"]["part"]["properties"]
    assert properties["port"] == {"x-kubernetes-int-or-string": True}
    assert properties["hooks"]["x-kubernetes-preserve-unknown-fields"] is True


@pytest.mark.parametrize("path", [("part",), ("parts", "items")])
def test_a_refused_field_is_in_the_schema_with_a_rule_that_names_it(path: tuple[str, ...]) -> None:
    node = SCHEMA["properties"]
    for step in path:
        node = node[step]
    (rule,) = node["x-kubernetes-validations"]
    assert rule["rule"] == "!has(self.hooks)"
    assert "hooks is not supported yet" in rule["message"]
