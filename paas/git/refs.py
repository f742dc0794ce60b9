"""Which refs a push may touch, and what the pusher is told about the others.

Only branches and tags are stored. Names are checked more strictly than git does, which accepts
`refs/heads/--upload-pack=x`: no part begins with a dash, so no name can ever be read as an option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from paas.git.push import BRANCHES, TAGS, ZERO, Command

LONGEST: Final = 200
"""Bytes of a whole ref name; file systems end at 255 for one part, and git adds `.lock`."""
_HEX: Final = re.compile(r"[0-9a-f]{40}")
_BAD: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_object_id(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def refusal(command: Command, *, tips: Mapping[str, str]) -> str | None:
    """Why this update is not taken, in the few words that git prints behind the branch; None: it is.

    `tips` maps existing refs to object ids.
    """
    if not command.ref.startswith((BRANCHES, TAGS)):
        return "only branches and tags can be pushed here"
    if (problem := _name_problem(command.ref)) is not None:
        return problem
    if command.deletes and command.ref not in tips:
        return "there is no such branch or tag"
    if command.deletes and tips[command.ref] != command.old:
        # receive-pack would delete without comparing when it does not know `old`
        return "it has moved meanwhile; fetch first"
    return None


def refusals(commands: Iterable[Command], *, tips: Mapping[str, str]) -> dict[str, str]:
    """Reason by ref of the updates that are not taken. One of them refuses the whole push: a push that
    was half taken is harder to understand than one that was not."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for command in commands:
        if command.ref in seen:
            found[command.ref] = "named twice in one push"
        elif (reason := refusal(command, tips=tips)) is not None:
            found[command.ref] = reason
        seen.add(command.ref)
    return found


def _name_problem(ref: str) -> str | None:
    short = ref.split("/", 2)[2]
    if len(ref.encode(errors="surrogateescape")) > LONGEST:
        return f"the name is longer than {LONGEST} bytes"
    if not short or _BAD.search(ref) or short == "@" or short.endswith(("/", ".")):
        return "not a valid name"
    for part in short.split("/"):
        if part.startswith("-"):
            return "no part of the name may begin with '-'"
        if part.startswith(".") or part.endswith(".lock") or not part:
            return "not a valid name"
    if short == "HEAD" or is_object_id(short):
        return "this name would be confused with a commit"
    return None


def deploying_branch(configured: str | None, head: str) -> str:
    """The branch whose pushes make Builds: the BuildConfig's `source.git.ref`, else HEAD's."""
    return (configured or head).removeprefix(BRANCHES)


def is_update(old: str, new: str) -> bool:
    """Whether an entry of a reflog put a commit there (and did not take the branch away)."""
    return new not in (ZERO, old)
