"""Commands about builds: start-build and cancel-build."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from paas.api.resources import BUILD, BUILDCONFIG, Key, Manifest
from paas.terminal.durations import seconds
from paas.terminal.naming import BUILD_WORDS, BUILDCONFIG_WORDS, plain_name, user_text
from paas.terminal.output import Format, document
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import MANAGER, Output, Session, command, interrupted

if TYPE_CHECKING:
    from paas.api.build import BuildSpec
    from paas.api.build_request import BuildRequest
    from paas.api.buildconfig import BuildConfigSpec

Follow = Callable[[Session, Manifest, bool, float], Awaitable[ExitCode]]
"""(session, Build, True: follow it through its rollouts, False: wait for the build alone; seconds)."""


def register(app: typer.Typer, follow: Follow) -> None:
    """Add the commands; `follow` comes from outside, since it reaches beyond builds."""

    async def start_build(
        session: Session,
        name: Annotated[str, typer.Argument(metavar="NAME", help="BuildConfig: shop or bc/shop.")],
        *,
        commit: Annotated[
            str | None, typer.Option(help="Commit to build; default the newest one known.")
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
        from paas.api.build_request import InstantiateError
        from paas.builds.instantiate import instantiate

        if follow_ and wait:
            raise usage("--follow and --wait exclude each other", hint="--follow also waits")
        limit = seconds(timeout, option="--timeout")
        wanted = plain_name(name, BUILDCONFIG_WORDS)
        cluster, project = await session.cluster(), await session.project()
        key = Key(project, wanted)
        request = await _request(session, key, commit, no_cache=no_cache)
        try:
            build = (await instantiate(cluster, key, request, manager=MANAGER)).build
        except InstantiateError as problem:
            raise Problem(problem.message, hint=problem.hint) from problem
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


async def _request(session: Session, key: Key, commit: str | None, *, no_cache: bool) -> BuildRequest:
    """What to build and who asks. Hosted source was prepared when it was pushed, and every Build keeps
    that; so a commit can be built again from any Build of it."""
    from paas.api.build import TriggerType
    from paas.api.build_request import BuildRequest
    from paas.api.buildconfig import BuildConfigSpec, SourceType

    cluster = await session.cluster()
    config = await cluster.get(BUILDCONFIG, key)
    if config is None:
        raise not_found("buildconfig", key.name, key.namespace, hint=f"paas get bc -n {key.namespace}")
    user = await session.user()
    request = BuildRequest(
        trigger_id=f"manual-{uuid.uuid4()}",
        trigger_type=TriggerType.MANUAL,
        trigger_message="started by hand" + (f" by {user_text(user)}" if user else ""),
        user=user,
        commit=commit,
        no_cache=True if no_cache else None,
    )
    spec = BuildConfigSpec.model_validate(config["spec"])
    if spec.source.kind is SourceType.EXTERNAL:
        if commit is not None and (len(commit) != 40 or not set(commit) <= set("0123456789abcdef")):
            raise usage(
                f'"{commit}" is not a whole commit id', why="40 hexadecimal digits", hint="git rev-parse HEAD"
            )
        return request
    builds = await cluster.list(BUILD, key.namespace, labels=f"paas.dev/buildconfig={key.name}")
    base = _prepared(builds, str(config["metadata"]["uid"]), commit)
    if base is None:
        what = (
            f"commit {commit} has not been built yet" if commit else f'"{key.name}" has nothing to build yet'
        )
        raise Problem(
            what,
            why="source that is hosted here is prepared when it is pushed",
            hint=f"git push paas {commit or 'HEAD'}:refs/heads/main" if commit else "git push paas HEAD",
            code=ExitCode.NOT_FOUND if commit else ExitCode.FAILED,
        )
    _still_fits(key.name, spec, base)
    git = base.revision.git
    return replace(
        request,
        commit=git.commit,
        ref=git.ref,
        author=git.author,
        committer=git.committer,
        commit_message=git.message,
        dockerfile=spec.source.dockerfile or base.dockerfile,
        buildpack=base.buildpack if not spec.source.dockerfile else None,
        content_key=base.content_key,
    )


def _prepared(builds: list[Manifest], uid: str, commit: str | None) -> BuildSpec | None:
    """The newest Build of this BuildConfig that has a Dockerfile, of `commit` (or its beginning) if given."""
    from paas.api.build import BuildSpec

    specs = [BuildSpec.model_validate(b["spec"]) for b in builds if b["spec"]["buildConfigUid"] == uid]
    fit = [
        s for s in specs if s.dockerfile and (not commit or (s.revision.git.commit or "").startswith(commit))
    ]
    return max(fit, key=lambda s: s.number, default=None)


def _still_fits(name: str, spec: BuildConfigSpec, base: BuildSpec) -> None:
    """Where the Dockerfile is looked for must not have changed since the commit was prepared."""
    now = (spec.source.context_dir, spec.strategy.docker_strategy.dockerfile_path)
    then = (base.source.context_dir, base.strategy.docker_strategy.dockerfile_path)
    if now != then and not spec.source.dockerfile:
        raise Problem(
            f'"{name}" was changed since the commit was prepared',
            why="contextDir or dockerfilePath differs",
            hint="push again: git commit --allow-empty -m 'Build again' && git push paas HEAD",
        )
