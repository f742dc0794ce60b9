"""crds/ and docs/reference/ are what the models say; every field, value and reason has a description."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import yaml

from paas import api
from paas.api import build, buildconfig, descriptions, route
from paas.api.__main__ import files, main, stale, write
from paas.api.base import Kind
from paas.api.crds import schema_of
from paas.api.kinds import KINDS
from paas.api.reference import page, rows
from paas.shipped import PACKAGE

ENUMS: list[type[StrEnum]] = [
    each
    for module in (import_module(f"paas.api.{found.name}") for found in iter_modules(api.__path__))
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, StrEnum) and each.__module__ == module.__name__
]


def fields(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    for inside in ("items", "additionalProperties"):
        if isinstance(node.get(inside), dict):
            yield from fields(node[inside], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_every_field_has_a_description(kind: Kind) -> None:
    for part, model in (("spec", kind.spec), ("status", kind.status)):
        missing = [path for path, node in fields(schema_of(model), part) if not node.get("description")]
        assert missing == []


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: f"{enum.__module__}.{enum.__name__}")
def test_every_value_of_an_enum_has_a_description(enum: type[StrEnum]) -> None:
    assert [member for member in enum if not descriptions.of(enum).get(member.name)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_the_example_is_of_its_kind_and_names_no_unknown_field(kind: Kind) -> None:
    example = yaml.safe_load(kind.example)
    assert (example["apiVersion"], example["kind"]) == (kind.resource.api_version, kind.resource.kind)
    known = {path for path, _ in fields(schema_of(kind.spec), "spec")}
    assert {path for path in _paths(example["spec"], "spec") if path not in known} == set()
    kind.spec.model_validate(example["spec"])


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{path}[]")
    elif isinstance(value, dict) and path != "spec.template.spec" and not path.endswith(".labels"):
        for name, item in value.items():
            yield f"{path}.{name}"
            yield from _paths(item, f"{path}.{name}")


def test_what_is_generated_is_what_the_models_say() -> None:
    assert stale(PACKAGE.parent) == []
    assert main(["--check"]) == 0


@pytest.mark.parametrize("path", ["crds/routes.yaml", "docs/reference/route.md", "docs/reference/README.md"])
def test_a_changed_file_is_found_and_written_again(path: str, tmp_path: Path) -> None:
    assert set(write(tmp_path)) == set(files())
    (tmp_path / path).write_text((tmp_path / path).read_text() + "by hand\n")
    assert stale(tmp_path) == [path]
    assert write(tmp_path) == [path]
    assert stale(tmp_path) == []


def test_the_page_of_a_kind_that_is_no_more_is_found_and_removed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "docs/reference/gone.md").write_text("# Gone\n")
    assert stale(tmp_path) == ["docs/reference/gone.md"]
    write(tmp_path)
    assert not (tmp_path / "docs/reference/gone.md").exists()


def test_a_field_tells_its_default_and_what_refuses_it() -> None:
    found = {row.path: row for row in rows(schema_of(buildconfig.BuildConfigSpec), "spec")}
    limit = found["spec.successfulBuildsHistoryLimit"]
    assert limit.default == ""
    assert found["spec.runPolicy"].default == "`Serial`"
    assert limit.refused == ("less than 0", "more than 1000")
    assert "missing" in found["spec.output"].refused
    assert any("must be an https address" in text for text in found["spec.source.git.uri"].refused)
    assert any("sourceSecret is for an external" in text for text in found["spec.source"].refused)


def test_a_field_that_is_not_supported_yet_has_its_own_table() -> None:
    text = page(route.KIND)
    before, after = text.split("### Not supported yet")
    assert "`spec.subdomain`" in after
    assert "`spec.subdomain`" not in before
    assert "`spec.to.name`" in before


def test_conditions_reasons_and_columns_are_listed() -> None:
    text = page(build.KIND)
    assert "| `Succeeded` |" in text
    assert "| `OutOfMemoryKilled` | The build used more memory than its limit. |" in text
    assert "| Image | `.status.output.to.imageDigest` | with `-o wide` |" in text
