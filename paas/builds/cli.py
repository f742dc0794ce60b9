"""Commands about builds: start-build and cancel-build."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from paas.api.resources import BUILD, Key, Manifest
from paas.terminal.durations import seconds
from paas.terminal.naming import BUILD_WORDS, BUILDCONFIG_WORDS, plain_name
from paas.terminal.output import Format, document
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import MANAGER, Output, Session, command, interrupted

_CODES: Final = {
    400: ExitCode.USAGE,
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
}
"""Exit codes by the status of an answer."""

Follow = Callable[[Session, Manifest, bool, float], Awaitable[ExitCode]]
"""(session, Build, True: follow it through its rollouts, False: wait for the build alone; seconds)."""


def register(app: typer.Typer, follow: Follow) -> None:
    """Add the commands; `follow` comes from outside, since it reaches beyond builds."""

    async def start_build(
        session: Session,
        name: Annotated[str, typer.Argument(metavar="NAME", help="BuildConfig: shop or bc/shop.")],
        *,
        commit: Annotated[
            str | None, typer.Option(help="Commit to build; default the head of the branch that deploys.")
        ] = None,
        no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every layer again.")] = False,
        follow_: Annotated[
            bool,
            typer.Option("--follow", "-F", help="Say how build and rollout go on; exit 1 if one fails."),
        ] = False,
        wait: Annotated[
            bool, typer.Option("--wait", "-w", help="Wait for the build; exit 1 if it fails.")
        ] = False,
        timeout: Annotated[
            str,
            typer.Option(metavar="DURATION", help="How long to follow or wait; exit 124 after; 0: no limit."),
        ] = "15m",
        output: Output = Format.TABLE,
    ) -> ExitCode | None:
        """Start a build by hand.

        Example: paas start-build shop --follow
        """
        if follow_ and wait:
            raise usage("--follow and --wait exclude each other", hint="--follow also waits")
        limit = seconds(timeout, option="--timeout")
        wanted = plain_name(name, BUILDCONFIG_WORDS)
        project = await session.project()
        build = await _instantiate(session, project, wanted, commit, no_cache=no_cache)
        started = str(build["metadata"]["name"])
        if output in (Format.TABLE, Format.WIDE):
            session.print(f'build "{started}" started')
        else:
            session.print(document([build], output, single=True))
        if follow_ or wait:
            session.goes_on = interrupted(
                f'build "{started}" goes on', f"paas logs -f build/{started} -n {project}"
            )
            return await follow(session, build, follow_, limit)
        session.say(f"next: paas logs -f build/{started} -n {project}")
        return None

    command(app, "start-build")(start_build)
    command(app, "cancel-build")(cancel_build)


async def cancel_build(
    session: Session,
    builds: Annotated[list[str], typer.Argument(metavar="BUILD...", help="shop-7 or build/shop-7.")],
) -> ExitCode | None:
    """Cancel builds that are not over; it cannot be taken back.

    Example: paas cancel-build shop-7
    """
    from paas.api.build import TERMINAL

    names = [plain_name(given, BUILD_WORDS) for given in builds]
    cluster, project = await session.cluster(), await session.project()
    code = ExitCode.OK
    for name in names:
        build = await cluster.get(BUILD, Key(project, name))
        if build is None:
            raise not_found("build", name, project, hint=f"paas get builds -n {project}")
        phase = (build.get("status") or {}).get("phase", "New")
        if phase in TERMINAL:
            session.say(f'error: build "{name}" is over already (it is {phase})')
            code = ExitCode.FAILED
        elif build["spec"].get("cancelled"):
            session.print(f'build "{name}" is being cancelled already')
        else:
            await cluster.patch(BUILD, Key(project, name), {"spec": {"cancelled": True}}, manager=MANAGER)
            session.print(f'build "{name}" cancelled')
    return code


async def _instantiate(
    session: Session, project: str, name: str, commit: str | None, *, no_cache: bool
) -> Manifest:
    """The Build that the platform made. Raises Problem."""
    from paas.terminal.platform_client import post

    content: dict[str, Any] = {"id": str(uuid.uuid4())}
    if commit is not None:
        content["commit"] = commit
    if no_cache:
        content["noCache"] = True
    answer = await post(session, f"/git/{project}/{quote(name)}/instantiate", content, project=project)
    if answer.status in (200, 201) and answer.content:
        return answer.content
    message = str(answer.content.get("message") or "")
    if not message:
        raise Problem(
            f"the platform answered {answer.status}, which this command does not understand",
            why="it may be older than this command",
            hint="bring it up to date: paas install, or paas up; paas doctor checks it",
        )
    hint = str(answer.content.get("hint") or "")
    raise Problem(message, hint=hint, code=_CODES.get(answer.status, ExitCode.FAILED))
