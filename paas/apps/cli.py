"""Commands that read an application across kinds: status here, logs in `logs_cli`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from paas.apps.logs_cli import logs
from paas.terminal.naming import APP_WORDS, instead, plain_name
from paas.terminal.output import Format, data_document, plain
from paas.terminal.problem import ExitCode, not_found
from paas.terminal.session import Output, Session, command


def register(app: typer.Typer) -> None:
    command(app, "status")(status)
    command(app, "logs")(logs)


async def status(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="Default: all of the project.")] = None,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all projects.")] = False,
    output: Output = Format.TABLE,
) -> ExitCode | None:
    """Show applications at one look, and what to do next.

    Example: paas status shop
    """
    from paas.apps.snapshot import snapshots
    from paas.apps.summarize import summarize
    from paas.apps.summary_text import text

    project = await session.project()
    seen = await snapshots(await session.cluster(), None if everywhere else project)
    shown = [summarize(snapshot, app) for snapshot in seen for app in snapshot.apps()]
    if not shown and not everywhere:
        await session.must_exist(project)
    if name is not None:
        wanted = plain_name(name, (*APP_WORDS, "dc", "bc", "app"))
        known = [summary.name for summary in shown]
        shown = [summary for summary in shown if summary.name == wanted]
        if not shown:
            hint = instead(wanted, known, "paas status", "apps", project)
            raise not_found("application", wanted, "" if everywhere else project, hint=hint)
    if output in (Format.JSON, Format.YAML):
        data = [summary.dump() for summary in shown]
        session.print(data_document(data[0] if name is not None and not everywhere else data, output))
        return None
    if not shown:
        session.say("No applications." if everywhere else f'No applications in project "{project}".')
        session.say("next: cd your-app && paas new-app" + (f" -n {project}" if session.namespace else ""))
        return None
    now = datetime.now(UTC)
    for i, summary in enumerate(shown):
        if output is Format.NAME:
            session.print(f"app/{summary.name}")
            continue
        if i:
            session.print()
        lines = text(summary, now=now)
        session.print(
            plain("\n".join([f"{summary.project}/{lines[0]}", *lines[1:]] if everywhere else lines))
        )
    return None
