"""The command line around the rooms' commands: headings, help, version, options before the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from paas.cli import completion, elsewhere
from paas.terminal.group import Group
from paas.terminal.problem import usage
from paas.terminal.session import CONNECTION, Context, Kubeconfig, Namespace

HEADINGS: Final[Mapping[str, Sequence[str]]] = {
    "A cluster on this machine, or your own": (
        "up",
        "down",
        "kubeconfig",
        "doctor",
        "install",
        "uninstall",
        "registry",
    ),
    "Projects": ("new-project", "project"),
    "Applications": ("new-app", "status", "logs", "set", "git-remote", "webhooks"),
    "Builds": ("start-build", "cancel-build"),
    "Rollouts": ("rollout", "unpin"),
    "Routes": ("open", "expose"),
    "Objects of any kind": ("get", "delete"),
    "This program": ("help",),
}


def make() -> typer.Typer:
    """The command line without the rooms' commands."""
    app = typer.Typer(
        name="paas",
        cls=Group,
        help="Push to deploy on your own cluster: git push becomes build, image, rollout, address.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        epilog="Start with: paas up, paas new-project demo, paas new-app. About a command: paas help up",
    )

    @app.callback()
    def root(
        called: typer.Context,
        namespace: Namespace = None,
        context: Context = None,
        kubeconfig: Kubeconfig = None,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
        ] = False,
    ) -> None:
        _refuse_unused(called)

    @app.command("help")
    def help_(
        called: typer.Context,
        names: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]", help="Default: all.")] = None,
    ) -> None:
        """Print the help of a command, or of all.

        Example: paas help rollout undo
        """
        found: Any = called.find_root()
        for name in names or ():
            if not isinstance(found.command, Group):
                raise usage(
                    f'"{found.command_path}" has no command "{name}"', hint=f"{found.command_path} --help"
                )
            word, command, _ = found.command.resolve_command(found, [name])
            found = typer.Context(command, parent=found, info_name=word, **command.context_settings)
        typer.echo(found.get_help())

    return app


def complete(root: Any) -> Any:
    """The command line with what reaches over all rooms: the headings, and words known from elsewhere."""
    root.headings, root.elsewhere = HEADINGS, elsewhere.WORDS
    root.commands["rollout"].elsewhere = elsewhere.IN_ROLLOUT
    root.commands["set"].elsewhere = elsewhere.IN_SET
    completion.attach(root)
    return root


def _version(wanted: bool) -> None:
    if wanted:
        from paas.cli.version import version

        typer.echo(version())
        raise typer.Exit


def _refuse_unused(called: typer.Context) -> None:
    """An option before the command must have a meaning for it."""
    group: Any = called.command
    command = group.commands.get(called.invoked_subcommand)
    if command is None or isinstance(command, Group):
        return
    taken = {param.name for param in command.params}
    for option in CONNECTION:
        if called.params.get(option) and option not in taken:
            name = f"{called.command_path} {command.name}"
            raise usage(f"{name} has no option --{option}", hint=f"{name} --help")
