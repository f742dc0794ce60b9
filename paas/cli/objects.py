"""How people name objects: `bc/shop`, `bc shop`, `builds`, `all`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paas.api.names import GROUP
from paas.terminal.naming import APP_WORDS
from paas.terminal.problem import usage

PROJECT_WORDS: Final = ("project", "projects")
OWN: Final = tuple(
    f"{plural}.{GROUP}"
    for plural in ("buildconfigs", "builds", "imagestreams", "deploymentconfigs", "routes")
)
"""What `all` stands for: our five kinds, in the order in which a push goes through them."""
OUR_WORDS: Final = frozenset(
    ("bc", "buildconfig", "buildconfigs", "build", "builds", "is", "imagestream", "imagestreams", "dc",
     "deploymentconfig", "deploymentconfigs", "rt", "route", "routes")
)  # fmt: skip


@dataclass(frozen=True)
class Named:
    """What a person named: `kind` as typed, None for an application; `name` None for all of them."""

    kind: str | None
    name: str | None


def parse(arguments: Sequence[str]) -> list[Named]:
    """What `get`'s and `delete`'s arguments name: `bc`, `bc,dc`, `bc shop`, `bc/shop dc/shop`, `all`.

    Raises Problem (usage).
    """
    if not arguments:
        return [Named(kind, None) for kind in OWN]
    if any("/" in argument for argument in arguments):
        return [_pair(argument) for argument in arguments]
    words, names = arguments[0].split(","), arguments[1:]
    if words == ["all"]:
        if names:
            raise usage("all takes no names", hint=f"paas get app {names[0]}")
        return [Named(kind, None) for kind in OWN]
    kinds = [None if word.lower() in APP_WORDS else word for word in words if word]
    if not kinds:
        raise usage("no kind is named", hint="paas get builds, or: paas get app")
    return [Named(kind, name) for kind in kinds for name in (names or (None,))]


def _pair(argument: str) -> Named:
    word, slash, name = argument.partition("/")
    if not (word and slash and name) or "/" in name:
        raise usage(f'"{argument}" is not KIND/NAME', hint="write bc/shop dc/shop, or bc shop")
    return Named(None if word.lower() in APP_WORDS else word, name)
