"""From the way in which Kaniko ended to what became of the Build, and what a person can do about it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from paas.api.names import Reason
from paas.builds import executor, log
from paas.builds.executor import Ending, Kind
from paas.builds.job import CONTEXT
from paas.builds.unreachable import TOKENS, unreachable
from paas.builds.verdict import Failed, Lost, Verdict
from paas.fetch.request import SOURCE
from paas.kube.pods import Exit

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
"""How Kaniko names an image in its termination message."""
_KILLED_STEP: Final = 137
"""A shell's exit code for a command that SIGKILL ended."""
MORE_MEMORY: Final = (
    "as a rule it needs more memory than the limit: raise spec.resources.limits.memory of the BuildConfig"
)
ERROR_WIDTH: Final = 300
"""Characters of the executor's error in a message; the log has the rest."""


def kaniko_failed(ended: Exit, tail: str | None, runtimes: tuple[str, ...]) -> Verdict:
    """What an end of Kaniko with another exit code than 0 means; `tail` is the end of its log where that
    could be read."""
    # A digest in the termination message proves nothing: each layer that went to the cache leaves one.
    said = "" if DIGEST.fullmatch(ended.message.strip()) else ended.message
    text, finished = tail or said, ended.finished
    ending = executor.ending(text, ended.code, context=f"{CONTEXT}/{SOURCE}")
    if ending is not None and _platform_was_away(ending, runtimes):
        return Lost(
            Reason.PLATFORM_UNREACHABLE,
            f"a part of the platform did not answer during the build ({ending.text[:ERROR_WIDTH]})",
            finished,
        )
    if ending is not None:
        return replace(_why(ending, text, runtimes), snippet=log.snippet(text), finished=finished)
    if ended.code in executor.KILLED:
        return Lost(
            Reason.BUILD_POD_DELETED,
            f"the build was stopped from outside (exit code {ended.code})",
            finished,
        )
    silent = "and does not say why" if text.strip() else "and its log cannot be read"
    return Failed(
        Reason.GENERIC_BUILD_FAILED,
        f"the build failed with exit code {ended.code} {silent}",
        log.snippet(text),
        finished,
        more_in_log=True,
        again="try again",
    )


def _platform_was_away(ending: Ending, runtimes: tuple[str, ...]) -> bool:
    """Whether the executor gave up because the registry or its tokens did not answer. A push goes to the
    platform's registry alone, and so does the cache; a base image may come from anywhere."""
    if ending.kind in (Kind.PUSH, Kind.CACHE):
        return unreachable(ending.text)
    if ending.kind is Kind.BASE_IMAGE:
        own = {image.partition("/")[0] for image in runtimes}
        return unreachable(ending.text, (TOKENS, *sorted(own)))
    return False


def _why(ending: Ending, text: str, runtimes: tuple[str, ...]) -> Failed:
    """What the way in which the executor ended means; `text` is the end of its log, for names only."""
    short = ending.text[:ERROR_WIDTH]
    match ending.kind:
        case Kind.PUSH:
            return Failed(
                Reason.PUSH_IMAGE_FAILED,
                f"the image could not be pushed to the platform's registry ({short})",
                again="when the registry is well again, start another build",
            )
        case Kind.DOCKERFILE:
            return Failed(
                Reason.DOCKERFILE_PARSE_ERROR,
                f"the Dockerfile cannot be read: {short}; correct it and push again",
            )
        case Kind.BASE_IMAGE:
            image = log.base_image(text) or "of the Dockerfile"
            exist = f" (the platform has {', '.join(runtimes)})" if runtimes else ""
            return Failed(
                Reason.BASE_IMAGE_NOT_FOUND,
                f"the base image {image} cannot be pulled: {short}; start FROM one that this cluster can "
                f"reach{exist} and push again",
            )
        case Kind.START | Kind.CRASH:
            return Failed(
                Reason.GENERIC_BUILD_FAILED,
                f"the platform's image builder stopped by itself: {short}",
                more_in_log=True,
                again="try again",
            )
        case Kind.BUILD:
            return Failed(Reason.DOCKER_BUILD_FAILED, f"the build failed: {short}", more_in_log=True)
        case _:
            return _step_failed(ending, short, log.last_instruction(text))


def _step_failed(ending: Ending, short: str, step: str | None) -> Failed:
    what = repr(step) if step else "a step of the Dockerfile"
    reason, hint, in_log = Reason.DOCKER_BUILD_FAILED, "", True
    match ending.kind:
        case Kind.COPY:
            message, in_log = f"the Dockerfile copies {ending.detail!r}, which is not in the source", False
            hint = (
                "commit it (.gitignore and .dockerignore leave files out) or correct the Dockerfile, "
                "and push again"
            )
        case Kind.STEP if ending.code == _KILLED_STEP:
            reason, hint = Reason.OUT_OF_MEMORY_KILLED, MORE_MEMORY
            message = f"{what} was killed (exit code {ending.code})"
        case Kind.STEP_KILLED if ending.detail == "killed":
            reason, message, hint = Reason.OUT_OF_MEMORY_KILLED, f"{what} was killed", MORE_MEMORY
        case Kind.STEP:
            message = f"{what} failed (exit code {ending.code})"
        case Kind.STEP_KILLED:
            message = f"{what} was ended by a signal ({ending.detail})"
        case Kind.SPACE:
            message = f"{what} needs more disk than there is ({short})"
            hint = "raise spec.resources.limits.ephemeral-storage of the BuildConfig, or make less"
        case Kind.CACHE:
            message = f"the cached layer of {what} cannot be read ({short})"
            hint = "build without it: set spec.strategy.dockerStrategy.noCache of the BuildConfig"
        case _:
            message = f"{what} failed ({short})"
    return Failed(reason, f"{message}; {hint}" if hint else message, more_in_log=in_log)
