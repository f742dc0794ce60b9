"""What `start-build --follow` and `--wait` do: say what happens to a Build, and end with its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paas.terminal.problem import ExitCode

if TYPE_CHECKING:
    from paas.api.resources import Manifest
    from paas.terminal.session import Session


async def follow_build(session: Session, build: Manifest, rollout: bool, timeout: float) -> ExitCode:
    """Follow a Build to its end: with its rollouts and everything said, or quietly and the build alone.

    Failures are said in either case.
    """
    from paas.apps.builds import name_of
    from paas.apps.follow import follow
    from paas.apps.progress import BuildCancelled, BuildDeleted, BuildFailed, End, Result, StillRunning
    from paas.apps.render_progress import lines

    codes = {Result.LIVE: ExitCode.OK, Result.BUILT: ExitCode.OK, Result.TIME_UP: ExitCode.TIMEOUT}
    code = ExitCode.FAILED
    async for event in follow(await session.cluster(), build, wait=timeout, rollout=rollout):
        if isinstance(event, End):
            code = codes.get(event.result, ExitCode.FAILED)
        elif rollout or isinstance(event, BuildFailed | BuildCancelled | BuildDeleted | StillRunning):
            for line in lines(event):
                session.say(line)
    if code is ExitCode.OK and not rollout:
        session.say(f"build {name_of(build)} is complete")
    return code
