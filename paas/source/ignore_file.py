"""Ignore files of build contexts (.dockerignore), by Docker's rules. Pure.

A line is a pattern for paths below the context; the last one that fits decides, and one with `!` in front
takes files back. A pattern that fits a folder fits all in it. `**` stands for any number of
folders, none included.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes; a larger ignore file is not read."""


class BadPattern(Exception):
    """A line that is no pattern; the text says which and why."""


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    back: bool
    """Whether it takes back what earlier ones left out."""


Seen = tuple[bool, ...]
"""Which rules fit a path or a folder above it."""


@dataclass(frozen=True)
class IgnoreFile:
    """The rules, in order."""

    rules: tuple[_Rule, ...]

    @cached_property
    def takes_back(self) -> bool:
        """Whether something in a folder that is left out may be in all the same."""
        return any(rule.back for rule in self.rules)

    def look(self, path: str, above: Seen = ()) -> tuple[bool, Seen]:
        """Whether `path` is left out, and what to hand on for paths in it; `above` is that of its folder."""
        above = above or (False,) * len(self.rules)
        seen = tuple(
            fits or rule.pattern.fullmatch(path) is not None
            for rule, fits in zip(self.rules, above, strict=True)
        )
        out = False
        for rule, fits in zip(self.rules, seen, strict=True):
            out = not rule.back if fits else out
        return out, seen


def parse(text: str) -> IgnoreFile:
    """Raises BadPattern."""
    return IgnoreFile(tuple(_rules(text.removeprefix("\ufeff"))))


def _rules(text: str) -> Iterator[_Rule]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("#"):
            continue  # with a space before it, it is a pattern
        pattern = line.strip()
        back = pattern.startswith("!")
        pattern = pattern[1:].strip() if back else pattern
        if not pattern:
            if back:
                raise BadPattern(f"line {number}: '!' without a pattern")
            continue
        try:
            yield _Rule(re.compile(_translated(_clean(pattern)), re.DOTALL), back)
        except (ValueError, re.error) as problem:
            raise BadPattern(f"line {number}: {pattern!r} is not a pattern ({problem})") from problem


def _clean(pattern: str) -> str:
    path = posixpath.normpath(re.sub(r"/+", "/", pattern))
    return path[1:] if len(path) > 1 and path.startswith("/") else path


def _translated(pattern: str) -> str:
    """As a regular expression; raises ValueError."""
    # any number of these means what one of them means, and is read in reasonable time
    rest, made = re.sub(r"(?:\*{2,}/)+", "**/", pattern), ""
    while rest:
        char, rest = rest[0], rest[1:]
        if char == "*" and rest.startswith("*"):
            rest = rest[1:].removeprefix("/")
            made += "(?:.*/)?" if rest else ".*"
        elif char == "*":
            made += "[^/]*"
        elif char == "?":
            made += "[^/]"
        elif char == "[":
            members, rest = _class(rest)
            made += members
        elif char == "\\":
            if not rest:
                raise ValueError("a backslash at its end")
            made, rest = made + re.escape(rest[0]), rest[1:]
        else:
            made += re.escape(char)
    return made


def _class(rest: str) -> tuple[str, str]:
    """One of these characters: the expression, and what follows it."""
    negated = rest.startswith("^")
    rest = rest[1:] if negated else rest
    members: list[str] = []
    while not rest.startswith("]") or not members:
        first, rest = _member(rest)
        last = first
        if rest.startswith("-"):
            last, rest = _member(rest[1:])
        members.append(f"{re.escape(first)}-{re.escape(last)}")
    return f"[{'^' if negated else ''}{''.join(members)}]", rest[1:]


def _member(rest: str) -> tuple[str, str]:
    if rest.startswith("\\"):
        rest = rest[1:]
    elif rest.startswith(("-", "]")):
        raise ValueError(f"{rest[0]!r} where a character is due")
    if not rest:
        raise ValueError("']' is missing")
    return rest[0], rest[1:]
