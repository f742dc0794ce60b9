"""What a pusher is told while others are before it, and when it is not taken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from paas.api.resources import Key
from paas.git import push_messages, receive
from paas.git.lane import Full
from paas.git.memory import Shares, shares
from paas.git.push_session import Push, PushSession
from paas.git.quota import Quota, over
from paas.git.receive import Receiver
from paas.git.receive_pack import Ended
from paas.git.repositories import Repositories, Repository
from paas.git.spool import Kept, Spool
from paas.git.upkeep import Upkeep
from paas.server.container import memory_limit

KEY = Key("demo", "shop")
MIB = 2**20


def session_of(tmp_path: Path) -> PushSession:
    repository = Repository(tmp_path / "uid", "uid", KEY)
    repository.path.mkdir(exist_ok=True)
    push = Push(repository, "alice", [], frozenset({"side-band-64k"}), b"")
    return PushSession(push, Spool(tmp_path, Kept(2**30), KEY.namespace))


def receiver_of(tmp_path: Path, found: Shares) -> Receiver:
    return Receiver(
        cast(Any, None),
        shares=found,
        upkeep=Upkeep(Repositories(tmp_path)),
        follow=cast(Any, None),
        limit=MIB,
    )


async def said(session: PushSession) -> str:
    session.end()
    return b"".join([frame async for frame in session.frames(keep_alive=60)]).decode()


async def test_a_push_waits_its_turn_and_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "TOLD_SECONDS", 0.01)
    tried: list[tuple[int, bool]] = []

    async def receive_pack(_session: object, need: Any, *, limit: int, last: bool) -> Ended:
        tried.append((need.limit, last))
        return Ended(b"", out_of_memory=not last)

    monkeypatch.setattr(receive, "receive_pack", receive_pack)
    found, session = shares(None), session_of(tmp_path)
    receiver = receiver_of(tmp_path, found)
    before = receiver._lane.ask("other", found.pushes)
    going_on = asyncio.create_task(receiver._in_turn(session))
    while b"".join(frame.data for frame in session._frames._waiting).count(b"\n") < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert tried == []
    before.release()
    await going_on
    # little memory did not suffice, so it got much
    assert tried == [(found.push.limit, False), (found.large_push.limit, True)]
    assert receiver._lane.held == 0
    assert "this one waits its turn: it is the next" in await said(session)


async def test_a_push_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "TOLD_SECONDS", 0.01)
    monkeypatch.setattr(receive, "LONGEST_WAIT", 0.05)
    found, session = shares(None), session_of(tmp_path)
    receiver = receiver_of(tmp_path, found)
    receiver._lane.ask("other", found.pushes)
    with pytest.raises(Full):
        await receiver._in_turn(session)
    assert receiver._lane.waiting == 0
    (first, *_) = push_messages.busy()
    assert "nothing of this one was stored" in first


@pytest.mark.parametrize(
    ("adds", "repository", "project", "of_project"),
    [
        (100, 800, 3000, None),
        (200, 800, 3800, None),
        (201, 800, 3000, False),
        (300, 200, 3800, True),
        (32, 5000, 5000, None),  # a pack without objects
        (33, 5000, 5000, False),
    ],
)
def test_what_is_over_a_quota(adds: int, repository: int, project: int, of_project: bool | None) -> None:
    found = over(Quota(1000, 4000), adds=adds, repository=repository, project=project)
    assert (found.of_project if found else None) == of_project
    assert over(Quota(), adds=adds, repository=repository, project=project) is None


def test_the_words_of_a_quota() -> None:
    found = over(Quota(1024 * MIB, 0), adds=12 * MIB, repository=1020 * MIB, project=0)
    assert found is not None
    told = " ".join(push_messages.over_quota(found, KEY))
    assert "The repository of demo/shop has 1,020 MiB of the 1,024 MiB that are allowed" in told
    assert "this push adds 12.0 MiB, so nothing of it was stored" in told
    found = over(Quota(0, 4096 * MIB), adds=200 * MIB, repository=0, project=4000 * MIB)
    assert found is not None
    told = " ".join(push_messages.over_quota(found, KEY))
    assert "The repositories of project demo have 4,000 MiB of the 4,096 MiB" in told
    assert "sources.projectLimitBytes" in told


@pytest.mark.parametrize(
    ("content", "limit"),
    [("2147483648\n", 2 * 2**30), ("max\n", None), ("9223372036854771712\n", None), ("", None)],
)
def test_the_memory_of_the_container(tmp_path: Path, content: str, limit: int | None) -> None:
    path = tmp_path / "memory.max"
    path.write_text(content)
    assert memory_limit((tmp_path / "nothing", path)) == limit
    assert memory_limit((tmp_path / "nothing",)) is None


async def test_what_arrives_is_kept_and_can_be_read_again(tmp_path: Path) -> None:
    for size in (0, 100, 2**16, 2**16 + 1, 3 * 2**20 + 7):
        kept = Spool(tmp_path, Kept(2**30), KEY.namespace)
        pieces = [bytes([n % 256]) * 999 for n in range(size // 999)]
        for piece in pieces:
            await kept.write(piece)
        for _ in range(2):
            assert b"".join([piece async for piece in kept.pieces()]) == b"".join(pieces)
        assert kept.size == len(b"".join(pieces))
        kept.close()
    assert list(tmp_path.iterdir()) == []
