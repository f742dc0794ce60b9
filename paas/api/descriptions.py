"""What the attributes of a class mean: the docstrings below them, for CRDs and reference pages.

Python drops these docstrings, so they are read from the source, and only when something is generated.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache


def of(cls: type) -> Mapping[str, str]:
    """Attribute and description, of the class and of those it inherits from; one line each."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        found |= _classes(each.__module__).get(each.__qualname__, {})
    return found


@cache
def _classes(module: str) -> dict[str, dict[str, str]]:
    """The described attributes of each class at the top of a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return {}
    nodes = ast.parse(source).body
    return {node.name: _attributes(node) for node in nodes if isinstance(node, ast.ClassDef)}


def _attributes(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for statement, after in zip(node.body, node.body[1:], strict=False):
        match statement, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = " ".join(text.split())
    return found
