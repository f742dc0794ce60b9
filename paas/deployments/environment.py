"""Environment variables of containers, as `set env` changes and lists them.

A value arrives in the process as it was given here: what Kubernetes would replace in it is escaped on the way
in, and shown without the escapes. A manifest written by hand keeps Kubernetes' meaning of `$(NAME)`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paas.api.resources import Key
from paas.kube.body import is_unicode
from paas.kube.expansion import given, literal, refers
from paas.terminal.naming import variable_not_text
from paas.terminal.problem import Problem, usage


def change_of(text: str) -> tuple[str, str | None]:
    """`NAME=value` as (name, value), `NAME-` as (name, None). Raises Problem (usage)."""
    match = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_.-]*?)(?:=(.*)|(-))", text, re.DOTALL)
    if match is None:
        raise usage(f'"{text}" changes no variable', hint="NAME=VALUE sets one, NAME- removes one")
    if not is_unicode(text):
        raise variable_not_text(match[1])
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
    left = {name: None if value is None else literal(value) for name, value in changes.items()}
    for entry in env:
        if entry["name"] not in changes:
            result.append(dict(entry))
        elif (value := left.pop(entry["name"], None)) is not None:
            result.append({"name": entry["name"], "value": value})
    return result + [{"name": name, "value": value} for name, value in left.items() if value is not None]


def refuse_port(
    key: Key, position: int, container: Mapping[str, Any], changes: Mapping[str, str | None]
) -> None:
    """Raises Problem when PORT alone would change: the readiness probe, the Service and the Route lead to the
    port of the container, and nothing would answer there any more. `position` is the container's."""
    env = list(container.get("env") or ())
    at = next((index for index, entry in enumerate(env) if entry["name"] == "PORT"), None)
    before = env[at].get("value") if at is not None else None
    if "PORT" not in changes or changes["PORT"] == before or before is None:
        return
    ports = list(container.get("ports") or ())
    there = next((i for i, port in enumerate(ports) if str(port.get("containerPort")) == before), None)
    if there is None:
        return
    wanted, path = changes["PORT"] or "", f"/spec/template/spec/containers/{position}"
    number = wanted if wanted.isdecimal() and 0 < int(wanted) <= 65535 else "9000"
    both = [
        {"op": "replace", "path": f"{path}/ports/{there}/containerPort", "value": int(number)},
        {"op": "replace", "path": f"{path}/env/{at}/value", "value": number},
    ]
    patch = shlex.quote(json.dumps(both, separators=(",", ":")))
    raise Problem(
        f'PORT of "{key.name}" goes with the port of its container, which is {before}',
        why="the readiness probe, the Service and the Route lead there, and nothing would answer",
        hint=f"leave PORT out, or change both at once: kubectl patch dc {key.name} -n {key.namespace}"
        f" --type=json -p {patch}",
    )


def listed(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each variable, as `set env` takes it; with more than one container, each under its name. A
    comment is what no NAME=VALUE can say: a value from elsewhere, or one put together from others."""
    lines = []
    for container in containers:
        if len(containers) > 1:
            lines.append(f"# container {container['name']}")
        for entry in container.get("env") or ():
            lines.append(_listed(entry))
    return lines


def _listed(entry: Mapping[str, Any]) -> str:
    name, value = entry["name"], str(entry.get("value") or "")
    if "valueFrom" in entry:
        return f"# {name} {_origin(entry['valueFrom'] or {})}"
    if refers(value):
        return f"# {name}={value} (Kubernetes replaces each $(NAME) by that variable)"
    return f"{name}={given(value)}"


def _origin(reference: Mapping[str, Any]) -> str:
    for kind, word in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
        if found := reference.get(kind):
            return f"from {word} {found.get('name')}, key {found.get('key')}"
    for found in reference.values():
        if isinstance(found, Mapping) and (path := found.get("fieldPath") or found.get("resource")):
            return f"from the pod's own {path}"
    return "from a reference"
