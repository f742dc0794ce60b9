"""A branch's reflog as the record of accepted pushes, and which of them are not handled yet.

Git appends one line for each move of a branch before the pusher hears of it, so the log is the outbox:
whatever is in it and not marked as handled still gets its Build, also after a crash. We give git the
committer under which it writes the line: the pusher's name, and the push's id as the address; so every
line is unique, and its hash names the push for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final

from paas.git.push import ZERO

PUSH_DOMAIN: Final = "push.paas.dev"
TORN: Final = b"\ttorn\n"
"""The end of a line that a power cut cut short; it counts for nothing."""
_LINE: Final = re.compile(
    rb"^(?P<old>[0-9a-f]{40}) (?P<new>[0-9a-f]{40}) "
    rb"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<time>\d+) [+-]\d{4}\t?"
)


@dataclass(frozen=True)
class Entry:
    """One move of a branch. `id` is unique among all moves; `push` is the id of the push, or ''. `mark` is
    what is noted when it was handled: the last line of the log by then, None when there was none."""

    id: str
    old: str
    new: str
    user: str
    push: str
    time: int
    """Seconds since 1970."""
    mark: str | None


@dataclass(frozen=True)
class Handled:
    """Up to where a branch was handled: the commit, and the mark of the entry. `lost`: it was handled up to
    somewhere, but a torn file keeps from knowing where; `commit` may be '' then."""

    commit: str
    entry: str | None
    lost: bool = False


def parse(log: bytes) -> list[Entry]:
    """The complete lines of a reflog."""
    entries = []
    for line in _lines(log):
        match = _LINE.match(line)
        if match is None:
            continue
        digest = hashlib.sha256(line).hexdigest()
        email = match["email"].decode(errors="replace")
        push = email.removesuffix(f"@{PUSH_DOMAIN}") if email.endswith(f"@{PUSH_DOMAIN}") else ""
        entries.append(
            Entry(
                id=digest,
                old=match["old"].decode(),
                new=match["new"].decode(),
                user=match["name"].decode(errors="replace"),
                push=push,
                time=int(match["time"]),
                mark=digest,
            )
        )
    return entries


def _lines(log: bytes) -> list[bytes]:
    torn = TORN.removesuffix(b"\n")
    return [line for line in log.split(b"\n")[:-1] if not line.endswith(torn)]


def last_value(log: bytes) -> str | None:
    """Where the ref went last; None when no line of the log is whole."""
    return next((m["new"].decode() for line in reversed(_lines(log)) if (m := _LINE.match(line))), None)


def mark_of(log: bytes, commit: str) -> Handled:
    """The mark of a branch from its log; `commit` is where its ref is, '' when that is torn."""
    for line in reversed(_lines(log)):
        about, _, message = line.rpartition(b"\t")
        if about[41:81] == commit.encode() and message.startswith(b"handled "):
            entry = message.removeprefix(b"handled ").decode(errors="replace").strip()
            return Handled(commit, None if entry == "-" else entry)
    return Handled(commit, None, lost=True)


def mark_line(old: str, entry: Entry, *, now: int) -> bytes:
    """A line of a mark's log, as git writes it."""
    return f"{old} {entry.new} paas <paas> {now} +0000\t{mark_message(entry.mark)}\n".encode()


def mark_message(entry: str | None) -> str:
    return f"handled {entry or '-'}"


def unknown_of(
    found: Sequence[Entry], triggers: Sequence[str], known: Container[str], commit: str
) -> list[Entry]:
    """Of the pending entries of a branch whose mark is lost, those that may not have been handled yet:
    what follows the last one that is known to have a Build (`triggers` are the ids, one an entry), else what
    follows the commit of the mark, else the newest alone: rather is a commit in between not built than all
    that ever was pushed once more."""
    built = [i for i, trigger in enumerate(triggers) if trigger in known]
    marked = [i for i, entry in enumerate(found) if entry.new == commit]
    if built or marked:
        return list(found[(built or marked)[-1] + 1 :])
    return list(found[-1:])


def pending(entries: Sequence[Entry], *, tip: str, handled: Handled | None) -> list[Entry]:
    """The moves that are still to be handled, oldest first; `tip` is where the branch was just before the
    log was read.

    - Git writes the line first and moves the ref then. So lines behind the one that led to the tip are
      moves that are still under way, and a line that the next one does not continue was never completed.
    - The log goes away with its branch, so a mark that is not in it belongs to an earlier life.
    - A log may have lost its end with the power: then the tip is ahead, which counts as one move.
    """
    known = handled.entry if handled is not None else None
    position = next((i for i in reversed(range(len(entries))) if entries[i].id == known), -1)
    following = list(entries[position + 1 :])
    last = next((i for i in reversed(range(len(following))) if following[i].new == tip), None)
    if last is None:
        if handled is not None and handled.commit == tip:
            return []
        reached = following[-1].new if following else handled.commit if handled else ZERO
        return [*following, _unlogged(reached, tip, after=entries[-1].id if entries else None)]
    completed: list[Entry] = []
    expected = tip
    for entry in reversed(following[: last + 1]):
        if entry.new == expected:
            completed.append(entry)
            expected = entry.old
    return completed[::-1]


def _unlogged(old: str, new: str, *, after: str | None) -> Entry:
    """A move that the log does not have."""
    digest = hashlib.sha256(f"unlogged {after} {old} {new}".encode()).hexdigest()
    return Entry(id=digest, old=old, new=new, user="", push="", time=0, mark=after)


def trigger_id(repository: str, ref: str, entry: Entry) -> str:
    """The identity of the Build that this move makes; the same move never makes two."""
    text = "\0".join(("push", repository, ref, entry.old, entry.new, entry.id))
    digest = hashlib.sha256(text.encode(errors="surrogateescape"))  # a ref's name is bytes
    return f"push-{digest.hexdigest()[:40]}"


def committer(user: str, push: str) -> dict[str, str]:
    """Environment by which git writes the line: characters that would break it are taken out."""
    name = re.sub(r"[\x00-\x1f\x7f<>]", "", user).strip(" .,:;\"'\\")[:200]
    return {"GIT_COMMITTER_NAME": name or "unknown", "GIT_COMMITTER_EMAIL": f"{push}@{PUSH_DOMAIN}"}
