"""Tables as the API server makes them (meta.k8s.io Table), which are those that kubectl prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paas.api.resources import Manifest
from paas.terminal.output import Table


def metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (row.get("object") or {}).get("metadata") or {}
    return found


def by_name(row: Mapping[str, Any]) -> tuple[str, str, int]:
    """By namespace and name, with shop-10 after shop-9."""
    name, namespace = str(metadata(row).get("name", "")), str(metadata(row).get("namespace", ""))
    base, _, number = name.rpartition("-")
    return (namespace, base, int(number)) if base and number.isdigit() else (namespace, name, -1)


def as_table(answer: Mapping[str, Any]) -> Manifest:
    """The answer, if the API server made a table of it; else one of names and when they were created."""
    if answer.get("kind") == "Table":
        return {**answer, "rows": answer.get("rows") or []}
    objects = answer["items"] if isinstance(answer.get("items"), list) else [answer]
    rows = [
        {"cells": [o["metadata"]["name"], o["metadata"].get("creationTimestamp")], "object": o}
        for o in objects
    ]
    columns = [{"name": "Name", "priority": 0}, {"name": "Created At", "priority": 0}]
    return {"columnDefinitions": columns, "rows": rows, "metadata": answer.get("metadata") or {}}


def table_of(
    columns: Sequence[Mapping[str, Any]],
    rows: Iterable[Mapping[str, Any]],
    *,
    namespaces: bool = False,
    labels: bool = False,
    prefix: str = "",
) -> Table:
    """What is printed of rows; with `namespaces` NAMESPACE first, `prefix` before each name."""
    headings = [str(column["name"]).upper() for column in columns]
    wide = frozenset(h for h, column in zip(headings, columns, strict=True) if column.get("priority"))
    first, last = ["NAMESPACE"] if namespaces else [], ["LABELS"] if labels else []
    table = Table([*first, *headings, *last], wide=wide)
    for row in rows:
        cells = [_cell(value) for value in row["cells"]]
        if prefix and cells:
            cells[0] = f"{prefix}{cells[0]}"
        about = metadata(row)
        before = [about.get("namespace")] if namespaces else []
        after = (
            [",".join(f"{k}={v}" for k, v in (about.get("labels") or {}).items()) or None] if labels else []
        )
        table.rows.append([*before, *cells, *after])
    return table


def _cell(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value):
        return value[:7]  # a commit
    return str(value)
