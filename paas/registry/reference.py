"""Image references as people write them, taken apart: `registry/repository:tag@digest`.

The grammar is that of the distribution project. A reference without a registry means Docker Hub, and one
without a slash its `library/`; nothing here resolves it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

DEFAULT_REGISTRY: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
MAX_REPOSITORY: Final = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)


class InvalidReference(ValueError):
    """The text is not an image reference; the message says what is wrong with it."""


@dataclass(frozen=True)
class Reference:
    """An image somewhere, or with neither tag nor digest a repository; `str()` gives it back in full."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}"
        if self.tag is not None:
            text += f":{self.tag}"
        if self.digest is not None:
            text += f"@{self.digest}"
        return text

    def by_digest(self, digest: str) -> Reference:
        """The same repository, pinned to `digest`."""
        return replace(self, tag=None, digest=digest)


@dataclass(frozen=True)
class StreamTag:
    """A tag of an ImageStream: what OpenShift writes as `shop:latest`."""

    stream: str
    tag: str

    def __str__(self) -> str:
        return f"{self.stream}:{self.tag}"


def parse(text: str) -> Reference:
    """Take a reference apart. Raises InvalidReference."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise InvalidReference(f"{text!r}: after '@' there must be sha256: and 64 hex digits")
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost" or head != head.lower()):
        registry, path = head, tail
    else:
        registry, path = DEFAULT_REGISTRY, rest
    if _REGISTRY.fullmatch(registry) is None:
        raise InvalidReference(f"{text!r}: {registry!r} is not the address of a registry")
    repository, colon, tag = path.partition(":")
    if colon and not is_tag(tag):
        raise InvalidReference(f"{text!r}: {tag!r} is not a tag")
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    if not is_repository(repository):
        raise InvalidReference(
            f"{text!r}: {repository!r} is not a repository: lower-case letters, digits, '.-_/'"
        )
    return Reference(registry, repository, tag if colon else None, digest if at else None)


def parse_stream_tag(name: str) -> StreamTag:
    """Take `stream:tag` apart; without a tag it is `latest`. Raises InvalidReference."""
    stream, colon, tag = name.partition(":")
    if not is_repository(stream) or "/" in stream:
        raise InvalidReference(f"{name!r}: {stream!r} is not the name of an ImageStream")
    if colon and not is_tag(tag):
        raise InvalidReference(f"{name!r}: {tag!r} is not a tag")
    return StreamTag(stream, tag if colon else DEFAULT_TAG)


def is_repository(text: str) -> bool:
    return len(text) <= MAX_REPOSITORY and _REPOSITORY.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def target(build: Mapping[str, Any]) -> StreamTag | None:
    """The stream tag that a Build (JSON data) feeds; None when it names none of its own project."""
    to = ((build.get("spec") or {}).get("output") or {}).get("to") or {}
    if to.get("kind", "ImageStreamTag") != "ImageStreamTag" or not isinstance(to.get("name"), str):
        return None
    if to.get("namespace") not in (None, "", build["metadata"].get("namespace")):
        return None
    try:
        return parse_stream_tag(to["name"])
    except InvalidReference:
        return None
