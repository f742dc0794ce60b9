"""The shape of the code: a room of tests for each room of code, tests apart, and a map that is complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = {"support", "integration", "e2e", "upgrade"}
"""Folders of tests/ that are no room's."""
ROOMS = {path.parent.name for path in ROOT.glob("paas/*/__init__.py")}
FILES = sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")])


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports; of `from a import b` both a and a.b, for b may be a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def is_a_test(module: str) -> bool:
    *folders, name = module.split(".")
    return folders[:1] == ["tests"] and (name.startswith("test_") or name == "conftest")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_a_test(path: Path) -> None:
    assert [module for module in imports(path) if is_a_test(module)] == []


def test_only_its_own_room_imports_a_fake_cluster() -> None:
    """Others get it through tests/support/."""
    for path in FILES:
        rooms = {
            module.split(".")[1] for module in imports(path) if re.match(r"tests\.\w+\.fake_cluster", module)
        }
        assert rooms <= {path.parent.name} or path.parent.name == "support", path


def test_every_folder_of_tests_is_a_room_s() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("*.py"))}
    assert folders <= ROOMS | SHARED


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    mapped = {
        name for row in re.findall(r"^\|([^|]*)\|", text, re.M) for name in re.findall(r"`paas/(\w+)`", row)
    }
    assert mapped == ROOMS
