"""What is not taken is refused in words, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import re
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from dulwich.protocol import pkt_line

from paas.api.resources import Manifest
from tests.support.git_objects import ZERO, commands, entry, header, object_id, pack, tree_commit
from tests.support.git_server import (
    TOKEN,
    Clone,
    Done,
    Serving,
    cpu_seconds,
    fsck,
    name_of,
    peak_memory,
    started,
    wait_for,
)

pytestmark = pytest.mark.integration


def push(clone: Clone, url: str, *refs: str, token: str | None = None) -> Done:
    client = Clone(clone.path, clone.token if token is None else token)
    return client.git("push", url, *(refs or ("main",)), ok=False)


def post(
    server: Serving,
    app: Manifest,
    body: bytes,
    *,
    service: str = "git-receive-pack",
    token: str = TOKEN,
    timeout: float = 60,
    **headers: str,
) -> tuple[int, bytes]:
    """One POST as a client of our own would send it."""
    about = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"application/x-{service}-request",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    connection.request("POST", f"/git/demo/{name_of(app)}.git/{service}", body=body, headers=about)
    answer = connection.getresponse()
    return answer.status, answer.read()


def state(server: Serving, app: Manifest) -> set[tuple[str, int]]:
    """Every file of the repository, with its size."""
    root = server.repository(app)
    return {(str(path.relative_to(root)), path.stat().st_size) for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def stored(server: Serving, app: Manifest, clone: Clone) -> str:
    """An application with one commit; its id."""
    commit = clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    # the mark is made after the pusher was answered
    refs = server.repository(app) / "refs/paas"
    marks = (refs / "handled/main", refs / "builds/1")
    wait_for(lambda: all(mark.exists() for mark in marks), "the push is marked as handled")
    return commit


# -- who ---------------------------------------------------------------------------------------------
def test_without_a_token(server: Serving, app: Manifest, clone: Clone) -> None:
    clone.commit()
    done = push(clone, server.url(name_of(app)), token="")
    assert "could not read Username" in done.err
    status, body = get(server, f"/git/demo/{name_of(app)}.git/info/refs?service=git-receive-pack")
    assert status == 401
    assert b"paas git-remote APP -n PROJECT" in body


@pytest.mark.parametrize("token", ["expired", "x" * 20000, "ümlaut", "a b"])
def test_with_a_token_that_is_nobody_s(server: Serving, app: Manifest, clone: Clone, token: str) -> None:
    clone.commit()
    url = server.url(name_of(app)).replace(
        "http://", f"http://git:{__import__('urllib.parse').parse.quote(token)}@"
    )
    done = push(clone, url, token="")
    assert "The cluster does not accept your token" in done.err
    assert "Authentication failed" in done.err
    assert server.cluster.builds(name_of(app)) == []


def test_a_token_that_expires_between_two_pushes(server: Serving, app: Manifest, clone: Clone) -> None:
    server.cluster.add_token("short-lived", "alice", "demo")
    clone.commit()
    Clone(clone.path, "short-lived").git("push", server.url(name_of(app)), "main", ok=True)
    server.cluster.revoke("short-lived")
    clone.commit()
    done = push(clone, server.url(name_of(app)), token="short-lived")
    assert done.code != 0
    assert len(server.cluster.builds(name_of(app))) == 1


def test_with_a_token_of_another_project(server: Serving, app: Manifest, clone: Clone) -> None:
    server.cluster.add_token("of-bob", "bob", "other")
    clone.commit()
    done = push(clone, server.url(name_of(app)), token="of-bob")
    assert f"bob may not push to demo/{name_of(app)}" in done.err
    assert "403" in done.err
    # whether it exists is not to be learnt
    missing = push(clone, server.url("nothing-here"), token="of-bob")
    assert missing.err.replace("nothing-here", name_of(app)) == done.err


def test_an_unknown_application(server: Serving, clone: Clone) -> None:
    clone.commit()
    done = push(clone, server.url("nothing-here"))
    assert "There is no application nothing-here in project demo" in done.err
    assert "paas new-app" in done.err
    assert list(server.repositories.glob("*nothing*")) == []


def test_an_application_built_from_elsewhere(server: Serving, clone: Clone) -> None:
    server.cluster.add_config("elsewhere", uri="https://git.example/team/app.git")
    clone.commit()
    done = push(clone, server.url("elsewhere"))
    assert "is built from https://git.example/team/app.git" in done.err


# -- which refs --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/--upload-pack=x", "refs/heads/-x", "refs/heads/a/-b", "refs/heads/a..b",
        "refs/heads/x.lock",
        "refs/heads/HEAD", "HEAD", "config", "refs/../../x", "refs/heads/../../config", "refs/heads/a b",
        "refs/heads/" + "n" * 300, "refs/heads/a\nb", "refs/heads/a\x7fb", "refs/heads/", "refs/heads//x",
        "refs/heads/.x", "refs/heads/x.", "refs/heads/x@{1}", "refs/heads/a\\b", "refs/heads/a*",
        "refs/heads/@",
        "refs/heads/" + "a" * 40, "refs/paas/handled/main", "refs/paas/builds/1", "refs/notes/commits",
        "refs/meta/config", "refs/remotes/x", "hooks/post-receive", "refs/stash", "refs/heads/ä/x.lock",
    ],
)  # fmt: skip
def test_refs_that_may_not_be_pushed(server: Serving, app: Manifest, stored: str, ref: str) -> None:
    before = state(server, app)
    status, body = post(server, app, commands((ZERO, stored, ref)) + pack())
    refused = status == 400 or b"ng " in body
    assert refused, (status, body)
    assert b"\nok " not in body
    assert state(server, app) == before


def test_a_nul_in_a_ref_is_the_end_of_it(server: Serving, app: Manifest, stored: str) -> None:
    body = pkt_line(f"{ZERO} {stored} refs/heads/a\0 report-status".encode())
    body += pkt_line(f"{ZERO} {stored} refs/heads/b\0x/../../c".encode()) + b"0000" + pack()
    assert post(server, app, body)[0] == 400


def test_names_that_look_odd_but_are_good(server: Serving, app: Manifest, clone: Clone, stored: str) -> None:
    for ref in (
        "feature/ünïcode",
        "a/b/c/d",
        "UPPER",
        "upper",
        "x-y_z",
        "v1.0",
        "x=y",
        "a;b",
        "$(id)",
        "`id`",
    ):
        clone.git("push", server.url(name_of(app)), f"main:refs/heads/{ref}", ok=True)
    argvs = re.findall(r"paas.git.process git (\[.*\])", server.log())
    for argv in argvs:
        assert not re.search(r"['\"]-[^'\"]*(ünï|upper|\$\(id)", argv)


def test_a_branch_in_the_way_of_a_folder_of_branches(
    server: Serving, app: Manifest, clone: Clone, stored: str
) -> None:
    clone.git("push", server.url(name_of(app)), "main:refs/heads/x", ok=True)
    done = push(clone, server.url(name_of(app)), "main:refs/heads/x/y")
    assert "rejected" in done.err
    clone.git("push", server.url(name_of(app)), ":refs/heads/x", ok=True)
    clone.git("push", server.url(name_of(app)), "main:refs/heads/x/y", ok=True)


def test_one_bad_ref_refuses_the_whole_push(
    server: Serving, app: Manifest, clone: Clone, stored: str
) -> None:
    clone.commit()
    done = push(clone, server.url(name_of(app)), "main:main", "main:refs/notes/x")
    assert "only branches and tags can be pushed here" in done.err
    assert "another ref of this push is refused" in done.err
    assert clone.git("ls-remote", server.url(name_of(app)), "main", ok=True).out.startswith(stored)
    assert len(server.cluster.builds(name_of(app))) == 1


def test_deleting_what_has_moved_or_never_was(server: Serving, app: Manifest, stored: str) -> None:
    other = "1" * 40
    _, body = post(
        server, app, commands((other, ZERO, "refs/heads/main"), capabilities="report-status delete-refs")
    )
    assert b"ng refs/heads/main it has moved meanwhile" in body
    _, body = post(
        server, app, commands((other, ZERO, "refs/heads/no"), capabilities="report-status delete-refs")
    )
    assert b"ng refs/heads/no there is no such branch" in body


def test_too_many_refs(server: Serving, app: Manifest, stored: str) -> None:
    before = state(server, app)
    for number in (5_001, 30_000):
        many = commands(*((ZERO, stored, f"refs/heads/b{n}") for n in range(number)))
        status, body = post(server, app, many + pack())
        assert status == 200
        assert b"ng refs/heads/b5000 more than 5000 refs in one push; push fewer at once" in body
        assert b"\nok " not in body
    assert state(server, app) == before


def test_a_branch_whose_name_is_no_utf_8(server: Serving, app: Manifest, clone: Clone) -> None:
    """Git takes any bytes; it deploys like any other, is moved, and is deleted."""
    name, ref = os.fsdecode(b"caf\xe9"), os.fsdecode(b"refs/heads/caf\xe9")
    for _ in range(2):
        commit = clone.commit()
        told = clone.git("push", server.url(name_of(app)), f"HEAD:{ref}", ok=True).err
        assert "Received caf\\udce9 " in told
    builds = server.cluster.builds(name_of(app))
    assert [build["spec"]["revision"]["git"]["ref"] for build in builds] == [name] * 2
    assert server.cluster.commits(name_of(app))[-1] == commit
    clone.git("push", server.url(name_of(app)), f":{ref}", ok=True)
    assert clone.git("ls-remote", server.url(name_of(app)), ok=True).out == ""


# -- what is in the pack -------------------------------------------------------------------------------
def hostile_packs() -> list[tuple[str, str, bytes]]:
    _, commit, objects = tree_commit((b"100644", b"f", "ce013625030ba8dba906f756967f9e9ca394464a"))
    whole = pack(*objects)
    blob = entry(3, b"hello\n")
    cases = [
        ("an empty pack", "2" * 40, pack()),
        ("a missing blob", commit, pack(*objects)),
        ("a truncated pack", commit, whole[: len(whole) // 2]),
        ("a wrong checksum", commit, whole[:-1] + bytes([whole[-1] ^ 1])),
        ("fewer objects than it says", commit, pack(*objects, count=9)),
        ("no pack at all", commit, b""),
        ("garbage", commit, b"GARBAGE" * 100),
        (
            "a delta without its base",
            commit,
            pack(*objects, header(7, 20) + bytes(20) + zlib.compress(b"\6\6" + b"x" * 18)),
        ),
        (
            "an offset delta to itself",
            commit,
            pack(*objects, header(6, 4) + b"\0" + zlib.compress(b"\6\6\x90\6")),
        ),
    ]
    for name in (b".git", b".GIT", b"git~1", b"..", b".", b"a/b", b".git\xe2\x80\x8c"):
        _, evil, parts = tree_commit(
            (b"40000" if name in (b"..", b".") else b"100644", name, object_id("blob", b"hello\n"))
        )
        cases.append((f"an entry named {name!r}", evil, pack(*parts, blob)))
    modules = b'[submodule "x"]\n\tpath = ../../x\n\turl = -u./payload\n'
    _, evil, parts = tree_commit((b"100644", b".gitmodules", object_id("blob", modules)))
    cases.append(("a hostile .gitmodules", evil, pack(*parts, entry(3, modules))))
    _, evil, parts = tree_commit((b"120000", b".gitmodules", object_id("blob", b"hello\n")))
    cases.append(("a .gitmodules that is a link", evil, pack(*parts, blob)))
    return cases


@pytest.mark.parametrize(
    ("commit", "body"), [c[1:] for c in hostile_packs()], ids=[c[0] for c in hostile_packs()]
)
def test_packs_that_git_refuses(
    server: Serving, app: Manifest, stored: str, commit: str, body: bytes
) -> None:
    """C2, C3, C6: refused, nothing of it kept, the store as sound as before."""
    before = state(server, app)
    status, answer = post(server, app, commands((ZERO, commit, "refs/heads/evil")) + body)
    assert status == 200
    assert b"ng refs/heads/evil" in answer
    assert state(server, app) == before
    assert fsck(server.repository(app)) == ""


def bombs() -> list[tuple[str, bytes]]:
    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 0x7F:
            out.append((number & 0x7F) | 0x80)
            number >>= 7
        return bytes([*out, number])

    base = b"x" * 4096
    claim = 2**30
    delta = varint(len(base)) + varint(claim) + b"\xb0\x00\x10" * 64
    bomb = header(7, len(delta)) + bytes.fromhex(object_id("blob", base)) + zlib.compress(delta)
    squeeze = zlib.compressobj(9)
    zeros = b"".join(squeeze.compress(bytes(2**20)) for _ in range(1024)) + squeeze.flush()
    return [
        ("a delta that claims a gibibyte", pack(entry(3, base), bomb)),
        ("a gibibyte of zeros", pack(header(3, 2**30) + zeros)),
        ("an object that claims a terabyte", pack(header(3, 2**40) + zlib.compress(b"x"))),
        ("a billion objects", b"PACK" + struct.pack(">II", 2, 10**9) + b"x" * 100),
    ]


@pytest.mark.parametrize("body", [b[1] for b in bombs()], ids=[b[0] for b in bombs()])
def test_bombs(server: Serving, app: Manifest, stored: str, body: bytes) -> None:
    """C4: refused for little work and without much memory; how long that takes is up to the machine."""
    assert server.process is not None
    before, began = peak_memory(server.process.pid), cpu_seconds(server.process.pid)
    status, answer = post(server, app, commands((ZERO, "3" * 40, "refs/heads/bomb")) + body, timeout=600)
    assert (status, b"ng refs/heads/bomb" in answer) == (200, True)
    assert cpu_seconds(server.process.pid) - began < 30
    assert peak_memory(server.process.pid) - before < 64 * 2**20
    assert fsck(server.repository(app)) == ""


def test_a_push_over_the_limit(tmp_path: Path, clone: Clone) -> None:
    with started(tmp_path / "small", limit=2**20) as server:
        app = server.cluster.add_config("shop")
        clone.commit("Big", Dockerfile="FROM scratch\n", blob=os.urandom(8 * 2**20))
        done = push(clone, server.url("shop"))
        assert "larger than 1 MiB" in done.err
        assert done.code == 1
        assert server.cluster.builds("shop") == []
        assert fsck(server.repository(app)) == ""
        leftovers = [path for path in server.repository(app).rglob("*") if "incoming" in path.name]
        assert leftovers == []
        # and a smaller one is taken by the same server
        clone.git("reset", "-q", "--soft", "HEAD", ok=True)
        (clone.path / "blob").write_bytes(b"small")
        clone.git("add", "-A", ok=True)
        clone.git("commit", "-q", "--amend", "-m", "Small", ok=True)
        clone.git("push", server.url("shop"), "main", ok=True)


def test_a_push_little_over_the_limit(tmp_path: Path, clone: Clone) -> None:
    """Git itself refuses it; the pusher is told the same."""
    with started(tmp_path / "small", limit=2**20) as server:
        server.cluster.add_config("shop")
        clone.commit("Big", Dockerfile="FROM scratch\n", blob=os.urandom(2**20 + 2**17))
        done = push(clone, server.url("shop"))
        assert "larger than 1 MiB" in done.err
        assert (done.code, server.cluster.builds("shop")) == (1, [])


@pytest.mark.parametrize("name", ["Dockerfile", "requirements.txt"])
def test_a_file_that_unpacks_to_very_much(server: Serving, app: Manifest, clone: Clone, name: str) -> None:
    """It is taken, since content is never refused, and costs the server nothing to look at."""
    clone.commit("Zeros", **{name: bytes(300 * 2**20)})
    assert server.process is not None
    before = peak_memory(server.process.pid)
    told = clone.git("push", server.url(name_of(app)), "main", ok=True).err
    assert peak_memory(server.process.pid) - before < 64 * 2**20
    (build,) = server.cluster.builds(name_of(app))
    assert build["spec"]["invalid"]["reason"] == "ManageDockerfileFailed"
    assert "has 314572800 bytes" in told


def test_a_tree_of_a_billion_files(server: Serving, app: Manifest, clone: Clone) -> None:
    """The git bomb: ten objects, each of ten times the one before."""
    blob = clone.git("hash-object", "-w", "--stdin", ok=True).out.strip()
    lines = "".join(f"100644 blob {blob}\tf{number}\n" for number in range(10))
    for _ in range(9):
        (clone.path / "lines").write_text(lines)
        made = subprocess.run(
            ["git", "mktree"],
            cwd=clone.path,
            input=lines.encode(),
            env=clone.env(),
            capture_output=True,
            check=True,
        )
        tree = made.stdout.decode().strip()
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
    commit = clone.git("commit-tree", "-m", "Bomb", tree, ok=True).out.strip()
    began = time.monotonic()
    clone.git("push", server.url(name_of(app)), f"{commit}:refs/heads/main", ok=True)
    assert time.monotonic() - began < 10


def test_a_body_without_end(tmp_path: Path) -> None:
    with started(tmp_path / "small", limit=2**20) as server:
        app = server.cluster.add_config("shop")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.putrequest("POST", f"/git/demo/{name_of(app)}.git/git-receive-pack")
        connection.putheader("Authorization", f"Bearer {TOKEN}")
        connection.putheader("Content-Type", "application/x-git-receive-pack-request")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        head = commands((ZERO, "4" * 40, "refs/heads/x")) + b"PACK" + struct.pack(">II", 2, 5)
        piece = os.urandom(2**16)
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012
            connection.send(b"%x\r\n%s\r\n" % (len(head), head))
            while time.monotonic() - began < 30:
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))


# -- HTTP --------------------------------------------------------------------------------------------
def get(server: Serving, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("GET", path, skip_host=False)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    "path",
    [
        "/git/demo/{app}.git/../../other/info/refs?service=git-upload-pack", "/git/demo/%2e%2e/info/refs",
        "/git//demo/{app}.git/info/refs?service=git-upload-pack", "/git/demo/{app}.git/objects/info/packs",
        "/git/demo/{app}.git/HEAD", "/git/demo/{app}.git/config", "/git/demo/{app}.git/info/refs",
        "/git/demo/{app}/info/refs?service=git-upload-pack", 
        "/git/demo/{app}.git/info/refs%00?service=git-upload-pack",
        "/git/demo/{app}.git/info/refs%0A?service=git-upload-pack",
        "/git/DEMO/{app}.git/info/refs?service=git-upload-pack", "/git/demo/" + "a" * 3000,
        "/git/demo/{app}.git/info/refs?service=git-annex",
    ],
)  # fmt: skip
def test_paths_that_lead_nowhere(server: Serving, app: Manifest, path: str) -> None:
    """C7: what is not a repository is not there, and tells nothing to strangers."""
    path = path.format(app=name_of(app))
    status, _ = get(server, path, Authorization=f"Bearer {TOKEN}")
    assert status in (403, 404)
    strange, told = get(server, path)
    assert (strange, b"No token" in told) in ((401, True), (404, False))
    assert name_of(app).encode() not in told


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-git-upload-pack-request"}, 415),
        ({"Origin": "https://evil.example"}, 403),
        ({"Content_Encoding": "br"}, 415),
        ({"Content_Encoding": "gzip"}, 400),
    ],
)
def test_requests_that_are_no_push(
    server: Serving, app: Manifest, stored: str, headers: dict[str, str], status: int
) -> None:
    assert post(server, app, commands((ZERO, stored, "refs/heads/x")), **headers)[0] == status


def test_other_methods(server: Serving, app: Manifest) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        "PUT", f"/git/demo/{name_of(app)}.git/git-receive-pack", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert connection.getresponse().status == 405


@pytest.mark.parametrize("service", ["git-receive-pack", "git-upload-pack"])
def test_a_gzip_bomb(server: Serving, app: Manifest, stored: str, service: str) -> None:
    import gzip

    body = gzip.compress(bytes(200 * 2**20), 9)
    assert server.process is not None
    before = peak_memory(server.process.pid)
    status, _ = post(server, app, body, service=service, Content_Encoding="gzip")
    assert status in (400, 413)
    assert peak_memory(server.process.pid) - before < 32 * 2**20


def test_the_probe_before_a_large_push_is_answered(server: Serving, app: Manifest) -> None:
    assert post(server, app, b"0000") == (200, b"")
    assert post(server, app, b"0000", token="nobody")[0] == 401


def test_the_access_log_shows_no_token(server: Serving, app: Manifest, clone: Clone) -> None:
    secret = "very-secret-token-value"
    get(
        server,
        f"/git/demo/{name_of(app)}.git/info/refs?service=git-upload-pack&token={secret}",
        Authorization=f"Bearer {secret}",
    )
    logged = f"/git/demo/{name_of(app)}.git/info/refs 401"
    wait_for(lambda: logged in server.log(), "the request is in the log")  # written after the answer is sent
    assert secret not in server.log()


def test_slow_heads_are_cut_off_and_hold_nobody_up(
    server: Serving, app: Manifest, clone: Clone, stored: str
) -> None:
    """C10: two hundred connections that never finish a request."""
    import socket

    crawling = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for connection in crawling:
            connection.send(b"POST /git/demo/x.git/git-receive-pack HTTP/1.1\r\nHost")
        clone.commit()
        began = time.monotonic()
        clone.git("push", server.url(name_of(app)), "main", ok=True)
        assert time.monotonic() - began < 10
        crawling[0].settimeout(40)
        assert crawling[0].recv(1000) == b""
    finally:
        for connection in crawling:
            connection.close()


def test_repositories_have_no_hooks_and_heed_no_user_s_configuration(
    server: Serving, app: Manifest, stored: str
) -> None:
    repository = server.repository(app)
    assert not (repository / "hooks").exists()
    (repository / "hooks").mkdir()
    marker = repository / "ran"
    for name in ("pre-receive", "post-receive", "update", "reference-transaction", "post-update"):
        hook = repository / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
        hook.chmod(0o755)
    post(server, app, commands((ZERO, stored, "refs/heads/y")) + pack())
    assert (
        "refs/heads/y"
        in subprocess.run(
            ["git", f"--git-dir={repository}", "for-each-ref"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert not marker.exists()
