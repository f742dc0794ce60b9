"""The worker of a repository never gives up, and never gives the others up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

from paas.api.build_request import BuildRequest, Instantiated
from paas.api.buildconfig_status import WaitingPush
from paas.api.resources import Key, Manifest
from paas.git import process
from paas.git.push_messages import waiting
from paas.git.repositories import Repositories, Repository
from paas.git.worker import Prepared, Workers
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
    (broken.path / "objects").rename(broken.path / "elsewhere")
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


class Hosted:
    """A repository with one commit that was pushed, and a cluster that makes its Builds."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.made: list[BuildRequest] = []

    async def find(self, key: Key) -> Manifest:
        return {"metadata": {"uid": self.repository.uid}, "spec": {}}

    async def instantiate(self, key: Key, request: BuildRequest) -> Instantiated:
        self.made.append(request)
        name = f"shop-{len(self.made)}"
        return Instantiated({"metadata": {"name": name}, "spec": {"number": len(self.made)}}, created=True)


async def push(repository: Repository, text: str = "x") -> str:
    where = f"--git-dir={repository.path}"
    tree = (await process.run([where, "mktree"])).decode().strip()
    identity = {f"GIT_AUTHOR_{part}": "x" for part in ("NAME", "EMAIL")}
    commit = (await process.run([where, "commit-tree", "-m", text, tree], extra=identity)).decode().strip()
    await process.run([where, "update-ref", "refs/heads/main", commit])
    return commit


@pytest.mark.parametrize("problem", [TypeError("no such field"), RecursionError(), OSError(36, "too long")])
async def test_what_always_fails_becomes_a_build_that_says_so(tmp_path: Path, problem: Exception) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    commit, cluster = await push(repository), Hosted(repository)

    async def prepare(*_: Any) -> NoReturn:
        raise problem

    workers = Workers(
        Repositories(tmp_path), find=cluster.find, instantiate=cluster.instantiate, prepare=prepare
    )
    assert await workers.drain(repository, timeout=20)
    (request,) = cluster.made
    assert request.commit == commit
    assert request.invalid is not None
    assert type(problem).__name__ in request.invalid.message
    assert "push another" in request.invalid.message
    assert repository.handled()["main"].commit == commit


@pytest.mark.parametrize("problem", [OSError(28, "no space"), ClusterUnreachable("no answer")])
async def test_what_passes_is_waited_for(tmp_path: Path, problem: Exception) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    await push(repository)
    cluster, failures = Hosted(repository), [problem] * 3

    async def prepare(_repository: Any, _config: Any, request: BuildRequest) -> Prepared:
        if failures:
            raise failures.pop()
        return Prepared(request)

    workers = Workers(
        Repositories(tmp_path),
        find=cluster.find,
        instantiate=cluster.instantiate,
        prepare=prepare,
        retry_seconds=(0.0, 0.0),
    )
    assert await workers.drain(repository, timeout=20)
    assert [request.invalid for request in cluster.made] == [None]


class Refusing(Hosted):
    """A cluster that refuses Builds for a while, and what its BuildConfig says meanwhile."""

    def __init__(self, repository: Repository, *answers: ApiError) -> None:
        super().__init__(repository)
        self.answers, self.told = list(answers), list[WaitingPush | None]()
        self.waiting: Manifest | None = None
        self.silent = 0
        """How often the API server does not answer when what was told is taken back."""
        self.first = asyncio.Event()

    async def find(self, key: Key) -> Manifest | None:
        config = await super().find(key)
        assert config is not None
        return config | ({"status": {"waitingPush": self.waiting}} if self.waiting else {})

    async def instantiate(self, key: Key, request: BuildRequest) -> Instantiated:
        if self.answers:
            raise self.answers.pop(0)
        return await super().instantiate(key, request)

    async def tell(self, key: Key, uid: str, waiting: WaitingPush | None) -> bool:
        assert (key, uid) == (KEY, "u")
        self.told.append(waiting)
        self.first.set()
        if waiting is None and self.silent > 0:
            self.silent -= 1
            return False
        self.waiting = waiting.dump() if waiting else None
        return True

    def workers(self, root: Path) -> Workers:
        async def prepare(_repository: Any, _config: Any, request: BuildRequest) -> Prepared:
            return Prepared(request)

        return Workers(
            Repositories(root),
            find=self.find,
            instantiate=self.instantiate,
            prepare=prepare,
            tell_waiting=self.tell,
            retry_seconds=(0.0, 0.0),
        )


QUOTA = Forbidden(403, "Forbidden", "exceeded quota: small")


async def test_a_push_that_is_refused_is_told_once_and_taken_back_when_it_is_built(tmp_path: Path) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    commit = await push(repository)
    cluster = Refusing(repository, QUOTA, QUOTA, ApiError(503, "ServiceUnavailable", "busy"), QUOTA)
    assert await cluster.workers(tmp_path).drain(repository, timeout=20)
    first, last = cluster.told
    assert first is not None
    assert (first.ref, first.commit, first.cause) == ("main", commit, "Quota")
    assert first.message == "exceeded quota: small"
    assert last is None
    assert len(cluster.made) == 1


async def test_what_was_told_is_taken_back_when_the_cluster_answers_again(tmp_path: Path) -> None:
    """The Build is made, and the API server goes away before the BuildConfig says so."""
    repository = await Repositories(tmp_path).open("u", KEY)
    await push(repository)
    cluster = Refusing(repository, QUOTA)
    cluster.silent = 3
    assert await cluster.workers(tmp_path).drain(repository, timeout=20)
    assert cluster.waiting is None
    assert len(cluster.made) == 1


async def test_a_cluster_that_is_busy_refuses_nothing(tmp_path: Path) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    await push(repository)
    cluster = Refusing(repository, ApiError(503, "ServiceUnavailable", "busy"))
    assert await cluster.workers(tmp_path).drain(repository, timeout=20)
    assert cluster.told == []


async def test_what_a_server_before_told_is_taken_back(tmp_path: Path) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    await push(repository)
    cluster = Refusing(repository)
    cluster.waiting = {"commit": "a" * 40}
    assert await cluster.workers(tmp_path).drain(repository, timeout=20)
    assert cluster.told == [None]


async def test_a_push_that_waits_and_is_taken_back_is_not_told_any_more(tmp_path: Path) -> None:
    repository = await Repositories(tmp_path).open("u", KEY)
    await push(repository)
    cluster = Refusing(repository, *[QUOTA] * 100_000)
    workers = cluster.workers(tmp_path)
    workers.wake(repository)
    await cluster.first.wait()
    await process.run(["-C", str(repository.path), "update-ref", "-d", "refs/heads/main"])
    assert await workers.drain(repository, timeout=20)
    assert (len(cluster.told), cluster.told[-1]) == (2, None)
    assert cluster.made == []


async def test_a_mark_that_cannot_be_written_builds_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps no later push from being built."""
    repository = await Repositories(tmp_path).open("u", KEY)
    first, cluster = await push(repository), Hosted(repository)
    failing = asyncio.Event()
    failing.set()
    mark, tried = Repository.mark, asyncio.Queue[None]()

    async def marking(self: Repository, *args: Any, **kwargs: Any) -> None:
        tried.put_nowait(None)
        if failing.is_set():
            raise process.GitFailed(["update-ref"], 128, "cannot lock ref")
        await mark(self, *args, **kwargs)

    monkeypatch.setattr(Repository, "mark", marking)

    async def prepare(_repository: Any, _config: Any, request: BuildRequest) -> Prepared:
        return Prepared(request)

    workers = Workers(
        Repositories(tmp_path),
        find=cluster.find,
        instantiate=cluster.instantiate,
        prepare=prepare,
        retry_seconds=(0.0, 0.01),
    )
    workers.wake(repository)
    await tried.get()
    second = await push(repository, "y")
    while len(cluster.made) < 2:
        await tried.get()
    assert [request.commit for request in cluster.made] == [first, second]
    assert workers.stuck(repository) is not None
    failing.clear()
    assert await workers.drain(repository, timeout=20)
    assert [request.commit for request in cluster.made] == [first, second]
    assert repository.handled()["main"].commit == second
