"""Every command that a page or a message tells people to type is one of the command line's, and parses."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from paas.cli.main import command_line
from paas.terminal.group import Group
from paas.terminal.problem import Problem

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "buildpacks").rglob("*.md")]
    if "decisions" not in path.parts
)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
USAGE_ERROR: Any = typer.BadParameter.__base__
ROOT_COMMAND: Any = command_line()
NO_COMMANDS = {("docs/cli.md", "ps"), ("docs/cli.md", "scale"), ("docs/cli.md", "…")}
"""What the page says of them is that they are none."""


def typed(code: str) -> Iterator[str]:
    """The arguments of `paas` in a line of a shell: `build=$(paas get bc)`, `cd shop && paas new-app`."""
    for part in re.split(r"&&|\|\||[;|#]", re.sub(r"(\w)\|(\w)", r"\1-\2", code)):
        match = re.search(r"(?:^|\$\(|\"\$\(|sudo |kubectl )\s*paas(?=\s|$)([^)]*)", part.strip())
        if match:
            yield match[1].strip()


def of_page(text: str) -> Iterator[str]:
    block = False
    for line in text.splitlines():
        if line.startswith("```"):
            block = not block
        elif block or line.startswith("    "):
            yield from typed(line.strip().removeprefix("$ "))
        else:
            for code in INLINE.findall(line):
                yield from typed(code)


def parse(arguments: str) -> None:
    """Raises what the command line raises when it cannot be meant. Nothing runs, and no option acts: those of
    `paas` itself (--version) do so while they are parsed, so they are looked up only."""
    if "{" not in arguments:
        arguments = re.sub(r"[\[\]]", " ", arguments)
    words = [word.replace("…", "1") for word in shlex.split(arguments)]
    found = ROOT_COMMAND
    context = typer.Context(found, info_name="paas")
    if words[:1] == ["-n"]:
        words = words[2:]
    while words and isinstance(found, Group) and not words[0].startswith("-"):
        name, found, words = found.resolve_command(context, words)
        context = typer.Context(found, parent=context, info_name=name, **found.context_settings)
    if isinstance(found, Group) or (len(words) == 1 and words[0].startswith("--")):
        named = {option for each in found.get_params(context) for option in each.opts}
        assert set(words) <= named, f"{context.command_path} has no such option"
    elif words:
        found.make_context(context.info_name, words, parent=context.parent)


DOCUMENTED = sorted(
    {(str(path.relative_to(ROOT)), each) for path in PAGES for each in of_page(path.read_text())}
    - NO_COMMANDS
)


def test_pages_have_commands() -> None:
    assert len(DOCUMENTED) > 100


@pytest.mark.parametrize(("page", "arguments"), DOCUMENTED, ids=lambda each: each)
def test_a_command_of_a_page_parses(page: str, arguments: str) -> None:
    parse(arguments)


@pytest.mark.parametrize(
    "arguments",
    ["scale", "rollout restart shop", "status --nope", "start-build shop --timeout", "get -o", "--nope",
     "up --http-port many", "expose shop --path", "unpin a b", "start-build shop --no-such x"],
)  # fmt: skip
def test_what_is_wrong_does_not_parse(arguments: str) -> None:
    with pytest.raises((Problem, AssertionError, USAGE_ERROR)):
        parse(arguments)


def texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are no docstrings, with an X for what is put into them."""
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose | parts:
            yield node.value


IN_MESSAGE = re.compile(r"(?<![\w/.-])(?<!git push )(?<!git pull )paas ([a-z][a-z-]*)(?: ([a-z-]+))?")
PROSE = {("is", "compiling"), ("for", "one"), ("integration", "cluster"), ("route", None)}
"""What comes after the name of the program in a sentence."""


def test_messages_name_commands_that_exist() -> None:
    wrong = []
    for path in (ROOT / "paas").rglob("*.py"):
        for text in texts(ast.parse(path.read_text())):
            for command, sub in IN_MESSAGE.findall(text):
                found = ROOT_COMMAND.commands.get(command)
                group = isinstance(found, Group) and sub and sub not in found.commands
                if (found is None or group) and (command, sub or None) not in PROSE:
                    wrong.append((str(path.relative_to(ROOT)), text))
    assert wrong == []
