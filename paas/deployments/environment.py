"""Environment variables of containers, as `set env` changes and lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paas.terminal.problem import usage


def change_of(text: str) -> tuple[str, str | None]:
    """`NAME=value` as (name, value), `NAME-` as (name, None). Raises Problem (usage)."""
    match = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_.-]*?)(?:=(.*)|(-))", text, re.DOTALL)
    if match is None:
        raise usage(f'"{text}" changes no variable', hint="NAME=VALUE sets one, NAME- removes one")
    return match[1], None if match[3] else match[2]


def changes_of(texts: Iterable[str]) -> dict[str, str | None]:
    """What `NAME=value` and `NAME-` change together. Raises Problem (usage)."""
    changes: dict[str, str | None] = {}
    for name, value in map(change_of, texts):
        if name in changes and (changes[name] is None) != (value is None):
            raise usage(f'"{name}" would be both set and removed', hint=f"leave {name}=… or {name}- out")
        changes[name] = value
    return changes


def changed_env(env: Sequence[Mapping[str, Any]], changes: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """`env` with the changes: known names keep their place, new ones come last."""
    result = []
    left = dict(changes)
    for entry in env:
        if entry["name"] not in changes:
            result.append(dict(entry))
        elif (value := left.pop(entry["name"], None)) is not None:
            result.append({"name": entry["name"], "value": value})
    return result + [{"name": name, "value": value} for name, value in left.items() if value is not None]


def listed(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each variable; with more than one container, each under its name."""
    lines = []
    for container in containers:
        if len(containers) > 1:
            lines.append(f"# container {container['name']}")
        for entry in container.get("env") or ():
            value = entry.get("value", "") if "valueFrom" not in entry else "(from a reference)"
            lines.append(f"{entry['name']}={value}")
    return lines
