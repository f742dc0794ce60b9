"""`paas`, and the same as `kubectl paas`: puts the rooms' commands together and tells of problems.

Starting must be quick, above all for git, which runs `paas git-credential` for every request: nothing
here imports the API client, the models or typer before the command is known to need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import typer

    from paas.node.platform import Installation


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code (see docs/cli.md)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["git-credential"]:
        from paas.cli.credential import main as credential

        credential(given[1:])
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Problems are told on stderr."""
    import typer

    try:
        answer = command_line()(list(arguments), prog_name=program_name(), standalone_mode=False)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return tell(KeyboardInterrupt())
    except KeyboardInterrupt as interruption:
        return tell(interruption)
    except BrokenPipeError:
        # `paas logs | head`: the reader has enough; the interpreter must not complain at its end
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 0
    except Exception as problem:
        # every failure of a command ends here as words; a traceback is for those who ask for it
        if os.environ.get("PAAS_DEBUG"):
            raise
        return tell(problem, arguments)
    return answer if isinstance(answer, int) else 0


def program_name() -> str:
    return "kubectl paas" if os.path.basename(sys.argv[0]).startswith("kubectl-") else "paas"


def tell(problem: BaseException, arguments: Sequence[str] = ()) -> int:
    """Say on stderr what happened and what to do; the exit code."""
    from paas.terminal.colour import BOLD_RED, painted, wanted
    from paas.terminal.problem import explain
    from paas.terminal.rest import NoKubeconfig

    said = _of_command_line(problem, arguments) or explain(problem)
    if isinstance(said, NoKubeconfig) and not said.given and (line := _kubeconfig_of_this_machine()):
        said.hint = line
    error = painted("error:", BOLD_RED) if wanted(sys.stderr, os.environ) else "error:"
    for line in said.lines(error=error):
        sys.stderr.write(line + "\n")
    return int(said.code)


def _kubeconfig_of_this_machine() -> str | None:
    """The line to type for the cluster that runs here, if one does."""
    from paas.node import instance

    try:
        known = [each for name in instance.names() if (each := instance.load(name)) is not None]
        running = [each.name for each in known if instance.alive(each) is not None]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # its record is somebody else's to read
    if not running:
        return None
    flag = "" if "default" in running else f" --name {running[0]}"
    return f"export KUBECONFIG=$(paas kubeconfig{flag})"


def _of_command_line(problem: BaseException, arguments: Sequence[str]) -> Problem | None:  # type: ignore[name-defined]  # noqa: F821
    """A wrong command line, as the parser reports it."""
    from paas.terminal.problem import usage

    describe = getattr(problem, "format_message", None)
    if describe is None:
        return None
    context = getattr(problem, "ctx", None)
    command = getattr(context, "command_path", None) or _command_in(arguments)
    message = str(describe()).strip().rstrip(".").replace("Value error, ", "")
    return usage(message[:1].lower() + message[1:], hint=f"{command} --help")


def _command_in(arguments: Sequence[str]) -> str:
    """The command that was typed, where the parser does not say in which one it failed."""
    found, path = command_line(), [program_name()]
    for word in arguments:
        if word in (below := getattr(found, "commands", {})):
            found = below[word]
            path.append(word)
    return " ".join(path)


def command_line() -> Any:
    """The whole command line, ready to be called."""
    import typer

    from paas.cli import frame

    return frame.complete(typer.main.get_command(application()))


def application() -> typer.Typer:
    """The commands of all rooms."""
    from paas.apps import cli as apps
    from paas.apps.follow_cli import follow_build
    from paas.builds import cli as builds
    from paas.cli import delete, frame, get
    from paas.deployments import cli as deployments
    from paas.git import cli as git
    from paas.install import cli as install
    from paas.node import cli as node
    from paas.projects import cli as projects
    from paas.registry import cli as registry
    from paas.routes import cli as routes
    from paas.templates import cli as templates
    from paas.webhooks import cli as webhooks

    app = frame.make()
    node.register(app, install=install_embedded)
    install.register(app)
    projects.register(app)
    templates.register(app)
    apps.register(app)
    get.register(app)
    delete.register(app)
    builds.register(app, follow_build)
    deployments.register(app)
    routes.register(app)
    git.register(app)
    webhooks.register(app)
    registry.register(app)
    _add_credential(app)
    return app


def install_embedded(installation: Installation) -> None:
    """What `paas up` does after its cluster is up: the installation of `paas install`."""
    import asyncio

    from paas.install.cli import install_on
    from paas.install.manifests import Keys

    keys = Keys(installation.ca_cert, installation.ca_key, installation.registry_token_key)
    asyncio.run(install_on(installation.kubeconfig, installation.settings, keys))


def _add_credential(app: typer.Typer) -> None:
    @app.command(
        "git-credential",
        hidden=True,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        add_help_option=False,
    )
    def git_credential() -> None:
        """Answer git's question for a password (git runs this; see git-remote)."""
        from paas.cli.credential import main as credential

        credential(["--help"])  # `main` never gets here with arguments
