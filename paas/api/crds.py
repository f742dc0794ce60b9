"""Models -> CustomResourceDefinitions: one truth for what people may write and what code reads.

pydantic's JSON schema is turned into a structural one: `$ref` inlined, nullable unions reduced to their
type (absent is the only "null" here), numbers' exclusive bounds written the OpenAPI way, and a maximum
put on every string, list and map, without which CEL rules do not fit the API server's cost budget.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from paas.api import descriptions
from paas.api.base import Kind, Model
from paas.api.resources import Manifest

MAX_STRING, MAX_ITEMS, MAX_PROPERTIES = 4096, 64, 64
"""Given to strings (characters), lists (items) and maps (entries) that set no maximum themselves."""
PRESERVE = "x-kubernetes-preserve-unknown-fields"


def crd(kind: Kind) -> Manifest:
    """The CustomResourceDefinition of a kind."""
    resource = kind.resource
    subresources: Manifest = {"status": {}}
    if kind.scale:
        subresources["scale"] = dict(kind.scale)
    columns = [
        {
            "name": c.name,
            "jsonPath": c.path,
            "type": c.type,
            **({"priority": c.priority} if c.priority else {}),
        }
        for c in kind.columns
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "labels": {"app.kubernetes.io/part-of": "paas-system"},
        },
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": list(kind.categories),
            },
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "subresources": subresources,
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _root(kind: Kind) -> Manifest:
    return {
        "type": "object",
        "description": _first_line(kind.spec),
        # OpenShift's ImageStreams often have no spec at all.
        **({"required": ["spec"]} if any(f.is_required() for f in kind.spec.model_fields.values()) else {}),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema_of(kind.spec),
            "status": schema_of(kind.status),
        },
        "x-kubernetes-validations": [
            {"rule": rule, "message": text} for rule, text in (*kind.name_rule.cel, *kind.rules)
        ],
    }


def schema_of(model: type[Model]) -> Manifest:
    """The structural schema of a model."""
    raw = model.model_json_schema(by_alias=True, mode="validation", schema_generator=_Described)
    return structural(raw, raw.get("$defs", {}))


class _Described(GenerateJsonSchema):
    """JSON schemas in which every field has its description."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        cls = schema["cls"]
        for name, text in descriptions.of(cls).items():
            if (field := cls.model_fields.get(name)) is not None:
                made["properties"][field.alias or name]["description"] = text
        return made


def structural(schema: Manifest, defs: Manifest) -> Manifest:
    """One node of pydantic's JSON schema as a structural one."""
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[1]]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, defs)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        rest = {k: v for k, v in schema.items() if k != "allOf"}
        return structural({**schema["allOf"][0], **rest}, defs)
    if "anyOf" in schema:
        return _union(schema, defs)
    node = _common(schema)
    if PRESERVE in schema:
        named = {name: structural(value, defs) for name, value in schema.get("properties", {}).items()}
        more = {key: schema[key] for key in ("required",) if key in schema}
        return {**node, "type": "object", PRESERVE: True, **({"properties": named} if named else {}), **more}
    if "x-kubernetes-int-or-string" in schema:
        return node
    match schema.get("type"):
        case "object":
            _object(node, schema, defs)
        case "array":
            _array(node, schema, defs)
        case "string":
            node["type"] = "string"
            if "enum" not in node:
                node["maxLength"] = schema.get("maxLength", MAX_STRING)
                node |= {k: schema[k] for k in ("minLength", "pattern") if k in schema}
        case "integer" | "number":
            _number(node, schema)
        case "boolean":
            node["type"] = "boolean"
        case None if "const" in schema or "enum" in schema:
            node["type"] = "string"
        case _:
            node[PRESERVE] = True
    return node


def _common(schema: Manifest) -> Manifest:
    node: Manifest = {}
    if description := schema.get("description"):
        node["description"] = " ".join(str(description).split("\n\n")[0].split())
    if schema.get("default") is not None:
        node["default"] = _without_nulls(schema["default"])
    if "const" in schema:
        node["enum"] = [schema["const"]]
    elif "enum" in schema:
        node["enum"] = schema["enum"]
    node |= {k: v for k, v in schema.items() if k.startswith("x-kubernetes-")}
    return node


def _without_nulls(value: Any) -> Any:
    """A default as the API server accepts it: absent instead of null."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value


def _union(schema: Manifest, defs: Manifest) -> Manifest:
    options = [option for option in schema["anyOf"] if option.get("type") != "null"]
    rest = {k: v for k, v in schema.items() if k != "anyOf"}
    if len(options) == 1:
        return structural({**options[0], **rest}, defs)
    if {option.get("type") for option in options} == {"integer", "string"}:
        return {**_common(rest), "x-kubernetes-int-or-string": True}
    raise ValueError(f"a structural schema knows no union of {options}")


def _object(node: Manifest, schema: Manifest, defs: Manifest) -> None:
    node["type"] = "object"
    if "properties" in schema:
        node["properties"] = {name: structural(value, defs) for name, value in schema["properties"].items()}
        conditions = node["properties"].get("conditions")
        if conditions is not None and conditions.get("type") == "array":
            conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        if schema.get("required"):
            node["required"] = schema["required"]
        if isinstance(node.get("default"), dict):
            # The API server validates a default by the rules before it fills in the defaults inside it.
            inside = {n: p["default"] for n, p in node["properties"].items() if "default" in p}
            node["default"] = {**inside, **node["default"]}
    elif isinstance(schema.get("additionalProperties"), dict):
        node["additionalProperties"] = structural(schema["additionalProperties"], defs)
        node["maxProperties"] = schema.get("maxProperties", MAX_PROPERTIES)
    elif schema.get("additionalProperties") is True:
        node[PRESERVE] = True


def _array(node: Manifest, schema: Manifest, defs: Manifest) -> None:
    node["type"] = "array"
    node["items"] = structural(schema["items"], defs)
    node["maxItems"] = schema.get("maxItems", MAX_ITEMS)
    if "minItems" in schema:
        node["minItems"] = schema["minItems"]


def _number(node: Manifest, schema: Manifest) -> None:
    node["type"] = schema["type"]
    if node["type"] == "integer":
        node["format"] = "int64"
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if bound in schema:
            node[bound] = schema[bound]
        elif exclusive in schema:
            node |= {bound: schema[exclusive], exclusive: True}


def _first_line(model: type[Model]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())
