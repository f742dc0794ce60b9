"""Objects as bytes for the API server.

A server-side apply is read as YAML there, which knows no pairs of `\\ud83c\\udf88` escapes, and takes some
characters for line ends or refuses them; so text goes as UTF-8, and those characters as single escapes, which
mean the same in JSON and in YAML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from paas.kube.errors import NotUnicode

_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(value: Any, *, separators: tuple[str, str] | None = None) -> str:
    """`value` as JSON on one line that YAML reads alike."""
    text = json.dumps(value, ensure_ascii=False, separators=separators)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def encoded(value: Any) -> bytes:
    """`value` as a request's body. Raises NotUnicode when a text in it is not Unicode."""
    try:
        return json_text(value).encode()
    except UnicodeEncodeError as problem:
        raise NotUnicode(next(_not_unicode(value, ""), "")) from problem


def is_unicode(text: str) -> bool:
    """Whether the text can be sent: bytes of a command line that are not UTF-8 arrive as lone surrogates."""
    return text.isascii() or _LONE_SURROGATE.search(text) is None


def as_unicode(value: Any) -> Any:
    """`value` with `\ufffd` for what is not Unicode in its texts. What others wrote (a commit message from
    a git host) can hold lone surrogates, and must be kept all the same."""
    match value:
        case str():
            return value if is_unicode(value) else _LONE_SURROGATE.sub("\ufffd", value)
        case dict():
            return {as_unicode(key): as_unicode(item) for key, item in value.items()}
        case list() | tuple():
            return [as_unicode(item) for item in value]
        case _:
            return value


def _not_unicode(value: Any, path: str) -> Iterator[str]:
    """Where in `value` text is not Unicode."""
    if isinstance(value, str):
        if not is_unicode(value):
            yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield from (path for path in (inner,) if not is_unicode(str(key)))
            yield from _not_unicode(item, inner)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_unicode(item, f"{path}[{index}]")
