"""Reference pages for people, docs/reference/: what each kind's fields mean, and what refuses them.

They are written from the same CustomResourceDefinitions that the API server gets, so they cannot say
anything else. Pure: text in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from paas.api import descriptions
from paas.api.base import Kind
from paas.api.crds import PRESERVE, crd
from paas.api.names import Reason
from paas.api.resources import Manifest

HEADER: Final = "<!-- Generated from the models by `make crds`; edit those. -->\n"
NOT_SUPPORTED: Final = "not supported yet"
UNBOUNDED: Final = frozenset({64, 4096})
"""Maxima that `api.crds` sets where a field has none: the pages leave them out."""


@dataclass(frozen=True)
class Row:
    """One field: its path below spec or status, and what a person wants to know about it."""

    path: str
    type: str
    default: str
    meaning: str
    refused: tuple[str, ...]
    """Why a value is refused; the messages are those that the API server answers."""

    @property
    def supported(self) -> bool:
        """Whether the field may be set at all."""
        return not any(text.startswith(f"{_last(self.path)} is {NOT_SUPPORTED}") for text in self.refused)


def page(kind: Kind) -> str:
    """The page of a kind."""
    schema = _schema(kind)
    properties = schema["properties"]
    resource = kind.resource
    where = "in a project" if resource.namespaced else "of the cluster"
    spec = list(rows(properties["spec"], "spec"))
    short = f"; short {', '.join(f'`{name}`' for name in kind.short_names)}" if kind.short_names else ""
    parts = [
        HEADER + f"# {resource.kind}",
        schema["description"],
        f"`apiVersion: {resource.api_version}`, {where}; `kubectl get {resource.plural}`{short}.",
        "## Example",
        f"```yaml\n{kind.example}```",
        "## Rules for the whole object",
        _bullets(rule["message"] for rule in schema["x-kubernetes-validations"]),
        "## Spec",
        _table(
            ("field", "type", "default", "meaning", "refused"),
            (
                (f"`{row.path}`", row.type, row.default, row.meaning, "; ".join(row.refused))
                for row in spec
                if row.supported
            ),
        ),
    ]
    unsupported = [row for row in spec if not row.supported]
    if unsupported:
        parts += [
            "### Not supported yet",
            "OpenShift has these fields. The API server refuses them by name, rather than ignoring them.",
            _table(
                ("field", "meaning in OpenShift"), ((f"`{row.path}`", row.meaning) for row in unsupported)
            ),
        ]
    parts += [
        "## Status",
        _table(
            ("field", "type", "meaning"),
            ((f"`{row.path}`", row.type, row.meaning) for row in rows(properties["status"], "status")),
        ),
        "## Conditions",
        _table(
            ("type", "True means", "reasons"),
            ((f"`{c.type}`", c.meaning, ", ".join(f"`{r}`" for r in c.reasons)) for c in kind.conditions),
        ),
        "## Reasons",
        _table(("reason", "when"), _reasons(kind)),
        "## Columns of `kubectl get` and `paas get`",
        _table(
            ("column", "shows", ""),
            ((c.name, f"`{c.path}`", "with `-o wide`" if c.priority else "") for c in kind.columns),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def index(kinds: Iterable[Kind]) -> str:
    """The page that lists all kinds."""
    lines = (
        (f"[{kind.resource.kind}]({kind.singular}.md)", _names(kind), _schema(kind)["description"])
        for kind in kinds
    )
    return "\n\n".join(
        (
            HEADER + "# Reference",
            "Every field of every kind, as in `kubectl explain`, with what the API server refuses and why.",
            _table(("kind", "names", "what it is"), lines) + "\n",
        )
    )


def rows(node: Manifest, path: str) -> Iterator[Row]:
    """The fields below a node, in the order of the models; a list's are below `[]`, a map's below `.*`."""
    messages = [(rule["rule"], rule["message"]) for rule in node.get("x-kubernetes-validations", ())]
    required = node.get("required", ())
    for name, child in node.get("properties", {}).items():
        refused = [text for rule, text in messages if _about(rule) == {name}]
        row = Row(
            path=f"{path}.{name}",
            type=_type(child),
            default=_default(child),
            meaning=child.get("description", ""),
            refused=(*(["missing"] if name in required else []), *_limits(child), *refused),
        )
        yield row
        if row.supported:
            yield from rows(*_inside(child, row.path))
    several = [text for rule, text in messages if len(_about(rule)) != 1]
    if several:
        yield Row(path, "", "", "The fields together.", tuple(several))


def _inside(node: Manifest, path: str) -> tuple[Manifest, str]:
    """The node whose properties a reader looks for below `path`, and their path."""
    if node.get("type") == "array":
        return _inside(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        return _inside(node["additionalProperties"], f"{path}.*")
    return node, path


def _about(rule: str) -> set[str]:
    """The fields that a CEL rule speaks of, by their names in the object."""
    return {name.replace("__", "") for name in re.findall(r"self\.(\w+)", rule.replace("oldSelf.", "self."))}


def _type(node: Manifest) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "integer or string"
    match node.get("type"):
        case "array":
            return f"list of {_type(node['items'])}"
        case "object" if isinstance(node.get("additionalProperties"), dict):
            return f"map of {_type(node['additionalProperties'])}"
        case None if node.get(PRESERVE):
            return "any"
        case kind:
            return str(kind)


def _default(node: Manifest) -> str:
    default: Any = node.get("default")
    if default is None or default in ({}, [], "") or isinstance(default, dict):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _limits(node: Manifest) -> Iterator[str]:
    """What the schema itself refuses."""
    if "enum" in node:
        yield "other than " + ", ".join(f"`{value}`" for value in node["enum"])
    for word, unit in (("maxLength", "characters"), ("maxItems", "entries"), ("maxProperties", "entries")):
        if word in node and node[word] not in UNBOUNDED:
            yield f"more than {node[word]} {unit}"
    for word, unit in (("minLength", "characters"), ("minItems", "entries")):
        if word in node:
            yield f"fewer than {node[word]} {unit}"
    if "minimum" in node:
        yield f"{node['minimum']} or less" if node.get("exclusiveMinimum") else f"less than {node['minimum']}"
    if "maximum" in node:
        yield f"{node['maximum']} or more" if node.get("exclusiveMaximum") else f"more than {node['maximum']}"
    if "pattern" in node:
        yield f"does not match `{node['pattern']}`"


def _reasons(kind: Kind) -> Iterator[tuple[str, str]]:
    meanings = descriptions.of(Reason)
    seen = dict.fromkeys(reason for condition in kind.conditions for reason in condition.reasons)
    return ((f"`{reason}`", meanings[reason.name]) for reason in seen)


def _schema(kind: Kind) -> Manifest:
    schema: Manifest = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _names(kind: Kind) -> str:
    return ", ".join(f"`{name}`" for name in (kind.resource.plural, kind.singular, *kind.short_names))


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; a `|` inside a cell is escaped."""
    body = (" | ".join(cell.replace("|", r"\|") for cell in line) for line in lines)
    return "\n".join((f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {line} |" for line in body)))
