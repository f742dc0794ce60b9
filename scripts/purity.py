"""The import contract "purity": every module is pure, but for the shells that pyproject.toml lists.

A pure module decides: what it says depends on what it is given and on nothing else. So it awaits nothing,
reads no clock, no environment, no file and no network, makes nothing random, imports no library but those
that are listed, and imports no shell. What it imports of ours is pure too, so it reaches a shell through
nothing. A new module is pure until it is listed; a listed module that has become pure must leave the list.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck

CLOCK = frozenset({"now", "utcnow", "today"})
CLOCKS = frozenset({"datetime", "date"})
BUILTINS = frozenset({"open", "print", "input", "breakpoint", "__import__"})
FILES = frozenset({
    "absolute", "chmod", "cwd", "exists", "expanduser", "glob", "home", "is_dir", "is_file",
    "is_symlink", "iterdir", "lstat", "mkdir", "open", "read_bytes", "read_text", "readlink", "resolve",
    "rglob", "rmdir", "samefile", "stat", "symlink_to", "touch", "unlink", "write_bytes", "write_text",
})  # fmt: skip
RANDOM = frozenset({"generate", "generate_key", "generate_private_key", "random_serial_number"})


class Purity(Contract):
    """`shells`: the modules that may do more than decide. `libraries`: what every module may import."""

    type_name = "purity"

    shells = fields.ListField(subfield=fields.StringField())
    libraries = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        shells, libraries = list(self.shells), frozenset(self.libraries)
        own = tuple(self.session_options["root_packages"])
        modules = dict(_modules(own))
        problems = [f"{name}, listed as a shell, is no module" for name in shells if name not in modules]
        if shells != sorted(set(shells)):
            problems.append("the list of shells is not sorted, or names a module twice")
        for name, path in sorted(modules.items()):
            first = {what: line for line, what in sorted(_impurities(path, libraries, own), reverse=True)}
            first |= {
                f"imports {shell}, a shell": line for line, shell in _imported(graph, name, frozenset(shells))
            }
            if name not in shells:
                problems += [f"{name}:{line} {what}" for what, line in sorted(first.items())]
            elif not first:
                problems.append(f"{name} is pure now: take it from the list of shells")
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in check.metadata["problems"]:
            output.print_error(f"- {problem}", bold=False)
        output.new_line()
        output.print(
            "Hand a pure module what it needs as an argument, or do it in a shell. CONTRIBUTING.md says what"
            " a shell is; pyproject.toml lists the shells, and what every module may import."
        )
        output.new_line()


def _modules(packages: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(folder).rglob("*.py"):
                parts = path.relative_to(folder).with_suffix("").parts
                yield ".".join((package, *(part for part in parts if part != "__init__"))), path


def _imported(graph: ImportGraph, name: str, shells: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The shells that a module imports, each with the line."""
    for imported in graph.find_modules_directly_imported_by(name) & shells if name in graph.modules else ():
        for detail in graph.get_import_details(importer=name, imported=imported):
            yield detail["line_number"], imported


def _impurities(path: Path, libraries: frozenset[str], own: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """What a pure module does not do, each with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if not _allowed(alias.name, libraries, own):
                        yield node.lineno, f"imports {alias.name}"
            case ast.ImportFrom(module=str(module), level=0) if not _allowed(module, libraries, own):
                for alias in node.names:
                    if f"{module}.{alias.name}" not in libraries:
                        yield node.lineno, f"imports {module}.{alias.name}"
            case ast.AsyncFunctionDef():
                yield node.lineno, "awaits"
            case ast.Name(id=name) if name in BUILTINS:
                yield node.lineno, f"uses {name}()"
            case ast.Attribute(attr=attr, value=ast.Name(id=name) | ast.Attribute(attr=name)) if (
                attr in CLOCK and name in CLOCKS
            ):
                yield node.lineno, f"reads the clock: {name}.{attr}()"
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in FILES:
                yield node.lineno, f"reads or writes files: .{attr}()"
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in RANDOM:
                yield node.lineno, f"is random: .{attr}()"


def _allowed(module: str, libraries: frozenset[str], own: tuple[str, ...]) -> bool:
    parts = module.split(".")
    return parts[0] in own or any(".".join(parts[:end]) in libraries for end in range(1, len(parts) + 1))
