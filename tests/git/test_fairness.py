"""R27, C10: readers that do not read and writers that do not write cost no memory, and nobody else's turn."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich.protocol import pkt_line

from paas.api.resources import Manifest
from paas.auth import credentials
from tests.git.fake_cluster import CREDENTIAL_KEY
from tests.support.git_objects import ZERO, commands
from tests.support.git_server import TOKEN, Clone, Serving, fsck, name_of, new_clone, started, wait_for

pytestmark = pytest.mark.integration

OTHER = "token-of-bob"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with started(tmp_path_factory.mktemp("serving")) as serving:
        serving.cluster.add_token(OTHER, "bob", "other")
        yield serving


def connection(server: Serving, buffer: int = 2**14) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(60)
    client.connect(("127.0.0.1", server.port))
    return client


def head(path: str, service: str, *, length: int | None, token: str = TOKEN) -> bytes:
    about = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    return (
        f"POST {path}.git/git-{service} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/x-git-{service}-request\r\n{about}\r\n\r\n"
    ).encode()


def path_of(app: Manifest) -> str:
    return f"/git/{app['metadata']['namespace']}/{name_of(app)}"


def memory(server: Serving) -> int:
    """Bytes that the server uses now."""
    assert server.process is not None
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert match
    return int(match[1]) * 1024


def children(server: Serving) -> list[int]:
    """Processes of git that the server runs."""
    assert server.process is not None
    return [
        int(p)
        for p in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    ]


@pytest.fixture
def others(server: Serving, tmp_path: Path) -> tuple[Manifest, Clone]:
    """An application of another project, and its developer."""
    app = server.cluster.add_config(f"app-{secrets.token_hex(4)}", project="other")
    clone = new_clone(tmp_path / "others")
    clone.token = OTHER
    clone.commit()
    return app, clone


def works_for(server: Serving, others: tuple[Manifest, Clone], tmp_path: Path) -> None:
    """Pushes and fetches of another project are not held up."""
    app, clone = others
    url, began = server.url(name_of(app), "other"), time.monotonic()
    clone.commit()
    clone.git("push", "-q", url, "main", ok=True)
    clone.git("clone", "-q", url, str(tmp_path / "again"), ok=True)
    assert time.monotonic() - began < 30


def test_a_pusher_who_does_not_read_costs_little_and_is_told_what_is_missing(
    server: Serving, app: Manifest, clone: Clone
) -> None:
    commit = clone.commit()
    pack = pack_of(clone, commit)
    server.cluster.switch("endless-words")
    try:
        with connection(server) as client:
            body = (
                commands((ZERO, commit, "refs/heads/main"), capabilities="report-status side-band-64k") + pack
            )
            client.sendall(head(path_of(app), "receive-pack", length=len(body)) + body)
            said = server.cluster.root / f"said-{name_of(app)}-1"
            wait_for(lambda: said.exists() and int(said.read_text()) > 5_000, "lines are said", seconds=60)
            before = memory(server)
            # another 30 MB, and nobody reads
            wait_for(lambda: int(said.read_text()) > 35_000, "more lines are said", seconds=120)
            assert memory(server) - before < 8 * 2**20
            server.cluster.switch("endless-words", on=False)
            told = b""
            while b"unpack ok" not in told:
                data = client.recv(2**20)
                assert data
                told += data
    finally:
        server.cluster.switch("endless-words", on=False)
    found = re.search(rb"(\d+) lines are left out here", told)
    assert found
    assert int(found[1]) > 30_000
    assert f"paas logs {name_of(app)} -n demo".encode() in told
    assert b"=====> https" in told  # the end is there
    assert server.cluster.commits(name_of(app)) == [commit]


def pack_of(clone: Clone, commit: str) -> bytes:
    import subprocess

    done = subprocess.run(
        ["git", "pack-objects", "--stdout", "--revs", "-q"],
        cwd=clone.path,
        env=clone.env(),
        input=f"{commit}\n".encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_slow_readers_of_one_project_do_not_hold_the_fetches_of_others(
    server: Serving, app: Manifest, clone: Clone, others: tuple[Manifest, Clone], tmp_path: Path
) -> None:
    commit = clone.commit("Large", Dockerfile="FROM scratch\n", blob=os.urandom(20 * 2**20))
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    body = pkt_line(f"want {commit} side-band-64k\n".encode()) + b"0000" + pkt_line(b"done\n")
    before = memory(server)
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(connection(server))
            client.sendall(head(path_of(app), "upload-pack", length=len(body)) + body)
        wait_for(lambda: children(server), "they are answered")
        works_for(server, others, tmp_path)
        # what the children may use is bounded, and so is what the server keeps of their answers
        assert len(children(server)) <= 4
        assert memory(server) - before < 48 * 2**20
    wait_for(lambda: not children(server), "their children end with them")


def test_readers_of_a_small_answer_hold_no_child(server: Serving, app: Manifest, clone: Clone) -> None:
    commit = clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    body = pkt_line(f"want {commit} side-band-64k\n".encode()) + b"0000" + pkt_line(b"done\n")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connection(server)) for _ in range(20)]
        for client in clients:
            client.sendall(head(path_of(app), "upload-pack", length=len(body)) + body)
        for client in clients:  # all of them are answered while none has ended
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait_for(lambda: not children(server), "no child waits for a reader")


def test_writers_that_hardly_write_hold_no_child_and_nobody_up(
    server: Serving, app: Manifest, clone: Clone, others: tuple[Manifest, Clone], tmp_path: Path
) -> None:
    """C10: two hundred pushes of a byte a second."""
    commit = clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    body = commands((ZERO, commit, "refs/heads/slow"), capabilities="report-status side-band-64k")
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(200):
            client = stack.enter_context(connection(server))
            client.sendall(head(path_of(app), "receive-pack", length=10**6) + body + b"PACK")
            clients.append(client)
        works_for(server, others, tmp_path)
        wait_for(lambda: not children(server), "none of them has a child")
        # they are too slow, and told so (the tests' server waits 20 s)
        told = b""
        until = time.monotonic() + 90
        while b"did not arrive in time" not in told:
            assert time.monotonic() < until
            with contextlib.suppress(OSError):
                clients[0].send(b"x")
            clients[0].settimeout(1)
            with contextlib.suppress(TimeoutError):
                told += clients[0].recv(4096)


def test_builds_get_their_source_while_fetches_wait(server: Serving, app: Manifest, clone: Clone) -> None:
    """Archives have places of their own, also in the same project."""
    commit = clone.commit("Large", Dockerfile="FROM scratch\n", blob=os.urandom(20 * 2**20))
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    (build,) = server.cluster.builds(name_of(app))
    body = pkt_line(f"want {commit} side-band-64k\n".encode()) + b"0000" + pkt_line(b"done\n")
    user = credentials.build_user("demo", build["metadata"]["name"])
    password = credentials.build_credential(CREDENTIAL_KEY, build["metadata"]["uid"], credentials.SOURCE)
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(connection(server))
            client.sendall(head(path_of(app), "upload-pack", length=len(body)) + body)
        with connection(server, 2**20) as client:
            client.sendall(
                f"GET {path_of(app)}/archive/{commit}.tar HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: Basic {basic}\r\n\r\n".encode()
            )
            received = 0
            while data := client.recv(2**20):
                received += len(data)
        assert received > 20 * 2**20


def test_the_path_of_a_repository_is_not_shown(server: Serving, app: Manifest, clone: Clone) -> None:
    """C11: whatever git says about its files."""
    clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    clone.commit()
    root = server.repository(app)
    lock = root / "refs/heads/main.lock"
    lock.touch()
    told = clone.git("push", server.url(name_of(app)), "main", ok=False).err
    lock.unlink()
    assert "rejected" in told
    shown = [told]
    # where the quarantine is made
    (root / "objects").rename(root / "aside")
    (root / "objects").symlink_to(root / "aside")
    (root / "aside/pack").rename(root / "aside/pack-away")
    (root / "aside/pack").touch()
    shown.append(clone.git("push", server.url(name_of(app)), "main").err)
    (root / "aside/pack").unlink()
    (root / "aside/pack-away").rename(root / "aside/pack")
    # an object that is torn, which a fetch comes across
    commit = clone.git("rev-parse", "HEAD~1", ok=True).out.strip()
    (torn,) = (root / "objects").glob(f"{commit[:2]}/{commit[2:]}")
    content = torn.read_bytes()
    torn.chmod(0o644)
    torn.write_bytes(b"")
    shown.append(clone.git("clone", server.url(name_of(app)), str(clone.path / "copy"), ok=False).err)
    torn.write_bytes(content)
    for text in shown:
        assert str(server.repositories) not in text
        assert str(root.name) not in text
    assert fsck(root) == ""


def test_a_quota_is_refused_in_words(tmp_path: Path, clone: Clone) -> None:
    with started(tmp_path / "small", options=("--quota", str(3 * 2**20), str(4 * 2**20))) as server:
        app = server.cluster.add_config("shop")
        commit = clone.commit("First", Dockerfile="FROM scratch\n", blob=os.urandom(2 * 2**20))
        clone.git("push", "-q", server.url("shop"), "main", ok=True)
        clone.git("push", "-q", server.url("shop"), "main:large", ok=True)
        clone.commit("Second", more=os.urandom(2 * 2**20))
        done = clone.git("push", server.url("shop"), "main", ok=False)
        assert "The repository of demo/shop has 2.0 MiB of the 3.0 MiB that are allowed" in done.err
        assert "this push adds 2.0 MiB" in done.err
        assert "git push paas --delete BRANCH" in done.err
        assert "sources.repositoryLimitBytes" in done.err
        assert "[remote rejected] main -> main (over the limit of stored bytes)" in done.err
        assert server.cluster.commits("shop") == [commit]
        assert fsck(server.repository(app)) == ""
        # another repository of the project
        server.cluster.add_config("cart")
        done = clone.git("push", server.url("cart"), "main", ok=False)
        assert "The repository of demo/cart has" in done.err or "of project demo have" in done.err
        # a branch that goes, and one that adds nothing, are taken whatever is full
        clone.git("push", "-q", server.url("shop"), f"{commit}:refs/heads/more", ok=True)
        clone.git("push", "-q", server.url("shop"), "--delete", "large", ok=True)
        # and a small change still fits
        clone.git("reset", "-q", "--hard", commit, ok=True)
        clone.commit("Small")
        clone.git("push", "-q", server.url("shop"), "main", ok=True)
