"""What the documentation, and any string or comment, names is there: files, folders, modules and links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILE = re.compile(r"`((?:paas|tests|docs|deploy|crds|scripts|benchmarks|buildpacks)/[\w./-]*)`")
PATH = re.compile(
    r"(?<![\w./-])((?:paas|tests|docs|deploy|crds|scripts|benchmarks|buildpacks)/[\w./-]*"
    r"\.(?:py|md|ya?ml|j2|go|mod|json|txt|toml))\b"
)
MODULE = re.compile(r"(?<![\w./@-])((?:paas|tests|benchmarks|scripts)(?:\.[A-Za-z_]\w*)+)(?![\w@-])")
NO_MODULE = re.compile(
    r"paas\.(dev|example|internal|json|paas|test|yaml)\b|paas\.apps\.(localhost|example|test)\b|paas\.server\.access$"
)
"""Hosts, files and a logger."""
NOT_READ = {"tests/test_docs.py", "tests/test_contracts.py", "tests/api/test_reference.py"}
"""They name files that they plant."""
FILES = [
    path
    for pattern in ("paas/**/*.py", "tests/**/*.py", "benchmarks/**/*.py", "scripts/*", "deploy/*", ".ci/*",
                    "buildpacks/**/*.*", "docs/**/*.md", "*.md", "*.py", "*.toml", "Makefile", "Dockerfile")
    for path in sorted(ROOT.glob(pattern))
    if path.is_file() and str(path.relative_to(ROOT)) not in NOT_READ
]  # fmt: skip
LINK = re.compile(r"\]\(([\w./-]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    gone = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    gone += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert gone == []


def paths_gone(text: str) -> set[str]:
    """Files of the tree that a text names by their path, and that are not there."""
    return {name for name in PATH.findall(text) if not (ROOT / name).exists()}


def modules_gone(text: str) -> set[str]:
    """Modules, and what is in them, that a text names by their dotted name, and that are not there."""
    return {name for name in MODULE.findall(text) if not NO_MODULE.match(name) and not is_there(name)}


def is_there(name: str) -> bool:
    parts = name.removesuffix(".__file__").split(".")
    for end in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:end])
        file = place / "__init__.py" if (place / "__init__.py").exists() else place.with_suffix(".py")
        if place.is_dir() and end == len(parts):
            return True
        if file.exists():
            return end == len(parts) or re.search(rf"\b{parts[end]}\b", file.read_text()) is not None
    return False


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_a_file_names_exists(file: Path) -> None:
    """A path or a module in a string goes wrong only when it is used, which for a whole cluster's tests is
    late."""
    text = file.read_text()
    assert paths_gone(text) | modules_gone(text) == set()


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("root / 'tests/support/nothing.py'", {"tests/support/nothing.py"}),
        ("see paas/sources/fetch.py.", {"paas/sources/fetch.py"}),
        ("python -m paas.sources.fetch", {"paas.sources.fetch"}),
        ("logging.getLogger('paas.operator')", set()),
        ("paas.kube.cluster.Cluster and paas.kube.cluster.Nothing", {"paas.kube.cluster.Nothing"}),
        ("apiVersion: paas.dev/v1, tests/e2e/, `paas/kube`, https://host/docs/no.md", set()),
    ],
)
def test_what_is_gone_is_found(text: str, gone: set[str]) -> None:
    assert paths_gone(text) | modules_gone(text) == gone


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
