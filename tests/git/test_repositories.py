"""Repositories on disk: made whole, kept for a week, marked so that nothing is handled twice."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from paas.api.resources import Key
from paas.git import memory, process
from paas.git.reflog import pending
from paas.git.repair import ATTRIBUTES
from paas.git.repositories import KEPT_SECONDS, Repositories, Repository

KEY = Key("demo", "shop")


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repositories(tmp_path).open(str(uuid.uuid4()), KEY)


async def commit(repository: Repository, branch: str = "main", text: str = "x") -> str:
    """A commit on a branch, by a push's way of writing the reflog."""
    where = f"--git-dir={repository.path}"
    tree = (await process.run([where, "mktree"])).decode().strip()
    identity = {f"GIT_AUTHOR_{part}": "x" for part in ("NAME", "EMAIL")}
    made = await process.run([where, "commit-tree", "-m", text, tree], extra=identity)
    await process.run([where, "update-ref", f"refs/heads/{branch}", made.decode().strip()])
    return made.decode().strip()


async def test_a_repository_is_made_once_and_has_the_right_settings(tmp_path: Path) -> None:
    repositories, uid = Repositories(tmp_path), str(uuid.uuid4())
    made = await asyncio.gather(*(repositories.open(uid, KEY) for _ in range(10)))
    assert {repository.path for repository in made} == {tmp_path / uid}
    assert [repository.key for repository in repositories.all()] == [KEY]
    assert (tmp_path / uid / "info/attributes").read_text() == ATTRIBUTES
    assert not (tmp_path / uid / "hooks").exists()
    assert made[0].head() == "main"
    assert list(tmp_path.glob(".new-*")) == []


@pytest.mark.parametrize("uid", ["", "..", "a/b", "../x", "-x", ".", ".git", "a" * 80, "x\n", "ä"])
async def test_only_uids_name_repositories(tmp_path: Path, uid: str) -> None:
    repositories = Repositories(tmp_path)
    assert repositories.get(uid) is None
    with pytest.raises(ValueError, match="not a UID"):
        await repositories.open(uid, KEY)
    assert list(tmp_path.iterdir()) == []


async def test_one_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk each attempt would leave a folder for an hour."""

    def full(_path: Path, _key: Key) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Repositories, "_complete", staticmethod(full))
    with pytest.raises(OSError, match="No space left"):
        await Repositories(tmp_path).open(str(uuid.uuid4()), KEY)
    assert list(tmp_path.iterdir()) == []


async def test_a_repository_outlives_its_buildconfig_by_a_week(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    kept = await repositories.open(str(uuid.uuid4()), Key("demo", "kept"))
    gone = await repositories.open(str(uuid.uuid4()), Key("demo", "gone"))
    live = {kept.uid: kept.key}
    assert await repositories.sweep(live, now=1000) == []
    assert gone.path.exists()
    assert await repositories.sweep(live, now=1000 + KEPT_SECONDS - 1) == []
    # coming back ends the count
    assert await repositories.sweep({**live, gone.uid: gone.key}, now=2000) == []
    assert await repositories.sweep(live, now=1001 + KEPT_SECONDS) == []
    assert await repositories.sweep(live, now=1002 + 2 * KEPT_SECONDS) == [gone.uid]
    assert not gone.path.exists()
    assert kept.path.exists()


async def test_one_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories = Repositories(tmp_path)
    gone = [await repositories.open(f"gone-{number}", Key("demo", "gone")) for number in range(3)]
    await repositories.sweep({}, now=1000)
    remove = repositories._remove

    def removed(path: Path) -> None:
        if path.name == "gone-1":
            raise OSError("no space left on device")
        remove(path)

    monkeypatch.setattr(repositories, "_remove", removed)
    assert sorted(await repositories.sweep({}, now=1001 + KEPT_SECONDS)) == ["gone-0", "gone-2"]
    assert [repository.path.exists() for repository in gone] == [False, True, False]


async def test_marks(repository: Repository) -> None:
    first = await commit(repository)
    (entry,) = pending(repository.entries("main"), tip=first, handled=None)
    await repository.mark({"main": entry}, pins={1: entry.new})
    assert repository.handled()["main"].entry == entry.id
    assert repository.pins() == {1}
    second = await commit(repository, text="y")
    (following,) = pending(repository.entries("main"), tip=second, handled=repository.handled()["main"])
    await repository.mark({"main": following}, pins={2: following.new})
    assert pending(repository.entries("main"), tip=second, handled=repository.handled()["main"]) == []
    await repository.unpin({1})
    assert repository.pins() == {2}
    await repository.unpin(set())
    await repository.forget(["main"])
    assert repository.handled() == {}


async def test_a_mark_that_stays_on_its_commit_is_written_all_the_same(repository: Repository) -> None:
    """A branch that is deleted and pushed again at the same commit: git writes no log line for a ref
    that does not move, and the mark is in the log."""
    value = await commit(repository)
    (entry,) = repository.entries("main")
    await repository.mark({"main": entry}, pins={})
    where = f"--git-dir={repository.path}"
    await process.run([where, "update-ref", "-d", "refs/heads/main"])
    extra = {"GIT_COMMITTER_EMAIL": "another@push.paas.dev"}
    await process.run([where, "update-ref", "refs/heads/main", value], extra=extra)
    (again,) = repository.entries("main")
    assert again.id != entry.id
    await repository.mark({"main": again}, pins={})
    assert repository.handled()["main"].entry == again.id


async def test_odd_branches_can_be_marked(repository: Repository) -> None:
    for branch in ("feature/ünï", "a;b", "$(x)", "x=y"):
        value = await commit(repository, branch)
        (entry,) = repository.entries(branch)
        await repository.mark({branch: entry}, pins={})
        assert repository.handled()[branch].commit == value


async def test_children_know_no_configuration_but_ours(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.hooksPath=/evil'")
    monkeypatch.setenv("GIT_TRACE", "1")
    listed = (
        await process.run([f"--git-dir={repository.path}", "config", "--list", "--show-scope"])
    ).decode()
    assert {line.split("\t")[0] for line in listed.splitlines()} <= {"local", "command"}
    assert "core.hookspath=/dev/null" in listed
    assert "/evil" not in listed


async def test_a_child_that_wants_too_much_memory_is_refused_it(repository: Repository) -> None:
    huge = ["-c", "core.bigFileThreshold=4g", "hash-object", "-t", "blob", "--stdin", "--no-filters"]
    with pytest.raises(process.GitFailed, match=r"[Oo]ut of memory|malloc|mmap"):
        await process.run(huge, repository=repository.path, input=bytes(memory.COMMAND + 2**20), timeout=600)
