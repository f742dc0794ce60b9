"""Data for people and for programs: table, wide, json, yaml, name; as kubectl prints them.

Tables have no borders and short ages, NAME comes first, so awk works on them. JSON and YAML are the API
objects as they are, without managedFields; what a terminal would obey is written by its number, as JSON
allows. Text that others wrote (commit messages, logs) is made plain before it reaches a terminal: control
characters could otherwise write what the reader sees.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from paas.terminal.colour import state


class Format(StrEnum):
    """Values of -o/--output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class Table:
    """Rows under headings; a heading in `wide` shows with -o wide only. Cells are text, or None."""

    headings: Sequence[str]
    rows: list[Sequence[str | None]] = field(default_factory=list)
    wide: frozenset[str] = frozenset()

    def lines(
        self,
        *,
        wide: bool = False,
        headings: bool = True,
        colours: bool = False,
        widths: list[int] | None = None,
    ) -> list[str]:
        """The table with columns three spaces apart and no trailing blanks; names of states in colour.

        `widths` are those that columns have at least; it is changed to what they got, for rows to come.
        """
        shown = [i for i, heading in enumerate(self.headings) if wide or heading not in self.wide]
        rows = [[plain(self.headings[i]).replace("\n", " ") for i in shown]] if headings else []
        rows += [[_cell(row[i]) for i in shown] for row in self.rows]
        if not rows:
            return []
        widths = [] if widths is None else widths
        least = widths or [0] * len(shown)
        widths[:] = [max(least[i], *(_width(row[i]) for row in rows)) for i in range(len(shown))]
        named = [self.headings[i] in ("NAME", "NAMESPACE") for i in shown]
        return [
            "   ".join(
                state(cell, colours=colours and not name) + " " * (width - _width(cell))
                for cell, width, name in zip(row, widths, named, strict=True)
            ).rstrip()
            for row in rows
        ]


def _cell(value: str | None) -> str:
    return plain(value).replace("\n", " ").strip() or "<none>" if value is not None else "<none>"


def _width(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# C0 but tab and newline, DEL, C1, and the marks that turn the writing direction around
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` without terminal escapes and control characters (tab and newline stay)."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def visible(text: str) -> str:
    """`text` with its control characters written by their numbers, as JSON does (tab and newline stay)."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shorten(text: str, limit: int) -> str:
    """The first line of `text`, cut to `limit` characters with an ellipsis."""
    first = plain(text).strip().partition("\n")[0]
    return first.rstrip() if len(first) <= limit else first[: limit - 1].rstrip() + "…"


def age(since: str | None, now: datetime) -> str | None:
    """How long ago an RFC 3339 time is, as kubectl says it; None without a time."""
    if not since:
        return None
    then = datetime.fromisoformat(since)
    return duration((now - then).total_seconds())


def duration(seconds: float) -> str:
    """`45s`, `3m20s`, `25m`, `5h30m`, `30h`, `3d`, `2y`: two figures at most."""
    s = max(0, int(seconds))
    minutes, hours, days = s // 60, s // 3600, s // 86400
    if s < 120:
        return f"{s}s"
    if minutes < 10:
        return f"{minutes}m{s % 60}s" if s % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d" if days < 730 else f"{days // 365}y"


def trimmed(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object without managedFields, which say nothing to a person."""
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
    return {**obj, "metadata": metadata}


def short_name(obj: Mapping[str, Any]) -> str:
    """`build.paas.dev/shop-7`, which `get` and `delete` (ours and kubectl's) take as it is."""
    group = str(obj["apiVersion"]).rpartition("/")[0]
    kind = str(obj["kind"]).lower() + (f".{group}" if group else "")
    return f"{kind}/{obj['metadata']['name']}"


def document(
    objects: Sequence[Mapping[str, Any]], format_: Format, *, single: bool, whole: bool = False
) -> str:
    """The objects as json, yaml or names; `single` prints the one object itself instead of a List, `whole`
    its managedFields too."""
    if format_ is Format.NAME:
        return "\n".join(short_name(obj) for obj in objects)
    items = [dict(obj) if whole else trimmed(obj) for obj in objects]
    data = items[0] if single else {"apiVersion": "v1", "kind": "List", "items": items}
    return data_document(data, format_)


def data_document(data: Any, format_: Format) -> str:
    """Any data as json or yaml."""
    if format_ is Format.JSON:
        return visible(json.dumps(data, indent=4, ensure_ascii=False))
    return to_yaml(data).rstrip("\n")


def to_yaml(data: Any) -> str:
    """Block YAML that keeps the order of keys."""
    import yaml

    def dumped(*, allow_unicode: bool) -> str:
        return yaml.safe_dump(
            data, sort_keys=False, allow_unicode=allow_unicode, default_flow_style=False, width=1000
        )

    text = dumped(allow_unicode=True)
    return dumped(allow_unicode=False) if _CONTROLS.search(text) else text
