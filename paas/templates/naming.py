"""Names of applications: what may be one, what one is made of when none is given."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LIMIT = 52
"""Longest name: its builds and revisions get names of at most 63 characters from it."""
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def problem_of(name: str, *, limit: int = LIMIT) -> str | None:
    """Why `name` cannot be a name (a sentence's second half), or None."""
    if len(name) > limit:
        return f"it has {len(name)} characters, at most {limit} fit"
    if not _NAME.fullmatch(name):
        return "lower-case letters, digits and '-' only, a letter first, no '-' last"
    return None


def suggestion(text: str, *, limit: int = LIMIT) -> str:
    """The nearest name to a folder's or repository's name; may be empty."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower().removesuffix(".git")).strip("-")
    return re.sub(r"^[0-9-]+", "", slug)[:limit].rstrip("-")


def is_url(text: str) -> bool:
    return "://" in text or bool(re.match(r"[\w.-]+@[\w.-]+:", text))


def last_part(url: str) -> str:
    """`shop` of https://host/team/shop.git."""
    return urlsplit(url).path.rstrip("/").rpartition("/")[2].removesuffix(".git")


def variable(text: str) -> tuple[str, str] | None:
    """Name and value of `NAME=value`, or None when it is not one."""
    name, equals, value = text.partition("=")
    return (name, value) if equals and _VARIABLE.fullmatch(name) else None
