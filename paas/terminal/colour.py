"""Colours for words that say how something is; only where a person looks at a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TextIO

GREEN: Final = "32"
YELLOW: Final = "33"
RED: Final = "31"
BOLD_RED: Final = "1;31"

_WORDS: Final = {
    **dict.fromkeys(
        ("Ready", "Running", "Complete", "Completed", "Succeeded", "Active", "Bound", "Available", "Admitted",
         "Live", "Healthy"),
        GREEN,
    ),
    **dict.fromkeys(
        ("Pending", "New", "Waiting", "Progressing", "Pulling", "Terminating", "ContainerCreating",
         "PodInitializing", "Unknown", "Cancelled", "Held", "Paused", "NotReady", "SchedulingDisabled"),
        YELLOW,
    ),
    **dict.fromkeys(
        ("Failed", "Error", "Evicted", "OOMKilled", "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull",
         "CreateContainerConfigError", "InvalidImageName", "Lost", "Rejected", "Stalled", "Warning"),
        RED,
    ),
}  # fmt: skip


def wanted(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to colour what goes to the stream: it is a terminal, and NO_COLOR is not set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def of_state(text: str) -> str | None:
    """The colour of a text that begins with the name of a state, for instance `Complete (serving)`; else
    None."""
    first = re.match(r"[A-Za-z]+", text)
    if first is None or text[first.end() : first.end() + 1] not in ("", " ", ",", ":"):
        return None
    return _WORDS.get(first[0])


def state(text: str, *, colours: bool) -> str:
    """`text`, coloured if it names a state and `colours` are wanted."""
    colour = of_state(text) if colours else None
    return painted(text, colour) if colour else text
