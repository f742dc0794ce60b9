"""kubectl's JSONPath templates, with the examples of its documentation."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.terminal.jsonpath import BadTemplate, Template, path, text_of

# https://kubernetes.io/docs/reference/kubectl/jsonpath/
NODES = {
    "kind": "List",
    "items": [
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
            "status": {
                "capacity": {"cpu": "4"},
                "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}],
            },
        },
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.2"},
            "status": {
                "capacity": {"cpu": "8"},
                "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"},
                    {"type": "another", "address": "127.0.0.3"},
                ],
            },
        },
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}},
    ],
}
BUILD = {
    "metadata": {"labels": {"paas.dev/app": "shop"}},
    "spec": {"number": 7, "cancelled": False, "none": None},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "False"}],
        "list": [{"x": 1}, {"x": 2}, {"x": 3}],
    },
    "flags": [
        {"name": "a", "on": True},
        {"name": "b", "on": False},
        {"name": "c", "on": "yes", "truest": "yes"},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("kind is {.kind}", "kind is List"),
        ("{.kind}", "List"),
        ("{['kind']}", "List"),
        ("{@.kind}", "List"),
        ("{$.kind}", "List"),
        ("{kind}", "List"),
        (".kind", "List"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.users[0].name}", "myself"),
        ("{..username}", "admin"),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ("{.users[?(@.name=='e2e')].user.password}", "secret"),
        ("{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"),
        ("{.items[0].metadata.labels['kubernetes.io/hostname']}", "127.0.0.1"),
        (
            '{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}',
            "[127.0.0.1, 4] [127.0.0.2, 8] ",
        ),
        (
            '{range .items[*]}{.metadata.name}{"\\t"}{.status.capacity.cpu}{"\\n"}{end}',
            "127.0.0.1\t4\n127.0.0.2\t8\n",
        ),
        ("{range .items[*]}{.metadata.name}{'\\n'}{end}", "127.0.0.1\n127.0.0.2\n"),
        (
            "{range .items[*]}{.metadata.name}:{range .status.addresses[*]} {.address}{end};{end}",
            "127.0.0.1: 127.0.0.1;127.0.0.2: 127.0.0.2 127.0.0.3;",
        ),
        ('{.kind " has " .users[*].name}', "List has myself e2e"),
        ("{.users[0].user}", "{}"),
        ("{.items[0].status.addresses}", '[{"type":"LegacyHostIP","address":"127.0.0.1"}]'),
        ("{.items[1]['metadata','kind']}", '{"name":"127.0.0.2"} None'),
        ("{.nothing.at.all}", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_documentation_of_kubectl(template: str, text: str) -> None:
    assert Template(template or "{''}").render(NODES) == text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?(@.type=="Stalled")].status', ["False"]),
        (".status.conditions[?(@.type=='Other')].status", []),
        (".status.list[0].x", [1]),
        (".status.list[1].x", [2]),
        (".status.list[3].x", []),
        (".status.list[-1].x", [3]),
        (".status.list[-2].x", [2]),
        (".status.list[1:].x", [2, 3]),
        (".status.list[:2].x", [1, 2]),
        (".status.list[::2].x", [1, 3]),
        (".status.list[0,2].x", [1, 3]),
        (".status.list[*].x", [1, 2, 3]),
        (".status.list[?(@.x>1)].x", [2, 3]),
        (".status.list[?(@.x <= 2)].x", [1, 2]),
        (".status.list[?(@.x!=2)].x", [1, 3]),
        (".status.list[?(@.y)].x", []),
        (".status.list[?(@.x)].x", [1, 2, 3]),
        (".status.list[?(@.x<'a')].x", []),
        (".status.nothing.at.all", []),
        (".metadata.labels['paas.dev/app']", ["shop"]),
        (".metadata.labels.paas\\.dev/app", ["shop"]),
        (".metadata.labels.*", ["shop"]),
        ("metadata.labels.*", ["shop"]),
        ("{.spec.number}", [7]),
        (".spec.cancelled", [False]),
        (".status.list.x", []),
        ("$..x", [1, 2, 3]),
        (".status..['x']", [1, 2, 3]),
        (".spec[?(@==true)]", []),
        (".flags[?(@.on==true)].name", ["a"]),
        (".flags[?(@.on==false)].name", ["b"]),
        (".flags[?(@.on==true.value)].name", []),
        (".flags[?(@.on==truest)].name", ["c"]),
    ],
)
def test_paths(text: str, values: list[object]) -> None:
    assert path(text).values(BUILD, BUILD) == values


@pytest.mark.parametrize(
    "text",
    ["{.a", "{.a[}", "{.a[0}", "{range .a}{.b}", "{end}", "{.a[?(@.b==)]}", "{.a[?(@.b]}", "{'a}", "{.a..}",
     "{.a[1 2]}", "{!}", "{.a[?@.b]}"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate, match=r"before|at its end"):
        Template(text)


def test_a_slice_that_does_not_move_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BadTemplate, match="step 0"):
        Template("{.a[0:4:0]}")


@pytest.mark.parametrize("text", [".a b", ".a}", ".a=1", ""])
def test_a_path_is_nothing_but_a_path(text: str) -> None:
    with pytest.raises(BadTemplate):
        path(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadTemplate):
        Template(text).render(BUILD)


SCALARS = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.dictionaries(st.text(), inner), max_leaves=5)


@given(st.dictionaries(st.text(min_size=1), JSON, min_size=1))
def test_every_key_can_be_named_in_quotes(obj: dict[str, object]) -> None:
    for key, value in obj.items():
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        assert Template(f"{{['{quoted}']}}").render(obj) == text_of(value)


def test_values_are_printed_as_json() -> None:
    assert text_of("a") == "a"
    assert text_of(True) == "true"
    assert text_of(None) == ""
    assert json.loads(text_of({"a": [1, "é"]})) == {"a": [1, "é"]}


@pytest.mark.parametrize("text", ["{range .a}" * 3000, "{.a" + "[?(@.b" * 3000])
def test_a_template_that_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        Template(text)


def test_an_object_that_is_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(BadTemplate, match="nested too deeply"):
        Template("{..x}").render(deep)
