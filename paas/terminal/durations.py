"""Durations as kubectl takes them: `30s`, `5m`, `1h30m`. Pure."""

from __future__ import annotations

import math
import re
from typing import Final

from paas.terminal.problem import Problem, usage

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds(given: str, *, option: str) -> float:
    """What an option's duration is in seconds; 0 is no limit, as in kubectl. Raises Problem (usage)."""
    if re.fullmatch(r"0+(\.0+)?", given):
        return math.inf
    if given.startswith("-"):
        raise _wrong(option, given, "it is negative")
    if re.fullmatch(r"\d+(\.\d+)?", given):
        raise _wrong(option, given, "it has no unit")
    if not given or _PART.sub("", given):
        raise _wrong(option, given, "it is not a number with a unit")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(given)) or math.inf


def _wrong(option: str, given: str, why: str) -> Problem:
    return usage(f'{option} "{given}" is not a duration', why=why, hint="write 30s, 5m or 1h; 0 is no limit")
