"""A copy of a JSON document, as `copy.deepcopy` makes it, several times faster; no cycles."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def copied(document: T) -> T:
    """The same document in new dicts and lists; texts, numbers, booleans and None are shared."""
    made: Any
    if isinstance(document, dict):
        made = {key: copied(value) for key, value in document.items()}
    elif isinstance(document, list):
        made = [copied(value) for value in document]
    elif isinstance(document, tuple):
        made = tuple(copied(value) for value in document)
    else:
        made = document
    return made
