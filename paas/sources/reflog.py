"""A branch's reflog as the record of accepted pushes, and which of them are not handled yet.

Git appends one line for each move of a branch before the pusher hears of it, so the log is the outbox:
whatever is in it and not marked as handled still gets its Build, also after a crash. We give git the
committer under which it writes the line: the pusher's name, and the push's id as the address; so every
line is unique, and its hash names the push for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paas.sources.model import ZERO

PUSH_DOMAIN: Final = "push.paas.dev"
_LINE: Final = re.compile(
    rb"^(?P<old>[0-9a-f]{40}) (?P<new>[0-9a-f]{40}) "
    rb"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<time>\d+) [+-]\d{4}\t?"
)


@dataclass(frozen=True)
class Entry:
    """One move of a branch. `id` is unique among all moves; `push` is the id of the push, or ''."""

    id: str
    old: str
    new: str
    user: str
    push: str
    time: int
    """Seconds since 1970."""
    logged: bool = True


@dataclass(frozen=True)
class Handled:
    """Up to where a branch was handled: the commit, and the id of the entry (absent when it was not
    in the log)."""

    commit: str
    entry: str | None


def parse(log: bytes) -> list[Entry]:
    """The complete lines of a reflog; a torn last line was never acknowledged."""
    entries = []
    for line in log.split(b"\n")[:-1]:
        match = _LINE.match(line)
        if match is None:
            continue
        email = match["email"].decode(errors="replace")
        push = email.removesuffix(f"@{PUSH_DOMAIN}") if email.endswith(f"@{PUSH_DOMAIN}") else ""
        entries.append(
            Entry(
                id=hashlib.sha256(line).hexdigest(),
                old=match["old"].decode(),
                new=match["new"].decode(),
                user=match["name"].decode(errors="replace"),
                push=push,
                time=int(match["time"]),
            )
        )
    return entries


def pending(entries: Sequence[Entry], *, tip: str, handled: Handled | None) -> list[Entry]:
    """The moves that are still to be handled, oldest first; `tip` is where the branch is now.

    The log goes away with its branch, so a mark that is not in it belongs to an earlier life of the
    branch. A tip that the log does not reach (the log was lost with the power) counts as one move.
    """
    following = list(entries)
    if handled is not None:
        position = next((i for i in reversed(range(len(entries))) if entries[i].id == handled.entry), None)
        if position is not None:
            following = list(entries[position + 1 :])
        elif handled.entry is None:
            position = next(
                (i for i, entry in enumerate(entries) if entry.old == handled.commit), len(entries)
            )
            following = list(entries[position:])
    reached = following[-1].new if following else handled.commit if handled else ZERO
    if reached != tip:
        following.append(unlogged(reached, tip))
    return following


def unlogged(old: str, new: str) -> Entry:
    """A move that the log does not have; its id is no mark, since it is not in the log."""
    digest = hashlib.sha256(f"unlogged {old} {new}".encode()).hexdigest()
    return Entry(id=digest, old=old, new=new, user="", push="", time=0, logged=False)


def trigger_id(repository: str, ref: str, entry: Entry) -> str:
    """The identity of the Build that this move makes; the same move never makes two."""
    text = "\0".join(("push", repository, ref, entry.old, entry.new, entry.id))
    return f"push-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def committer(user: str, push: str) -> dict[str, str]:
    """Environment by which git writes the line: characters that would break it are taken out."""
    name = re.sub(r"[\x00-\x1f\x7f<>]", "", user).strip(" .,:;\"'\\")[:200]
    return {"GIT_COMMITTER_NAME": name or "unknown", "GIT_COMMITTER_EMAIL": f"{push}@{PUSH_DOMAIN}"}
