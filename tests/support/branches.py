"""Which lines and branches inside the functions of a module a block of code did not reach."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import coverage


@contextlib.contextmanager
def every_branch(module: ModuleType) -> Iterator[list[str]]:
    """Fills the list, when the block has ended, with what it missed of `module`: `12` or `12->15`.

    Lines outside functions ran when the module was imported, and do not count. Under another coverage
    measurement (`--cov`), which already answers the question, the list stays empty.
    """
    missed: list[str] = []
    if sys.gettrace() is not None:
        yield missed
        return
    path = str(module.__file__)
    measured = coverage.Coverage(data_file=None, branch=True, include=[path], config_file=False)
    measured.start()
    try:
        yield missed
    finally:
        measured.stop()
    inside = set(_lines_in_functions(Path(path)))
    analysis = measured._analyze(path)
    missed += [str(line) for line in sorted(analysis.missing) if line in inside]
    missed += [
        f"{line}->{to}"
        for line, targets in sorted(analysis.missing_branch_arcs().items())
        if line in inside
        for to in targets
    ]


def _lines_in_functions(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield from range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
