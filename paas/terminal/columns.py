"""The printer columns of a kind, evaluated as `kubectl get` does, so both print the same table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from paas.api.base import Column
from paas.terminal.output import Table, age

# .name, [0], [?(@.type=='Ready')], ['dotted.key']
_STEP = re.compile(
    r"\.(?P<field>[\w-]+)|\[(?P<index>\d+)\]|\[\?\(@\.(?P<key>\w+)==[\"'](?P<value>[^\"']*)[\"']\)\]"
    r"|\[[\"'](?P<quoted>[^\"']+)[\"']\]"
)


def value_at(obj: Any, path: str) -> Any:
    """What the JSONPath says (the subset that printer columns use), or None. ValueError for other paths."""
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"cannot read the path {path!r}")
        position = step.end()
        obj = _take(obj, step)
        if obj is None:
            return None
    return obj


def _take(obj: Any, step: re.Match[str]) -> Any:
    if field := step["field"] or step["quoted"]:
        return obj.get(field) if isinstance(obj, Mapping) else None
    if not isinstance(obj, list):
        return None
    if step["index"] is not None:
        return obj[int(step["index"])] if int(step["index"]) < len(obj) else None
    return next((item for item in obj if str(item.get(step["key"])) == step["value"]), None)


def table(
    columns: Iterable[Column],
    objects: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    namespaces: bool = False,
    prefix: str = "",
) -> Table:
    """NAME, then the columns; with `namespaces` NAMESPACE first. `prefix` is put before each name."""
    shown = list(columns)
    headings = (["NAMESPACE"] if namespaces else []) + ["NAME"] + [column.name.upper() for column in shown]
    result = Table(headings, wide=frozenset(column.name.upper() for column in shown if column.priority))
    for obj in objects:
        row: list[str | None] = [obj["metadata"].get("namespace")] if namespaces else []
        row.append(prefix + obj["metadata"]["name"])
        row += [_cell(value_at(obj, column.path), column.type, now) for column in shown]
        result.rows.append(row)
    return result


def _cell(value: Any, type_: str, now: datetime) -> str | None:
    if value is None or value == "":
        return None
    if type_ == "date":
        return age(str(value), now)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value):
        return value[:7]  # a commit
    return str(value)
