"""Which of a branch's pushes is the newer one. Pure.

Deliveries come late, twice, or never. The newest commit that was built of a branch is known (`LastBuilt`): a
push that follows it is built. Of one that may be older, the host is asked where the branch is now; what it
says holds, so a push that is over is not built, and one whose delivery got lost is.

    delivery ──first_look──▶ Build | Ignored | None: ask ──▶ second_look ──▶ Build | Ignored
    poll ────ask──▶ poll_look ──▶ Build | None
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from paas.api.build import SOURCE_CHANGES, TERMINAL
from paas.api.resources import Manifest
from paas.webhooks.host import Pushed

SHOWN: Final = 12
"""Digits of a commit in a sentence."""


@dataclass(frozen=True)
class LastBuilt:
    """The newest commit of the branch that was built. `before` and `pushed_at` are those of its push. When no
    delivery told of it, `before` is '' and `pushed_at` a time at which the branch was there already."""

    commit: str
    build: str
    before: str = ""
    pushed_at: int = 0


@dataclass(frozen=True)
class BuildCommit:
    """This commit is to be built."""

    commit: str


@dataclass(frozen=True)
class Known:
    """Nothing is to be built; `build` is the Build that makes it so."""

    reason: str
    build: str


def number_in(build: str) -> int:
    """Number of a Build by its name."""
    end = build.rpartition("-")[2]
    return int(end) if end.isdigit() else 0


def last_built(config: Mapping[str, Any], builds: Iterable[Manifest], branch: str) -> LastBuilt | None:
    """What was built last of this branch, by the BuildConfig's status and by its Builds: the status outlives
    Builds that are pruned, and a Build may have been made without the status having been written."""
    uri = ((config["spec"].get("source") or {}).get("git") or {}).get("uri")
    found = None
    head = (config.get("status") or {}).get("head") or {}
    if head.get("uri") == uri and head.get("ref") == branch:
        found = LastBuilt(
            str(head["commit"]),
            str(head["build"]),
            str(head.get("before") or ""),
            int(head.get("pushedAt") or 0),
        )
    for build in builds:
        spec = build["spec"]
        git = (spec.get("revision") or {}).get("git") or {}
        same = spec["source"]["git"].get("uri") == uri and git.get("ref") == branch and git.get("commit")
        if spec["trigger"]["type"] not in SOURCE_CHANGES or not same:
            continue
        if found is None or int(spec["number"]) > number_in(found.build):
            since = found.pushed_at if found else 0
            found = LastBuilt(str(git["commit"]), str(build["metadata"]["name"]), pushed_at=since)
    return found


def trigger_id(uid: str, branch: str, commit: str, last: LastBuilt | None) -> str:
    """The same for all that find this commit to be the next one after `last`, whether they were told or
    looked; another when the branch comes back to the commit later."""
    text = "\0".join(("source", uid, branch, commit, last.build if last else ""))
    return f"source-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:40]}"


def delivery_trigger(delivery: str) -> str:
    """Of a delivery that asks for a build and tells of no push; `delivery` is its sender's id of it."""
    return f"generic-{hashlib.sha256(delivery.encode(errors='replace')).hexdigest()[:40]}"


def built_by(config: Mapping[str, Any], trigger: str) -> str | None:
    """The Build that a delivery of this trigger id is known to have led to: the Build itself has the trigger
    id of the source's change, if the delivery found one."""
    for each in (config.get("status") or {}).get("deliveries") or ():
        if each.get("build") and delivery_trigger(str(each["id"])) == trigger:
            return str(each["build"])
    return None


def follows(push: Pushed, last: LastBuilt) -> bool | None:
    """Whether a push came after the last one; None when push and record do not tell."""
    if push.pushed_at and last.pushed_at and push.pushed_at != last.pushed_at:
        if push.pushed_at < last.pushed_at:
            return False
        if last.before:
            return True
    if push.before == last.commit and push.commit != last.before:
        return True
    return None


def first_look(push: Pushed, last: LastBuilt | None) -> BuildCommit | Known | None:
    """What becomes of a push; None when the host must be asked."""
    if last is None:
        return BuildCommit(push.commit)
    told = last.before == push.before and last.pushed_at == push.pushed_at
    if push.commit == last.commit and (told or not last.before):
        return Known(f"this push was built before as {last.build}", last.build)
    return BuildCommit(push.commit) if follows(push, last) else None


def second_look(
    push: Pushed, last: LastBuilt, head: str | None, built: Collection[str]
) -> BuildCommit | Known:
    """What becomes of a push that may be older than `last`. `head` is where the branch is at the host, None
    when that cannot be asked; `built` are commits of which there are Builds."""
    if head is None:
        over = follows(push, last) is False or push.commit in {last.before, last.commit, *built}
        if not over:
            return BuildCommit(push.commit)
        newer = f"{last.commit[:SHOWN]} was built as {last.build}"
        return Known(f"this push is older than another one: {newer}", last.build)
    if head != last.commit:
        return BuildCommit(head)
    return Known(
        f"this push is over: {push.branch} is at {head[:SHOWN]} by now, built as {last.build}", last.build
    )


def poll_look(head: str, last: LastBuilt | None, builds: Collection[Manifest]) -> BuildCommit | None:
    """What becomes of the branch's head that a poll found. Without a push before, the newest Build counts,
    for instance the first one of the BuildConfig."""
    if last is not None:
        return None if head == last.commit else BuildCommit(head)
    newest = max(builds, key=lambda build: int(build["spec"]["number"]), default=None)
    if newest is None:
        return BuildCommit(head)
    status = newest.get("status") or {}
    commit = status.get("commit") or ((newest["spec"].get("revision") or {}).get("git") or {}).get("commit")
    if commit is None and status.get("phase", "New") not in TERMINAL:
        return None  # it is just finding out what the head is
    return None if commit == head else BuildCommit(head)


def commits(builds: Iterable[Manifest]) -> set[str]:
    """Commits of Builds that were made because the source changed."""
    return {
        str(commit)
        for build in builds
        if build["spec"]["trigger"]["type"] in SOURCE_CHANGES
        and (commit := ((build["spec"].get("revision") or {}).get("git") or {}).get("commit"))
    }
