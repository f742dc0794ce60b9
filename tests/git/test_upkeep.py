"""Repositories are packed when it pays, and nobody waits for it or loses anything by it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from paas.api.resources import Key
from paas.git import memory, upkeep, usage
from paas.git.repositories import Repositories, Repository
from paas.git.upkeep import Stored, Upkeep, branch_deleted, look, repack
from tests.support.git_server import fsck

KEY = Key("demo", "shop")


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repositories(tmp_path).open(str(uuid.uuid4()), KEY)


def git(repository: Repository, *argv: str, input: str = "") -> str:
    identity = {f"GIT_{who}_{part}": "x" for who in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", f"--git-dir={repository.path}", *argv],
        input=input,
        env={"PATH": "/usr/bin:/bin", **identity},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(repository: Repository, branch: str, size: int = 1000, *, packed: bool = True) -> str:
    """A commit with a file that cannot be compressed, in a pack of its own, as a push brings it."""
    content = random.Random(f"{branch} {size} {uuid.uuid4()}").randbytes(size).hex()
    blob = git(repository, "hash-object", "-w", "--stdin", input=content)
    tree = git(repository, "mktree", input=f"100644 blob {blob}\tfile\n")
    made = git(repository, "commit-tree", "-m", branch, tree)
    git(repository, "update-ref", "--create-reflog", f"refs/heads/{branch}", made)
    if packed:
        ids = "\n".join((blob, tree, made)) + "\n"
        git(repository, "pack-objects", "-q", str(repository.path / "objects/pack/pack"), input=ids)
        git(repository, "prune-packed", "-q")
    return made


def packs(repository: Repository) -> int:
    return len(list((repository.path / "objects/pack").glob("pack-*.pack")))


@pytest.mark.parametrize(
    ("stored", "pays"),
    [
        (Stored(1, 0, False), False),
        (Stored(19, 1999, False), False),
        (Stored(20, 0, False), True),
        (Stored(0, 2000, False), True),
        (Stored(1, 0, True), True),
    ],
)
def test_when_it_pays(stored: Stored, pays: bool) -> None:
    assert stored.pays == pays


async def test_what_is_reachable_stays_and_what_is_not_goes(repository: Repository) -> None:
    kept = [commit(repository, f"branch-{number}") for number in range(5)]
    loose = commit(repository, "loose", packed=False)
    rewritten = commit(repository, "main")
    tip = commit(repository, "main")  # the reflog keeps the one before
    pinned = commit(repository, "pinned")
    await repository.pin(1, pinned)
    gone = commit(repository, "gone", 2**20)
    for branch in ("pinned", "gone"):
        git(repository, "update-ref", "-d", f"refs/heads/{branch}")
    branch_deleted(repository.path)
    usage.changed(repository.path)
    before, refs = await repository.size(), git(repository, "for-each-ref")
    assert look(repository.path).garbage
    await repack(repository.path)
    usage.changed(repository.path)
    assert packs(repository) == 1
    assert look(repository.path) == Stored(1, 0, False)
    assert git(repository, "for-each-ref") == refs
    for each in (*kept, loose, rewritten, tip, pinned):
        assert await repository.commit(each) == each
    assert await repository.commit(gone) is None
    assert await repository.size() < before - 2**20
    assert fsck(repository.path) == ""
    # and once more, where there is nothing to do
    await repack(repository.path)
    assert (packs(repository), git(repository, "for-each-ref")) == (1, refs)


async def test_an_empty_repository(repository: Repository) -> None:
    await repack(repository.path)
    assert fsck(repository.path) == ""


async def test_it_may_be_killed_at_any_moment(repository: Repository) -> None:
    """What is reachable is there after each of eight kills, and nothing is left of them."""
    kept = [commit(repository, f"branch-{number}", 2**17) for number in range(12)]
    for number in range(8):
        git(repository, "update-ref", "--create-reflog", f"refs/heads/again-{number}", kept[0])
        kept.append(commit(repository, f"more-{number}", 2**12))
        packing = asyncio.create_task(repack(repository.path))
        await asyncio.sleep(number * 0.02)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.joinpath("cwd").readlink() == repository.path:
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
        await asyncio.gather(packing, return_exceptions=True)
        upkeep.remove_leftovers(repository.path)
        for each in kept:
            assert await repository.commit(each) == each
        assert fsck(repository.path) == ""
    await repack(repository.path)
    assert packs(repository) == 1
    folder = repository.path / "objects/pack"
    assert {path.suffix for path in folder.iterdir()} <= {".pack", ".idx", ".rev"}


async def test_whoever_comes_does_not_wait(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push in the middle of a repack ends it; while one is there, none begins."""
    for number in range(20):
        commit(repository, f"branch-{number}")
    begun, ended = asyncio.Event(), asyncio.Event()
    real = upkeep.repack

    async def endless(path: Path) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    monkeypatch.setattr(upkeep, "repack", endless)
    results: list[str] = []
    keeper = Upkeep(Repositories(tmp_path), quiet=0, counted=results.append)
    looking = asyncio.create_task(keeper.look(repository))
    await asyncio.wait_for(begun.wait(), 20)
    async with keeper.use(repository):
        assert ended.is_set()
        assert not await looking
        assert not await keeper.look(repository)
    assert results == ["interrupted"]
    monkeypatch.setattr(upkeep, "repack", real)
    assert await keeper.look(repository)
    assert results == ["interrupted", "packed"]
    assert packs(repository) == 1
    assert not await keeper.look(repository), "it does not pay any more"


async def test_one_that_was_used_lately_is_left_alone(tmp_path: Path, repository: Repository) -> None:
    for number in range(20):
        commit(repository, f"branch-{number}")
    keeper = Upkeep(Repositories(tmp_path), quiet=3600)
    async with keeper.use(repository):
        pass
    assert not await keeper.look(repository)
    assert packs(repository) == 20


async def test_one_that_cannot_be_packed_is_not_tried_again_at_once(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        commit(repository, f"branch-{number}")
    monkeypatch.setattr(memory, "REPACK", 2**20)
    results: list[str] = []
    keeper = Upkeep(Repositories(tmp_path), quiet=0, counted=results.append)
    for _ in range(3):
        await keeper.look(repository)
    assert results == ["failed"]
    assert fsck(repository.path) == ""
