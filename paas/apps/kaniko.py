"""Lines of Kaniko's log without their dressing, and without those that help nobody else. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

from paas.terminal.output import plain

_LINE: Final = re.compile(
    r"^(?:(?P<level>[A-Z]{4})\[\d+\] |time=\"[^\"]*\" level=(?P<word>\w+) msg=)(?P<said>.*)$", re.DOTALL
)
"""How Kaniko writes a line, with and without a terminal: level, clock and message."""
_LEVELS: Final = {"warn": "warning", "erro": "error", "fata": "fatal", "debu": "debug"}
_CHATTER: Final = (
    "Adding exposed port", "Applying label", "Args:", "Built cross stage deps", "Changed working directory",
    "Checking for cached layer", "Cmd:", "Creating directory", "Deleting filesystem", "ENV PAAS_BUILD_",
    "Executing 0 build triggers", "Initializing snapshotter", "LABEL org.opencontainers.image.",
    "No cached layer found", "No files changed", "Pushed ", "Pushing image", "Pushing layer",
    "Resolved base name",
    "Retrieving image", "Returning cached image", "Running: [", "Skipping unpacking", "Taking snapshot",
    "Using files from context",
)  # fmt: skip
"""How the info lines begin that are left out; `paas logs build/…` has them all, in the same words."""


def readable(line: str) -> str | None:
    """What a line says to the pusher: its message, with the level when it matters; None for chatter."""
    said = message(line)
    return None if _LINE.match(plain(line)) is not None and said.startswith(_CHATTER) else said


def message(line: str) -> str:
    """A line without Kaniko's dressing: its message, with the level when it matters."""
    match = _LINE.match(plain(line))
    if match is None:
        return line
    level = (match["level"] or match["word"]).lower()
    said = _unquoted(match["said"])
    return said if level == "info" else f"{_LEVELS.get(level, level)}: {said}"


def _unquoted(text: str) -> str:
    """A message in Go's quotes without them; one word has none."""
    try:
        return str(json.loads(text, strict=False)) if text.startswith('"') else text
    except ValueError:
        return text.strip('"')  # an escape that JSON does not have
