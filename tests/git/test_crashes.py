"""R11: the server is killed at named points of a push, and started again.

What holds: a push that the pusher saw accepted gets its Build, exactly once; a push that was not stored
left the branch where it was; and the store is sound.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from paas.api.resources import Manifest
from tests.support.git_objects import ZERO, commands, entry, pack
from tests.support.git_server import TOKEN, Clone, Serving, fsck, wait_for
from tests.support.standalone_server import DISK_FAILS, POINTS

pytestmark = pytest.mark.integration


def test_a_failure_of_the_server_ends_the_push(own_server: Serving, clone: Clone) -> None:
    """git waits for ever for a report that does not come. What was stored is built all the same."""
    server, app = own_server, own_server.cluster.add_config("shop")
    server.stop()
    server.start(kill=DISK_FAILS)
    commit = clone.commit()
    done = clone.git("push", server.url("shop"), "main")
    assert done.code == 1
    assert "The server failed. See with git fetch whether it was stored" in done.err
    assert "[remote rejected] main -> main (the server failed)" in done.err
    wait_for(lambda: server.cluster.commits("shop") == [commit], "what was stored is built")
    assert tip(server, app) == commit


def tip(server: Serving, app: Manifest) -> str:
    try:
        return (server.repository(app) / "refs/heads/main").read_text().strip()
    except FileNotFoundError:
        return ""


FIRST_PUSHES = ("repository-made", "stored", "build-made")
CASES = [*((point, True) for point in FIRST_PUSHES), *((point, False) for point in POINTS[1:])]


@pytest.mark.parametrize(("point", "first"), CASES)
def test_a_kill(own_server: Serving, clone: Clone, point: str, first: bool) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    before = ""
    if not first:
        before = clone.commit("Before")
        clone.git("push", "-q", server.url("shop"), "main", ok=True)
    server.stop()
    server.start(kill=point)
    commit = clone.commit("The one")
    done = clone.git("push", server.url("shop"), "main")
    acknowledged = done.code == 0  # the mark is written while the pusher is told already
    assert not acknowledged or point == "marked", done.err
    assert ("main -> main" in done.err) == acknowledged
    wait_for(server.gone, "the server is killed")
    server.start()
    expected = [before] if before else []
    assert not acknowledged or tip(server, app) == commit
    stored = tip(server, app) == commit
    if not stored:
        # a child of the killed server may still end what it began
        settle(server, app, before)
        stored = tip(server, app) == commit
    if stored:
        expected.append(commit)
        wait_for(lambda: server.cluster.commits("shop") == expected, "the Build is made")
    else:
        assert tip(server, app) == before
    assert stored == (POINTS.index(point) >= POINTS.index("stored")) or point == "child-started"
    assert fsck(server.repository(app)) == ""
    # the pusher tries again, as anybody would, and nothing is built twice
    clone.git("push", server.url("shop"), "main", ok=True)
    if not stored:
        expected.append(commit)
    assert server.cluster.commits("shop") == expected
    # and it goes on as if nothing had been
    expected.append(clone.commit("After"))
    clone.git("push", server.url("shop"), "main", ok=True)
    assert server.cluster.commits("shop") == expected


def settle(server: Serving, app: Manifest, before: str) -> None:
    """Until no git process of the killed server works in the repository any more."""
    folder = str(server.repository(app))

    def quiet() -> bool:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str(process.joinpath("cwd").readlink()).startswith(folder):
                    return False
            except OSError:
                continue
        return True

    wait_for(quiet, "orphans of the killed server are gone")


def test_pushes_that_were_accepted_while_no_worker_ran_are_built_in_order(
    own_server: Serving, clone: Clone
) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    commits = [clone.commit()]
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    server.stop()
    for _ in range(2):
        server.start(kill="stored")
        commits.append(clone.commit())
        clone.git("push", server.url("shop"), "main", ok=False)
        wait_for(server.gone, "the server is killed")
        # the server that died had woken no worker; the next one starts with the scan
        if len(commits) == 3:
            break
        server.cluster.switch("unreachable-for-builds")
    server.cluster.switch("unreachable-for-builds", on=False)
    server.start()
    wait_for(lambda: server.cluster.commits("shop") == commits, "all are built")
    assert tip(server, app) == commits[-1]


def test_a_push_that_a_child_accepts_after_its_server_died_is_found(
    own_server: Serving, clone: Clone
) -> None:
    """No worker is woken for it: the scan finds it."""
    server, app = own_server, own_server.cluster.add_config("shop")
    commits = [clone.commit()]
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    commits.append(clone.commit())
    repository = server.repository(app)
    # as the orphan would have done it: objects first, then reflog and ref
    store = [f"--git-dir={repository}", "-c", "core.logAllRefUpdates=always"]
    clone.git(*store, "fetch", "-q", str(clone.path), "main:refs/heads/main", ok=True)
    assert commits[-1] in (repository / "logs/refs/heads/main").read_text()
    wait_for(lambda: server.cluster.commits("shop") == commits, "the scan finds it")


def test_what_killed_processes_left_is_removed(own_server: Serving, clone: Clone) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    clone.commit()
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    server.stop()
    repository = server.repository(app)
    (repository / "objects/tmp_objdir-incoming-x").mkdir()
    left = [
        repository / "refs/heads/main.lock",
        repository / "refs/paas/handled/main.lock",
        repository / "packed-refs.lock",
        repository / "objects/tmp_objdir-incoming-x",
        repository / "objects/pack/tmp_pack_x",
    ]
    (repository / "objects/pack").mkdir(exist_ok=True)
    for path in left:
        if not path.exists():
            path.touch()
        os.utime(path, (1, 1))
    server.start()
    wait_for(lambda: not any(path.exists() for path in left), "the leftovers are removed")
    commit = clone.commit()
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    assert server.cluster.commits("shop")[-1] == commit


def test_a_ref_whose_reflog_was_lost_is_built(own_server: Serving, clone: Clone) -> None:
    """Reflogs are not flushed to the disk; after a power cut the ref may be ahead of its log."""
    server, app = own_server, own_server.cluster.add_config("shop")
    commits = [clone.commit()]
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    server.stop()
    server.start(kill="stored")
    commits.append(clone.commit())
    clone.git("push", server.url("shop"), "main", ok=False)
    wait_for(server.gone, "the server is killed")
    log = server.repository(app) / "logs/refs/heads/main"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    server.start()
    wait_for(lambda: server.cluster.commits("shop") == commits, "it is built")
    commits.append(clone.commit())
    clone.git("push", server.url("shop"), "main", ok=True)
    assert server.cluster.commits("shop") == commits


def test_a_pusher_who_is_cut_off_in_the_middle_of_the_pack(own_server: Serving, clone: Clone) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    commit = clone.commit()
    clone.git("push", "-q", server.url("shop"), "main", ok=True)
    head = commands((commit, "5" * 40, "refs/heads/main")) + pack(entry(3, os.urandom(2**20)))[: 2**19]
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /git/demo/shop.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
        b"Content-Type: application/x-git-receive-pack-request\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n" + head
    )
    wait_for(lambda: kept(server), "what has arrived is kept")
    connection.close()
    wait_for(lambda: not kept(server), "and goes with its pusher")
    settle(server, app, commit)
    assert tip(server, app) == commit
    assert fsck(server.repository(app)) == ""
    assert not list((server.repository(app) / "objects").glob("*incoming*"))
    assert ZERO not in server.cluster.commits("shop")


def kept(server: Serving) -> list[str]:
    """Files without a name in which the server keeps what arrives."""
    assert server.process is not None
    found = []
    for handle in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(handle))
    return [path for path in found if path.startswith(str(server.repositories)) and "(deleted)" in path]


def test_sigterm_lets_a_push_under_way_end(own_server: Serving, clone: Clone) -> None:
    server, app = own_server, own_server.cluster.add_config("shop")
    clone.commit("Big", Dockerfile="FROM scratch\n", blob=os.urandom(2**20))
    server.cluster.switch("endless-progress")
    import threading

    told = []
    pushing = threading.Thread(target=lambda: told.append(clone.git("push", server.url("shop"), "main")))
    pushing.start()
    wait_for((server.cluster.root / "following-shop-1").exists, "the build is followed")
    began = time.monotonic()
    server.stop(signal.SIGTERM)
    assert time.monotonic() - began < 15
    pushing.join(30)
    assert told[0].code == 0
    assert fsck(server.repository(app)) == ""
