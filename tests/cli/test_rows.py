"""Tables of the API server, and what -o makes of objects."""

from __future__ import annotations

import pytest

from paas.api.__main__ import KINDS
from paas.cli.forms import form, printed, sort_key, sort_path
from paas.cli.rows import as_table, by_name, table_of
from paas.terminal.jsonpath import path

COLUMNS = [
    {"name": "Name", "priority": 0},
    {"name": "Commit", "priority": 0},
    {"name": "Age", "priority": 0},
    {"name": "Image", "priority": 1},
]


def row(name: str, *cells: object, namespace: str = "demo") -> dict[str, object]:
    labels = {"app": "shop"} if name == "shop-7" else None
    return {
        "cells": [name, *cells],
        "object": {"metadata": {"name": name, "namespace": namespace, "labels": labels}},
    }


def test_a_table_of_columns() -> None:
    made = table_of(COLUMNS, [row("shop-7", "a" * 40, "30s", None)], namespaces=True, prefix="build/")
    assert made.lines() == [
        "NAMESPACE   NAME           COMMIT    AGE",
        "demo        build/shop-7   aaaaaaa   30s",
    ]
    wide = table_of(COLUMNS, [row("shop-7", "a" * 40, "30s", None)], labels=True)
    assert wide.lines(wide=True) == [
        "NAME     COMMIT    AGE   IMAGE    LABELS",
        "shop-7   aaaaaaa   30s   <none>   app=shop",
    ]


def test_later_rows_keep_the_widths() -> None:
    widths: list[int] = []
    first = table_of(COLUMNS, [row("a-long-name", "c", "1s", None)]).lines(widths=widths)
    later = table_of(COLUMNS, [row("b", "c", "1s", None)]).lines(widths=widths, headings=False)
    assert first[1].index("c ") == later[0].index("c ")


def test_builds_are_in_the_order_of_their_numbers() -> None:
    rows = [row("shop-10"), row("shop-9"), row("a", namespace="z"), row("shop")]
    assert [each["cells"] for each in sorted(rows, key=by_name)] == [["shop"], ["shop-9"], ["shop-10"], ["a"]]


def test_an_api_that_makes_no_tables() -> None:
    answer = {"kind": "BoatList", "items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "x"}}
    made = as_table(answer)
    assert table_of(made["columnDefinitions"], made["rows"]).lines() == ["NAME   CREATED AT", "a      <none>"]
    assert made["metadata"]["continue"] == "x"
    assert [r["cells"][0] for r in as_table({"metadata": {"name": "b"}})["rows"]] == ["b"]
    assert as_table({"kind": "Table", "columnDefinitions": [], "rows": None})["rows"] == []


def test_the_printer_columns_of_our_kinds_can_be_read() -> None:
    for kind in KINDS:
        for column in kind.columns:
            path(column.path)


PODS = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"n": 10, "c": [{"i": "x"}, {"i": "y"}]},
    },
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}, "spec": {"n": 9}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {}},
]


@pytest.mark.parametrize(
    ("given", "single", "text"),
    [
        ("name", False, "pod/a\npod/b\npod/c"),
        ("jsonpath={.items[*].metadata.name}", False, "a b c"),
        ("jsonpath={.metadata.name}", True, "a"),
        (
            "custom-columns=NAME:.metadata.name,N:.spec.n",
            False,
            "NAME   N\na      10\nb      9\nc      <none>",
        ),
        ("custom-columns=I:.spec.c[*].i,J:{.spec.c[0,1].i}", True, "I     J\nx,y   x,y"),
    ],
)
def test_forms(given: str, single: bool, text: str) -> None:
    assert printed(PODS[:1] if single else PODS, form(given), single=single, headings=True) == text


@pytest.mark.parametrize(
    ("given", "order"),
    [(".spec.n", "cba"), ("{.metadata.name}", "abc"), (".spec.c[0].i", "bca"), (".no", "abc")],
)
def test_sorting(given: str, order: str) -> None:
    where = sort_path(given)
    assert "".join(pod["metadata"]["name"] for pod in sorted(PODS, key=lambda p: sort_key(where, p))) == order
