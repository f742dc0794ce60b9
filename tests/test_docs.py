"""What the documentation names is there: files, folders and links; and every room is on the map."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILE = re.compile(r"`((?:paas|tests|docs|deploy|crds|scripts|benchmarks|buildpacks)/[\w./-]*)`")
LINK = re.compile(r"\]\(([\w./-]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    gone = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    gone += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert gone == []


def test_every_room_is_on_the_map() -> None:
    rooms = {path.parent.name for path in (ROOT / "paas").glob("*/__init__.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert {room for room in rooms if f"`paas/{room}`" not in text} == set()


def _messages(tree: ast.Module) -> list[str]:
    """The texts of a module that are no docstrings."""
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose
    ]


def test_no_message_names_a_page_by_its_place_in_a_checkout() -> None:
    """Where there is no checkout there is no docs/: `paas.shipped.page` says where a page is."""
    found = [
        (str(path.relative_to(ROOT)), text)
        for path in (ROOT / "paas").rglob("*.py")
        for text in _messages(ast.parse(path.read_text()))
        if "docs/" in text and not str(path.relative_to(ROOT)).startswith("paas/api/")
    ]
    assert found == []
