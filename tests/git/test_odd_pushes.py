"""Whatever bytes come as a push: an answer that says what became of each ref, and a server that serves on.

Generated requests go to the real server, which runs the real git.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from dulwich.protocol import PktLineParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paas.api.resources import Manifest
from paas.git.process import HARMLESS
from paas.git.protocol import Demultiplexer, parse_report
from tests.support.git_objects import ZERO
from tests.support.git_server import TOKEN, Serving, name_of, wait_for
from tests.support.odd_git import Thing, command, histories, packed, plain, requests

pytestmark = pytest.mark.integration
BOUNDED = settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NAMES_NOTHING = re.compile(r"(unpacker error|(unpack-objects|index-pack) abnormal exit|ok)?")


@dataclass(frozen=True)
class Answer:
    """`told` is what the pusher's terminal shows, `report` what git reads."""

    status: int
    body: bytes
    told: bytes
    report: bytes


def post(server: Serving, app: Manifest, body: bytes) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-git-receive-pack-request"}
    connection.request("POST", f"/git/demo/{name_of(app)}.git/git-receive-pack", body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    told = report = b""
    if answer.status == 200:
        for channel, payload in Demultiplexer().feed(content):
            report += payload if channel == 1 else b""
            told += payload if channel != 1 else b""
    return Answer(answer.status, content, told, report)


def judge(answer: Answer) -> None:
    """A client of git understands it, and it says what became of each ref and why."""
    assert answer.status in (200, 400), answer
    if answer.status == 400:
        assert answer.body.startswith(b"This is not a push: "), answer
        return
    assert not re.search(
        rb"Traceback|cannot make the build|server failed|cannot be read|Still", answer.told
    ), answer
    if not answer.report:
        return
    parsed = parse_report(answer.report)
    assert parsed is not None, answer
    packets: list[bytes | None] = []
    PktLineParser(packets.append).parse(answer.report)
    for packet in packets[1:-1]:
        verdict, ref, *reason = (packet or b"").decode(errors="surrogateescape").rstrip("\n").split(" ", 2)
        assert verdict == ("ok" if ref in parsed.accepted else "ng"), answer
        if verdict == "ng":
            named = [why for why in (*reason, parsed.unpack) if not NAMES_NOTHING.fullmatch(why)]
            assert named or b"fatal: " in answer.told or b"error: " in answer.told, answer


def sound(server: Serving, app: Manifest) -> None:
    """The repository is whole, nothing is half stored, and the next push is taken."""
    repository = server.repository(app)
    if repository.exists():
        assert flaws(repository) == ""
        # marks are made after the pusher was answered
        wait_for(lambda: not half(repository), f"{half(repository)} are gone", seconds=5)
    name = f"refs/heads/next-{uuid.uuid4().hex}"
    answer = post(server, app, command(ZERO, plain()[2].id, name.encode()) + b"0000" + packed(plain()))
    assert f"ok {name}\n".encode() in answer.report, answer


def half(repository: Path) -> list[Path]:
    return [path for path in repository.rglob("*") if "tmp_" in path.name or path.suffix == ".lock"]


def flaws(repository: Path) -> str:
    harmless = [word for flaw in HARMLESS for word in ("-c", f"fsck.{flaw}=ignore")]
    argv = ["git", *harmless, f"--git-dir={repository}", "fsck", "--full", "--strict", "--no-dangling"]
    done = subprocess.run(argv, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    wrong = [line for line in said if not line.startswith(("notice: ", "warning "))]
    return "\n".join(wrong) if done.returncode or wrong else ""


@BOUNDED
@given(body=requests())
def test_any_request_is_answered(server: Serving, body: bytes) -> None:
    app = server.cluster.add_config(f"app-{uuid.uuid4().hex[:8]}")
    judge(post(server, app, body))
    sound(server, app)


@BOUNDED
@given(
    things=histories(),
    number=st.integers(0, 40),
    ref=st.sampled_from([b"refs/heads/main", b"refs/tags/v1", b"refs/heads/caf\xe9"]),
)
def test_any_objects_are_stored_or_refused(
    server: Serving, things: list[Thing], number: int, ref: bytes
) -> None:
    app = server.cluster.add_config(f"app-{uuid.uuid4().hex[:8]}")
    commits = [thing for thing in things if thing.kind == "commit"]
    pushed = things[number % len(things)] if number < 8 else commits[-1]
    answer = post(server, app, command(ZERO, pushed.id, ref) + b"0000" + packed(things))
    judge(answer)
    parsed = parse_report(answer.report)
    assert parsed is not None, answer
    accepted = bool(parsed.accepted)
    assert bool(server.cluster.builds(name_of(app))) == (accepted and ref.startswith(b"refs/heads/")), answer
    sound(server, app)
