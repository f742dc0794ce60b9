"""How Kaniko's executor ended: from the end of its log and its exit code to a kind of ending. Pure.

The executor prints its error to stdout as its last act, as plain text behind one of few prefixes, and exits
with 1, with the code of the step that failed, or with 255 when a signal ended that step (Kaniko 1.24,
cmd/executor). What a step prints goes to the same log, with or without a line end, and its stderr may arrive
after the executor's last word. A line therefore counts as the executor's only if it agrees with the exit
code; the last one that does decides. Nothing but the executor's own error and the exit code is looked at:
the termination message holds the digest of a layer that went to the cache just as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from paas.builds import log


class Kind(Enum):
    """What the executor was doing when it gave up."""

    STEP = auto()
    """A RUN ended with `code`, not 0."""
    STEP_KILLED = auto()
    """A RUN was ended by a signal, `detail`."""
    STEP_NOT_STARTED = auto()
    """A RUN could not be started: its user, shell or program is not in the image."""
    COPY = auto()
    """A COPY or ADD names `detail`, which is not in the context."""
    CACHE = auto()
    """A layer of the cache could not be read."""
    SPACE = auto()
    """The disk is full."""
    STAGE = auto()
    """Anything else in a stage."""
    DOCKERFILE = auto()
    """The Dockerfile, or the ignore file beside it, cannot be read."""
    BASE_IMAGE = auto()
    """An image that the Dockerfile names cannot be read from its registry."""
    PUSH = auto()
    """The finished image, or the right to push it, was refused."""
    START = auto()
    """The executor does not accept its arguments or surroundings."""
    CRASH = auto()
    """The executor has a mistake of its own."""
    BUILD = auto()
    """Anything else between the stages."""


@dataclass(frozen=True)
class Ending:
    """`text` is the executor's error without the prefixes that say only where it was; '' when none is known.

    `code` is the exit code of a step; `detail` as the kind says.
    """

    kind: Kind
    text: str = ""
    code: int | None = None
    detail: str = ""


OK: Final = 0
FAILED: Final = 1
CRASHED: Final = 2
"""A Go program that panics; also SIGTERM as process 1."""
SIGNALLED: Final = 255
"""The executor's exit code for a step that a signal ended (-1 in Go)."""
KILLED: Final = frozenset({CRASHED, 137, 143, SIGNALLED})
"""Exit codes of a container that was killed from outside: by SIGTERM, by SIGKILL, or unknown."""

_PREFIXES: Final = (
    "error building image: ",
    "error pushing image: ",
    "error checking push permissions -- ",
    "error resolving relative paths to absolute paths: ",
    "error changing to root dir: ",
    "kaniko should only be run inside of a container",
    "Error: ",
    "fatal: ",
)
_PREFIX: Final = re.compile("|".join(map(re.escape, _PREFIXES)))
_AT_START_ONLY: Final = ("Error: ", "fatal: ", "kaniko should only be run inside of a container")
"""Prefixes of lines on stderr, or so common that they count only at the start of a line."""
_STEP: Final = re.compile(
    r"error building image: error building stage: failed to execute command: waiting for process to exit: "
    r"(?:exit status (?P<code>\d+)|signal: (?P<signal>[a-z0-9 /-]+?)(?: \(core dumped\))?)$"
)
_STAGE: Final = "error building stage: "
_COMMAND: Final = "failed to execute command: "
_RETRIES: Final = re.compile(r"unable to complete operation after \d+ attempts, last error: ")
"""How the executor marks a request to a registry for an image, and nothing else."""
_REQUEST: Final = re.compile(r"\b(?:GET|HEAD) https?://|\b(?:Get|Head) \"https?://")
_BAD_NAME: Final = "could not parse reference: "
_DOCKERFILE: Final = (
    "parsing dockerfile: ",
    "reading dockerfile at path ",
    "expanding meta ARGs: ",
    "Error finding target stage: ",
    "resolving args: ",
    "parsing .dockerignore: ",
)
_NOT_STARTED: Final = (
    "starting command: ",
    "credentials: ",
    "resolving user ",
    "adding default HOME variable: ",
)
_OF_CACHE: Final = ("extracting fs from image: ", "retrieving image layers: ", "retrieve image layers: ")
_NO_FILE: Final = "no such file or directory"
_PUSH_ADVICE: Final = (
    "make sure you entered the correct tag name, and that you are authenticated correctly, and try again: "
)
_OWN_STACK: Final = re.compile(r"^github\.com/GoogleContainerTools/kaniko/", re.MULTILINE)


def ending(text: str, code: int, *, context: str) -> Ending | None:
    """How the executor ended; None when neither its log nor its exit code tells.

    `text` is the end of its log, `context` the folder of the build context as the executor sees it.
    """
    for line in reversed(text.splitlines()):
        found = _of_line(log.readable(line), code, context)
        if found is not None:
            return found
    if code == CRASHED and re.search(r"^panic: ", text, re.MULTILINE) and _OWN_STACK.search(text):
        return Ending(Kind.CRASH, _last_panic(text))
    if code not in KILLED and code not in (OK, FAILED):
        return Ending(Kind.STEP, code=code)  # only the code of a step is passed on
    return None


def _last_panic(text: str) -> str:
    return [line for line in text.splitlines() if line.startswith("panic: ")][-1]


def _of_line(line: str, code: int, context: str) -> Ending | None:
    step = _STEP.search(line)
    if step is not None:
        if step["code"] is not None:
            # as texts: the line may be of a step, and hold more digits than Python reads as a number
            return _step(code) if step["code"] == str(code) else None
        return Ending(Kind.STEP_KILLED, detail=step["signal"]) if code == SIGNALLED else None
    if code != FAILED:
        return None
    starts = [m for m in _PREFIX.finditer(line) if m.start() == 0 or m[0] not in _AT_START_ONLY]
    found = [_classified(each[0], line[each.end() :], context) for each in starts]
    # A step that ends without a line end leaves its words before the executor's: the last prefix counts. Only
    # the name of a file can bring a prefix into the executor's own error.
    named = [each for each in found if each.kind is Kind.COPY]
    return next(iter(named or found[-1:]), None)


def _step(code: int) -> Ending:
    return Ending(Kind.STEP, f"exit status {code}", code)


def _classified(prefix: str, rest: str, context: str) -> Ending:
    if prefix in _AT_START_ONLY or prefix.startswith(("error resolving", "error changing")):
        return Ending(Kind.START, rest or prefix)
    if prefix != "error building image: ":
        return Ending(Kind.PUSH, rest.removeprefix(_PUSH_ADVICE))
    if rest.startswith(_STAGE):
        return _in_stage(rest.removeprefix(_STAGE), context)
    for start in _DOCKERFILE:
        if rest.startswith(start):
            return Ending(Kind.DOCKERFILE, rest.removeprefix("parsing dockerfile: "))
    if rest.endswith(" is not a supported command"):
        return Ending(Kind.DOCKERFILE, rest)
    asked = _RETRIES.match(rest)
    if asked is not None:
        return Ending(Kind.BASE_IMAGE, rest[asked.end() :])
    if _REQUEST.search(rest) or rest.startswith(_BAD_NAME):
        return Ending(Kind.BASE_IMAGE, rest)
    return Ending(Kind.SPACE if _is_space(rest) else Kind.BUILD, rest)


def _in_stage(rest: str, context: str) -> Ending:
    short = rest.removeprefix("failed to optimize instructions: ")
    if short.startswith("failed to get filesystem from image: ") and _REQUEST.search(short):
        return Ending(Kind.BASE_IMAGE, short)
    missing = re.search(rf"lstat {re.escape(context)}/(.+): {_NO_FILE}$", short)
    if missing is not None and _NO_FILE not in missing[1] and not short.startswith(_COMMAND + "waiting"):
        return Ending(Kind.COPY, short, detail=missing[1])
    if _is_space(short):
        return Ending(Kind.SPACE, short)
    if short.startswith(_COMMAND):
        command = short.removeprefix(_COMMAND)
        if command.startswith(_OF_CACHE):
            return Ending(Kind.CACHE, command)
        if command.startswith(_NOT_STARTED):
            return Ending(Kind.STEP_NOT_STARTED, command)
        return Ending(Kind.STAGE, command)
    return Ending(Kind.STAGE, short)


def _is_space(text: str) -> bool:
    return text.endswith(("no space left on device", "disk quota exceeded"))
