"""The worker of a repository never gives up, and never gives the others up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

from paas.api.resources import Key
from paas.git.push_messages import waiting
from paas.git.repositories import Repositories, Repository
from paas.git.worker import Workers
from paas.kube.errors import ApiError, ClusterUnreachable, Forbidden
from paas.reconcile import backoff

KEY = Key("demo", "shop")


async def never(*_: Any) -> NoReturn:
    raise AssertionError("nothing is to be done")


class Failing(Workers):
    """Fails so many times, then has nothing to do."""

    def __init__(self, root: Path, failures: int) -> None:
        super().__init__(
            Repositories(root), find=never, instantiate=never, prepare=never, retry_seconds=(0.0, 0.0)
        )
        self.left = failures

    async def _handle_all(self, repository: Repository) -> None:
        if self.left:
            self.left -= 1
            raise ClusterUnreachable("no answer")


async def test_no_number_of_failures_ends_a_worker(tmp_path: Path) -> None:
    """An API server that is away for a night: 2 ** 1024 is no float."""
    workers = Failing(tmp_path, 1100)
    repository = Repository(tmp_path / "u", "u", KEY)
    assert await workers.drain(repository, timeout=20)
    assert workers.left == 0
    assert workers.stuck(repository) is None
    assert workers.unhandled() == 0


async def test_a_worker_that_ended_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Failing(tmp_path, 1)
    repository = Repository(tmp_path / "u", "u", KEY)
    ended = asyncio.Event()

    def broken(failures: int, *, first: float, longest: float) -> float:
        ended.set()
        raise OverflowError("a fault in the handling of a failure")

    monkeypatch.setattr(backoff, "pause", broken)
    workers.wake(repository)
    await ended.wait()
    assert await workers.drain(repository, timeout=20)


@pytest.mark.parametrize("damage", ["packed-refs", "config", "objects"])
async def test_a_damaged_repository_keeps_no_other_from_being_found(tmp_path: Path, damage: str) -> None:
    repositories = Repositories(tmp_path)
    broken, sound = [await repositories.open(uid, KEY) for uid in ("broken", "sound")]
    if damage == "objects":
        (broken.path / "objects").rename(broken.path / "elsewhere")
    else:
        (broken.path / damage).write_bytes(b"\xff not of git\n")
    _leave_a_mark_without_branch(sound)
    found: list[str] = []

    class Woken(Workers):
        def wake(self, repository: Repository) -> None:
            found.append(repository.uid)

    await Woken(repositories, find=never, instantiate=never, prepare=never).scan()
    assert sorted(found) == ["broken", "sound"]


async def test_what_a_damaged_repository_fails_with_is_known(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path)
    broken = await repositories.open("broken", KEY)
    (broken.path / "packed-refs").write_bytes(b"not of git\n")
    tried = asyncio.Event()

    class Watched(Workers):
        async def _handle_all(self, repository: Repository) -> None:
            try:
                await super()._handle_all(repository)
            finally:
                tried.set()

    workers = Watched(repositories, find=never, instantiate=never, prepare=never)
    await workers.scan()
    await tried.wait()
    assert workers.stuck(broken) is not None
    assert workers.unhandled() == 1  # the metric that an alarm is for
    await workers.stop()


def _leave_a_mark_without_branch(repository: Repository) -> None:
    mark = repository.path / "refs/paas/handled/gone"
    mark.parent.mkdir(parents=True)
    mark.write_text("1" * 40 + "\n")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (ClusterUnreachable("no answer"), "The cluster does not answer"),
        (ApiError(500, "InternalError", "etcd is away"), "The cluster does not answer"),
        (Forbidden(403, "Forbidden", "exceeded quota: builds"), "does not allow the build: exceeded quota"),
        (OSError(28, "No space left on device", "/var/lib/x"), "(OSError)"),
    ],
)
def test_a_pusher_reads_what_a_push_waits_for(why: Exception, said: str) -> None:
    text = "\n".join(waiting(KEY, why))
    assert said in text
    assert "Your push is stored" in text
    assert "paas status shop -n demo" in text
    assert "/var/lib" not in text
