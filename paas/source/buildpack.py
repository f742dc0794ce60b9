"""One buildpack: what fits, which facts to read from the source, the runtime image, the template. Pure.

Everything that buildpack.yaml says is validated here, so that detection and rendering can rely on it.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME: Final = r"^[a-z][a-z0-9-]{0,30}$"
FACT: Final = r"^[a-z][a-z0-9_]{0,30}$"
FILE: Final = r"^[A-Za-z0-9._][A-Za-z0-9._/-]{0,200}$"


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as problem:
        raise ValueError(f"is not a regular expression: {problem}") from problem
    return text


def _inside(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("leads out of the source")
    return path


Regex = Annotated[str, AfterValidator(_regex)]
FileName = Annotated[str, Field(pattern=FILE), AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """One way to learn a fact; a fact's rules are tried in order and the first that holds decides.

    Without `file` a rule always holds. `matches` is looked for line by line in the file; the fact is
    `value`, else the first group of the match, else the file's name.
    """

    file: FileName | None = None
    matches: Regex | None = None
    value: str | None = None
    says: str | None = None
    """What people are told when this rule decides; `{value}` is the fact."""


class Fact(_Strict):
    """A value for the template: what it must look like, and how it is learnt."""

    pattern: Regex = r"[^\x00-\x1f]{0,1000}"
    """The whole value must match this."""
    rules: tuple[Rule, ...] = Field(min_length=1)
    missing: str | None = None
    """Told as the reason of failure when no rule holds; without it the fact is then empty."""


class Pin(_Strict):
    """Where a source may ask for a version of the language: the first group of a line that matches."""

    file: FileName
    matches: Regex


class Lists(_Strict):
    """Lists of dependencies that the buildpack does not read itself, so that none is left out in silence."""

    own: tuple[FileName, ...] = ()
    """Of the buildpack's language: an application of which no list was read cannot be whole."""
    others: tuple[FileName, ...] = ()
    """Of other languages: people are told."""
    read: dict[str, tuple[str, ...]] = {}
    """Values of facts, any of which says that a list of the language was read."""


class Runtime(_Strict):
    """The image that applications of this language run in."""

    image: str = Field(pattern=NAME)
    """Its name below the platform's runtime registry."""
    tag: str = Field(default="latest", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
    reference: str
    """The public image that a cluster with access to a hub takes."""
    version: str = Field(default="", pattern=r"^([0-9]+\.[0-9]+)?$")
    """Major and minor version of the language in the image; empty when it has none."""
    suite: str = "bookworm"
    packages: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")], ...] = ()
    """Debian suite and packages that the embedded cluster makes the image from."""
    environment: dict[str, str] = {}
    """Set in the image."""


class Buildpack(_Strict):
    """One buildpack, read and checked."""

    name: str = Field(pattern=NAME)
    title: str
    """The language as people call it."""
    detect: tuple[FileName, ...] = Field(min_length=1)
    """It fits a source that has any of these files."""
    order: int = 100
    """Of several that fit, the lowest is taken."""
    port: int = Field(default=8080, ge=1, le=65535)
    """Given to the application as $PORT."""
    runtime: Runtime
    pins: tuple[Pin, ...] = ()
    lists: Lists = Lists()
    facts: dict[Annotated[str, Field(pattern=FACT)], Fact] = {}
    template: str

    @property
    def runtime_name(self) -> str:
        return f"{self.runtime.image}:{self.runtime.tag}"
