"""What a Build says of itself: its phase, its commit, what it waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paas.api.build import SOURCE_CHANGES, TERMINAL, Phase
from paas.terminal.output import shorten


def name_of(obj: Mapping[str, Any]) -> str:
    """metadata.name."""
    return str(obj["metadata"]["name"])


def is_same(found: Mapping[str, Any] | None, known: Mapping[str, Any]) -> bool:
    """Whether this is the object that is known: one that was deleted and made again under its name is not."""
    return found is not None and found["metadata"].get("uid") == known["metadata"].get("uid")


def phase_of(build: Mapping[str, Any]) -> str:
    """The phase; New for a Build that no controller has seen."""
    return str((build.get("status") or {}).get("phase") or Phase.NEW)


def is_over(build: Mapping[str, Any]) -> bool:
    """Whether it has ended, well or not."""
    return phase_of(build) in TERMINAL


def commit_of(build: Mapping[str, Any]) -> str:
    """The full commit, or '' when only `fetch` will know it."""
    return str((build.get("status") or {}).get("commit") or _git(build).get("commit") or "")


def ref_of(build: Mapping[str, Any]) -> str:
    """The branch (or other ref) that was pushed, or ''."""
    return str(_git(build).get("ref") or "").removeprefix("refs/heads/")


def commit_message(build: Mapping[str, Any]) -> str:
    """The commit's whole message, or ''."""
    return str(_git(build).get("message") or "")


def author_of(build: Mapping[str, Any]) -> str:
    """Who wrote the commit, or ''."""
    return str((_git(build).get("author") or {}).get("name") or "")


def _git(build: Mapping[str, Any]) -> Mapping[str, Any]:
    return ((build.get("spec") or {}).get("revision") or {}).get("git") or {}


def commit_text(ref: str, commit: str, message: str, author: str) -> str:
    """`main 3f2c9ab "Fix login" (alice)`, as far as it is known."""
    parts = [ref, commit[:7]]
    if message:
        parts.append(f'"{shorten(message, 60)}"')
    if author:
        parts.append(f"({shorten(author, 40)})")
    return " ".join(part for part in parts if part)


def digest_of(build: Mapping[str, Any]) -> str:
    """Digest of the image that the build made, or ''."""
    to = ((build.get("status") or {}).get("output") or {}).get("to") or {}
    return str(to.get("imageDigest") or "")


def tag_of(build: Mapping[str, Any]) -> str:
    """The ImageStreamTag that the image goes to: `shop:latest`."""
    return str(build["spec"]["output"]["to"]["name"])


def ahead_of(build: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the unfinished builds of the same BuildConfig with lower numbers, lowest first."""
    number = int(build["spec"]["number"])
    ahead = [
        other
        for other in others
        if other["spec"].get("buildConfigUid") == build["spec"].get("buildConfigUid")
        and int(other["spec"]["number"]) < number
        and not is_over(other)
    ]
    return [name_of(other) for other in sorted(ahead, key=lambda other: int(other["spec"]["number"]))]


def is_source_change(build: Mapping[str, Any]) -> bool:
    """Whether new source asked for it."""
    return (build["spec"].get("trigger") or {}).get("type") in SOURCE_CHANGES
