"""Commands that read an application across kinds: status here, logs in `logs_cli`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from paas.apps.logs_cli import logs
from paas.terminal.naming import APP_WORDS, plain_name
from paas.terminal.output import plain
from paas.terminal.problem import ExitCode, not_found
from paas.terminal.session import Session, command


def register(app: typer.Typer) -> None:
    command(app, "status")(status)
    command(app, "logs")(logs)


async def status(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="Default: all of the project.")] = None,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all projects.")] = False,
) -> ExitCode | None:
    """Show applications at one look, and what to do next.

    Example: paas status shop
    """
    from paas.apps.snapshot import snapshots
    from paas.apps.summary import describe

    project = await session.project()
    seen = await snapshots(await session.cluster(), None if everywhere else project)
    shown = [(snapshot, app) for snapshot in seen for app in snapshot.apps()]
    if name is not None:
        wanted = plain_name(name, (*APP_WORDS, "dc", "bc", "app"))
        shown = [(snapshot, app) for snapshot, app in shown if app == wanted]
        if not shown:
            raise not_found("application", wanted, project, hint=f"paas get apps -n {project}")
    if not shown:
        session.say("No applications." if everywhere else f'No applications in project "{project}".')
        session.say("next: cd your-app && paas new-app" + (f" -n {project}" if session.namespace else ""))
        return None
    now = datetime.now(UTC)
    for i, (snapshot, app) in enumerate(shown):
        if i:
            session.print()
        lines = describe(snapshot, app, now=now)
        session.print(
            plain("\n".join([f"{snapshot.project}/{lines[0]}", *lines[1:]] if everywhere else lines))
        )
    return None
