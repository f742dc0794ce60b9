"""A group of commands as help shows it: under headings, a whole summary a command, help when it is alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from paas.terminal.problem import usage


class Group(TyperGroup):
    """`headings`: the commands under each heading, in order. `elsewhere`: words that are no commands here
    but are elsewhere, and what to type instead."""

    headings: Mapping[str, Sequence[str]] = {}
    elsewhere: Mapping[str, str] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """A group that is called alone prints its help, which is no mistake."""
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command under its heading; a summary that is too long goes on in the next line."""
        shown = {name: c for name, c in self.commands.items() if not c.hidden}
        width = max((len(name) for name in shown), default=0)
        placed = {name for names in self.headings.values() for name in names}
        rest = [name for name in shown if name not in placed]
        for heading, names in {**self.headings, "Commands": rest}.items():
            rows = [(name.ljust(width), summary(shown[name])) for name in names if name in shown]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant. Raises Problem (usage) with what to type instead."""
        word = args[0]
        if word in self.commands or ctx.resilient_parsing or word.startswith("-"):
            return super().resolve_command(ctx, args)
        # Heroku writes what it does to a thing as thing:verb
        hint = self.elsewhere.get(word.lower()) or self.elsewhere.get(word.lower().partition(":")[0])
        if hint is None:
            meant = get_close_matches(word, [n for n, c in self.commands.items() if not c.hidden], n=3)
            hint = " or ".join(f"{ctx.command_path} {name}" for name in meant)
            hint = f"did you mean {hint}?" if hint else ""
        if not hint and (known := get_close_matches(word, self.elsewhere, n=1, cutoff=0.8)):
            hint = self.elsewhere[known[0]]
        hint = hint or f"{ctx.command_path} --help lists the commands"
        raise usage(f'there is no command "{ctx.command_path} {word}"', hint=hint)


class Command(TyperCommand):
    """A command whose usage shows arguments as they were written, `NAME` or `[APP]`; typer would put
    brackets of its own around them."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        shown = [param.metavar or _argument(str(param.name), required=param.required) for param in arguments]
        return [str(self.options_metavar or ""), *map(str, shown)]


def _argument(name: str, *, required: bool) -> str:
    return name.upper() if required else f"[{name.upper()}]"


def summary(command: Any) -> str:
    """The first clause of a command's help: up to a semicolon, a colon or the full stop."""
    first = str(command.short_help or command.help or "").strip().partition("\n\n")[0]
    return re.split(r"[;:.](?: |$)", " ".join(first.split()))[0]


def group(app: typer.Typer, name: str, help_: str) -> typer.Typer:
    """A group of commands below `app`."""
    made = typer.Typer(cls=Group, help=help_, rich_markup_mode=None)
    app.add_typer(made, name=name)
    return made
