"""Deliveries that come late, twice or never, and what is built of the branch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.webhooks import order
from paas.webhooks.host import Pushed
from paas.webhooks.order import BuildCommit, Known, LastBuilt

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
URI = "https://git.example/team/shop.git"


def push(commit: str, before: str = "0" * 40, at: int = 0) -> Pushed:
    return Pushed("main", commit, before, at, "main", URI, "alice", None, None, "")


def build(number: int, commit: str | None, *, type_: str = "WebHook", ref: str = "main") -> Manifest:
    git = {"commit": commit, "ref": ref} if commit else {"ref": ref}
    return {
        "metadata": {"name": f"shop-{number}"},
        "spec": {
            "number": number,
            "trigger": {"type": type_, "id": f"t-{number}"},
            "source": {"git": {"uri": URI}},
            "revision": {"git": git},
        },
    }


def config(head: dict[str, Any] | None = None) -> Manifest:
    status = {"head": {"uri": URI, "ref": "main", **head}} if head else {}
    return {"metadata": {"uid": "u"}, "spec": {"source": {"git": {"uri": URI}}}, "status": status}


LAST = LastBuilt(B, "shop-2", before=A, pushed_at=20)


@pytest.mark.parametrize(
    ("told", "last", "verdict"),
    [
        (push(A), None, BuildCommit(A)),  # nothing was built before
        (push(C, B, 30), LAST, BuildCommit(C)),
        (push(C, A, 30), LAST, BuildCommit(C)),  # the one between got lost; the time tells
        (push(A, B, 30), LAST, BuildCommit(A)),  # back to an older commit by a later push
        (push(B, A, 20), LAST, "this push was built before as shop-2"),
        (push(B, C, 40), LAST, BuildCommit(B)),  # back again
        (push(B, A, 20), LastBuilt(B, "shop-2", pushed_at=5), "this push was built before as shop-2"),
        (push(A, D, 10), LAST, None),  # late
        (push(C, D, 20), LAST, None),  # the host's clock does not tell
        (push(C, D, 30), LastBuilt(B, "shop-2", pushed_at=20), None),  # nor when a poll found what was built
        (push(C, B, 30), LastBuilt(B, "shop-2", pushed_at=20), BuildCommit(C)),
        (push(C, B, 20), LAST, BuildCommit(C)),  # but its parent does
        (push(C, B), replace(LAST, pushed_at=0), BuildCommit(C)),
        (push(A, B), replace(LAST, pushed_at=0), None),  # the push before, or back to it: only the host knows
        (push(D, C), replace(LAST, pushed_at=0), None),
    ],
)
def test_the_first_look(told: Pushed, last: LastBuilt | None, verdict: BuildCommit | str | None) -> None:
    found = order.first_look(told, last)
    assert (found.reason if isinstance(found, Known) else found) == verdict


@pytest.mark.parametrize(
    ("told", "head", "built", "verdict"),
    [
        (push(A, D, 10), B, (), "this push is over: main is at bbbbbbbbbbbb by now, built as shop-2"),
        (push(A, D, 10), C, (), BuildCommit(C)),  # what moved it there got lost
        (push(C, D), C, (), BuildCommit(C)),
        (push(A, D, 10), None, (), "this push is older than another one: bbbbbbbbbbbb was built as shop-2"),
        (push(A, D), None, (), "this push is older than another one: bbbbbbbbbbbb was built as shop-2"),
        (push(C, D), None, (C,), "this push is older than another one: bbbbbbbbbbbb was built as shop-2"),
        (push(C, D), None, (), BuildCommit(C)),  # nothing tells: better once too often than never
    ],
)
def test_the_second_look(
    told: Pushed, head: str | None, built: tuple[str, ...], verdict: BuildCommit | str
) -> None:
    found = order.second_look(told, LAST, head, built)
    assert (found.reason if isinstance(found, Known) else found) == verdict


def test_what_was_built_last_is_in_the_status_or_in_the_builds() -> None:
    status = config({"commit": B, "before": A, "pushedAt": 20, "build": "shop-2"})
    assert order.last_built(config(), [], "main") is None
    assert order.last_built(status, [], "main") == LAST  # all Builds were pruned
    assert order.last_built(status, [build(1, A), build(2, B)], "main") == LAST
    # the server died before it wrote the status
    assert order.last_built(status, [build(2, B), build(3, C)], "main") == LastBuilt(
        C, "shop-3", pushed_at=20
    )
    assert order.last_built(config(), [build(3, C)], "main") == LastBuilt(C, "shop-3")
    # neither by hand nor of another branch or repository
    others = [build(4, D, type_="Manual"), build(5, D, ref="other"), build(6, None)]
    assert order.last_built(status, others, "main") == LAST
    assert order.last_built(status, [], "other") is None
    moved = config({"commit": B, "build": "shop-2", "uri": "https://git.example/else.git"})
    assert order.last_built(moved, [], "main") is None


@pytest.mark.parametrize(
    ("last", "builds", "verdict"),
    [
        (LAST, [], None),
        (replace(LAST, commit=A), [], BuildCommit(B)),
        (None, [], BuildCommit(B)),
        (None, [build(1, B, type_="ConfigChange")], None),
        (None, [build(1, A, type_="ConfigChange")], BuildCommit(B)),
        (None, [build(1, None, type_="ConfigChange")], None),  # it is still fetching
        (None, [build(1, None) | {"status": {"phase": "Failed"}}], BuildCommit(B)),
        (None, [build(1, None) | {"status": {"phase": "Complete", "commit": B}}], None),
    ],
)
def test_a_poll(last: LastBuilt | None, builds: list[Manifest], verdict: BuildCommit | None) -> None:
    assert order.poll_look(B, last, builds) == verdict


@dataclass
class Platform:
    """What servers see and do, by `order` alone. `asked`: whether the host answers."""

    asked: bool
    prune: bool
    builds: list[Manifest] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Commits in the order of their Builds."""
    ids: set[str] = field(default_factory=set)
    head: dict[str, Any] | None = None

    def _make(self, commit: str, last: LastBuilt | None, told: Pushed | None) -> None:
        trigger = order.trigger_id("u", "main", commit, last)
        assert trigger not in self.ids, "another state, another trigger"
        self.ids.add(trigger)
        self.made.append(commit)
        number = len(self.made)
        self.builds = [*([] if self.prune else self.builds), build(number, commit)]
        self.head = {"commit": commit, "build": f"shop-{number}", "pushedAt": 1000}
        if told is not None:
            self.head |= {"before": told.before, "pushedAt": told.pushed_at}
        if self.prune:
            self.builds = []

    def deliver(self, told: Pushed, now: str) -> None:
        last = order.last_built(config(self.head), self.builds, "main")
        verdict = order.first_look(told, last)
        if verdict is None:
            assert last is not None
            head = now if self.asked else None
            verdict = order.second_look(told, last, head, order.commits(self.builds))
        if isinstance(verdict, BuildCommit):
            self._make(verdict.commit, last, told if verdict.commit == told.commit else None)

    def poll(self, now: str) -> None:
        last = order.last_built(config(self.head), self.builds, "main")
        if (verdict := order.poll_look(now, last, self.builds)) is not None:
            self._make(verdict.commit, last, None)


@settings(max_examples=200)
@given(
    count=st.integers(1, 6),
    arrivals=st.lists(st.integers(0, 5), max_size=24),
    asked=st.booleans(),
    prune=st.booleans(),
    timed=st.booleans(),
)
def test_no_older_commit_is_built_after_a_newer_one(
    count: int, arrivals: list[int], asked: bool, prune: bool, timed: bool
) -> None:
    """Pushes 0, 1, 2… were made before anything arrived; they arrive in any order, some often, some never."""
    commits = [f"{number:040x}" for number in range(1, count + 1)]
    pushes = [
        push(commit, commits[n - 1] if n else "0" * 40, 100 + n if timed else 0)
        for n, commit in enumerate(commits)
    ]
    platform = Platform(asked, prune)
    for arrival in arrivals:
        platform.deliver(pushes[arrival % count], commits[-1])
    if asked or timed:
        assert platform.made == sorted(set(platform.made)), "each once, and none after a newer one"
    platform.poll(commits[-1])
    platform.poll(commits[-1])
    assert platform.made[-1] == commits[-1]
    after = len(platform.made)
    for again in pushes:
        platform.deliver(again, commits[-1])
    if asked or timed:
        assert len(platform.made) == after, "nothing is built of what is over"


def test_a_branch_that_comes_back_is_built_again() -> None:
    platform = Platform(asked=True, prune=True)
    for number, (commit, before) in enumerate([(A, "0" * 40), (B, A), (A, B), (B, A), (A, B)]):
        platform.deliver(push(commit, before, 10 + number), commit)
    assert platform.made == [A, B, A, B, A]
