"""The command new-app: an application made of a folder or a git URL."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from paas.terminal.output import Format, document, short_name
from paas.terminal.problem import ExitCode, usage
from paas.terminal.session import Output, Session, command


def register(app: typer.Typer) -> None:
    command(app, "new-app")(new_app)


async def new_app(
    session: Session,
    source: Annotated[
        str, typer.Argument(metavar="[FOLDER|URL]", help="Your clone, or an https git URL.")
    ] = ".",
    *,
    name: Annotated[str | None, typer.Option(help="Name; default the folder's or repository's.")] = None,
    ref: Annotated[str | None, typer.Option(help="Branch that deploys; default the one checked out.")] = None,
    context_dir: Annotated[str | None, typer.Option(help="Folder of the repository to build.")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME=VALUE", help="Environment of the application."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port it listens on; default as detected, else 8080.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="How to build; docker is the one there is.")] = "docker",
    remote: Annotated[str, typer.Option(help="Name of the git remote to add.")] = "paas",
    go_on: Annotated[
        bool, typer.Option("--continue", help="Keep what an attempt before has made, and make the rest.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing; with -o yaml print the objects.")
    ] = False,
    output: Output = Format.TABLE,
) -> ExitCode | None:
    """Make an application of a folder or an https git URL, ready for git push.

    Example: cd shop && paas new-app
    """
    from paas.api.resources import Key
    from paas.git import clone
    from paas.git.cli import connect
    from paas.templates import new_app as create
    from paas.templates.render import objects, render
    from paas.terminal.rest import NoKubeconfig

    if strategy != "docker":
        raise usage(
            f'there is no strategy "{strategy}"', hint="leave --strategy out; docker is the one there is"
        )
    wanted = create.Wanted(source, name, ref, context_dir, tuple(env or ()), port, remote)
    create.variables(wanted.env)
    found = await create.look(wanted, session.namespace or "")
    try:
        project = await session.project()
    except NoKubeconfig as problem:
        if dry_run:
            problem.hint, problem.given = "name the project, then no cluster is asked: -n PROJECT", True
        raise
    found = replace(found, app=replace(found.app, project=project))
    for line in create.explanation(found):
        session.say(line)
    if dry_run:
        text = render(found.app)
        if output is Format.YAML:
            session.print(text.rstrip("\n"))
        elif output in (Format.JSON, Format.NAME):
            session.print(document(objects(text), output, single=False))
        else:
            for manifest in objects(text):
                session.print(f"{short_name(manifest)} would be created (dry run)")
        return None
    await create.check_project(session, project)
    platform = await session.platform()
    if found.clone is not None:
        clone.check_remote(found.clone, remote, platform.repository(project, found.app.name))
    session.say("--> Creating")
    made = await create.create(session, found, go_on=go_on)
    if output in (Format.TABLE, Format.WIDE):
        for manifest, new in made:
            session.print(f"{short_name(manifest)} {'created' if new else 'kept'}")
    else:
        session.print(document([manifest for manifest, _ in made], output, single=False))
    session.say("--> Success")
    if found.clone is not None:
        await connect(session, found.clone, Key(project, found.app.name), remote)
    for line in create.next_steps(found, remote=remote, server=platform.url):
        session.say(f"    {line}")
    return None
