"""What an administrator changes of the platform's settings on an embedded cluster.

    `paas up --settings FILE` ─▶ checked ─▶ <state>/settings.yaml ─▶ merged over what the cluster itself says

The file has the names of `Settings` and only what differs. It is remembered, so that a later `paas up`
without the option keeps it; an empty file forgets it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from paas.node.errors import NodeError
from paas.settings import Settings
from paas.shipped import page
from paas.terminal.problem import ExitCode

FILE: Final = "settings.yaml"
DECIDED: Final = {
    "domain": "its certificates and DNS are for apps.localhost",
    "httpPort": "use --http-port",
    "httpsPort": "use --https-port",
    "platformImage": "it is built from this checkout",
}
"""What the embedded cluster says itself, and why a file cannot."""

_EXAMPLE: Final = f"an example is in {page('embedded-cluster.md')}"


def read(path: Path) -> dict[str, Any]:
    """What the file says, checked. Raises NodeError naming the field that is wrong."""
    try:
        given = yaml.safe_load(path.read_text())
    except OSError as problem:
        raise _wrong(f"cannot read {path}: {problem.strerror}", "paas up --settings FILE") from problem
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise _wrong(f"{path} is not YAML: {problem}", _EXAMPLE) from problem
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _wrong(f"{path} is not a mapping of settings", _EXAMPLE)
    for name, why in DECIDED.items():
        if name in given:
            raise _wrong(f"{path}: {name} cannot be set on an embedded cluster", "leave it out", why=why)
    merge(Settings(), given, origin=str(path))
    return given


def merge(base: Settings, given: Mapping[str, Any], *, origin: str) -> Settings:
    """`base` with what is given put over it, mapping by mapping. Raises NodeError naming the field and
    `origin`. Pure."""
    for field, known in _unknown(Settings, given):
        name = field.rpartition(".")[2]
        near = difflib.get_close_matches(name, known, n=1)
        raise _wrong(
            f"{origin}: there is no setting {field}",
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}",
        )
    try:
        return Settings.model_validate(_over(base.model_dump(mode="json", by_alias=True), given))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _wrong(
            f"{origin}: {field} is wrong", "correct it and run this again", why=first["msg"]
        ) from None


def remembered(state: Path) -> dict[str, Any]:
    """What an earlier `up` was given; {} if nothing. Raises NodeError like `read`: this version may know
    other settings."""
    path = state / FILE
    return read(path) if path.exists() else {}


def remember(state: Path, given: Mapping[str, Any]) -> None:
    """Keep it for later ups; nothing given is nothing kept."""
    path = state / FILE
    if not given:
        path.unlink(missing_ok=True)
        return
    staging = path.with_name(path.name + ".part")
    staging.write_text(yaml.safe_dump(dict(given), sort_keys=True, allow_unicode=True))
    staging.rename(path)


def _over(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged; anything else, lists too, is replaced."""
    merged = dict(base)
    for name, value in given.items():
        below = merged.get(name)
        merged[name] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _unknown(
    model: type[BaseModel], given: Mapping[str, Any], at: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Fields that the model lacks, each with those it has; a misspelt one would silently do nothing."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for name, value in given.items():
        if name not in fields:
            yield f"{at}{name}", list(fields)
            continue
        kind = fields[name]
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _unknown(kind, value, f"{at}{name}.")


def _wrong(what: str, hint: str, *, why: str = "") -> NodeError:
    return NodeError(what, why=why, next_step=hint, code=ExitCode.USAGE)
