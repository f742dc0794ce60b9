"""The values of `get -o`: what each prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from paas.terminal.jsonpath import BadTemplate, Path, Template, path, text_of
from paas.terminal.output import Format, Table, document, trimmed
from paas.terminal.problem import usage

KINDS: Final = ("table", "wide", "json", "yaml", "name", "jsonpath=TEMPLATE", "custom-columns=HEADING:PATH,…")


@dataclass(frozen=True)
class Form:
    """A way to print objects: one of the formats, or by a template, or in columns of one's own."""

    format: Format | None = None
    template: Template | None = None
    columns: tuple[tuple[str, Path], ...] = ()
    managed_fields: bool = False
    """Whether objects are printed with them."""

    @property
    def is_table(self) -> bool:
        """Whether the API server makes the rows."""
        return self.format in (Format.TABLE, Format.WIDE)


def form(given: str, *, managed_fields: bool = False) -> Form:
    """What -o says. Raises Problem (usage)."""
    return replace(_form(given), managed_fields=managed_fields)


def _form(given: str) -> Form:
    name, equals, text = given.partition("=")
    try:
        if name == "jsonpath" and equals:
            return Form(template=Template(text))
        if name == "custom-columns" and equals:
            return Form(columns=tuple(_column(part) for part in re.split(r",(?=[^,:\]]*:)", text)))
        return Form(Format(given))
    except BadTemplate as problem:
        raise usage(f"-o {given} cannot be read", why=str(problem), hint=_EXAMPLES[name]) from problem
    except ValueError:
        raise usage(f'there is no output "{given}"', hint=f"one of: {', '.join(KINDS)}") from None


_EXAMPLES: Final = {
    "jsonpath": "-o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'",
    "custom-columns": "-o custom-columns=NAME:.metadata.name,IMAGE:.spec.image",
}


def _column(text: str) -> tuple[str, Path]:
    heading, colon, where = text.partition(":")
    if not (heading and colon and where):
        raise BadTemplate(f"{text!r} is not HEADING:PATH")
    return heading, path(where)


def sort_path(given: str) -> Path:
    """What --sort-by says. Raises Problem (usage)."""
    try:
        return path(given)
    except BadTemplate as problem:
        raise usage(
            f"--sort-by {given} cannot be read",
            why=str(problem),
            hint="--sort-by .metadata.creationTimestamp",
        ) from problem


def sort_key(where: Path, obj: Mapping[str, Any]) -> tuple[int, float, str]:
    """Objects without the field first, then numbers, then texts."""
    found = where.values(obj, obj)
    if not found or found[0] is None:
        return 0, 0, ""
    if isinstance(found[0], int | float):
        return 1, found[0], ""
    return 2, 0, text_of(found[0])


def printed(objects: Sequence[Mapping[str, Any]], form: Form, *, single: bool, headings: bool) -> str:
    """Objects in a form that is not the API server's table; `single` is one object and no List."""
    if not form.managed_fields:
        objects = [trimmed(obj) for obj in objects]
    if form.columns:
        table = Table([heading for heading, _ in form.columns])
        for obj in objects:
            cells = [
                ",".join(text_of(v) for v in where.values(obj, obj)) or None for _, where in form.columns
            ]
            table.rows.append(cells)
        return "\n".join(table.lines(headings=headings))
    if form.template is not None:
        whole = objects[0] if single else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        try:
            return form.template.render(whole)
        except BadTemplate as problem:
            raise usage("-o jsonpath cannot be printed", why=str(problem), hint="use -o json") from problem
    assert form.format is not None
    return document(objects, form.format, single=single, whole=form.managed_fields)
