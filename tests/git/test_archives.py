"""Build pods get the exact tree of their commit, and nothing else."""

from __future__ import annotations

import base64
import http.client
import io
import os
import secrets
import tarfile

import pytest

from paas.api.resources import Manifest
from paas.auth import credentials
from tests.git.fake_cluster import CREDENTIAL_KEY
from tests.support.git_server import TOKEN, Clone, Serving, name_of, wait_for

pytestmark = pytest.mark.integration


def archive(
    server: Serving, app: str, commit: str, *, user: str, password: str, project: str = "demo"
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    path = f"/git/{project}/{app}/archive/{commit}.tar"
    connection.request("GET", path, headers={"Authorization": f"Basic {basic}"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def credential(build: Manifest, purpose: str = credentials.SOURCE) -> dict[str, str]:
    about = build["metadata"]
    return {
        "user": credentials.build_user(about["namespace"], about["name"]),
        "password": credentials.build_credential(CREDENTIAL_KEY, about["uid"], purpose),
    }


@pytest.fixture
def build(server: Serving, app: Manifest, clone: Clone) -> Manifest:
    clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    return server.cluster.builds(name_of(app))[0]


def test_every_file_comes_as_it_is(server: Serving, app: Manifest, clone: Clone) -> None:
    files = {
        "Dockerfile": "FROM scratch\n",
        ".gitattributes": "secret.txt export-ignore\nversion.txt export-subst\n*.crlf text eol=crlf\n"
        "id.txt ident\nutf16.txt text working-tree-encoding=UTF-16\n",
        "id.txt": "$Id$\n",
        "lines.crlf": "a\nb\n",
        "secret.txt": "not ignored\n",
        "version.txt": "$Format:%H$\n",
        "sub/ünïcode näme.txt": "ü\n",
        "a:b.txt": "colon\n",
        "run.sh": "#!/bin/sh\n",
        "nested/.gitattributes": "hidden.txt export-ignore\n",
        "nested/hidden.txt": "still here\n",
    }
    for name, content in files.items():
        path = clone.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (clone.path / "run.sh").chmod(0o755)
    os.symlink("run.sh", clone.path / "link")
    os.symlink("/etc/passwd", clone.path / "outside")
    clone.git("add", "-A", ok=True)
    clone.git("commit", "-q", "-m", "Everything", ok=True)
    commit = clone.head()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    (made,) = server.cluster.builds(name_of(app))
    status, body = archive(server, name_of(app), commit, **credential(made))
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = {member.name: member for member in tar.getmembers()}
        for name, content in files.items():
            extracted = tar.extractfile(members[name])
            assert extracted is not None
            assert extracted.read().decode() == content
    assert members["run.sh"].mode & 0o111
    assert not members["version.txt"].mode & 0o111
    assert (members["link"].issym(), members["link"].linkname) == (True, "run.sh")
    assert members["outside"].linkname == "/etc/passwd"  # who extracts it keeps it inside


def test_a_commit_that_no_branch_names_any_more(
    server: Serving, app: Manifest, clone: Clone, build: Manifest
) -> None:
    commit = build["spec"]["revision"]["git"]["commit"]
    clone.commit()
    clone.git("commit", "-q", "--amend", "-m", "Rewritten", ok=True)
    clone.git("push", "-q", "-f", server.url(name_of(app)), "HEAD:main", ok=True)
    clone.git("push", "-q", server.url(name_of(app)), ":main", ok=True)
    assert archive(server, name_of(app), commit, **credential(build))[0] == 200


def test_the_commits_of_builds_are_kept(server: Serving, app: Manifest, build: Manifest) -> None:
    pin = server.repository(app) / "refs/paas/builds/1"
    wait_for(pin.exists, "the commit is pinned")
    assert pin.read_text().strip() == build["spec"]["revision"]["git"]["commit"]


def refused(server: Serving, app: Manifest, commit: str, **who: str) -> None:
    status, body = archive(server, name_of(app), commit, **who)
    assert (status, body) == (401, b"This credential is not of a running build of this commit\n")


def test_who_gets_nothing(server: Serving, app: Manifest, clone: Clone, build: Manifest) -> None:
    commit = build["spec"]["revision"]["git"]["commit"]
    good = credential(build)
    refused(server, app, commit, user=good["user"], password="x" * 64)
    refused(server, app, commit, user="build:demo/nothing-1", password=good["password"])
    refused(server, app, commit, user="build:other/" + build["metadata"]["name"], password=good["password"])
    refused(server, app, commit, user="alice", password=TOKEN)
    refused(server, app, commit, user="", password="")
    refused(server, app, commit, user="build:demo/../x", password=good["password"])
    refused(server, app, commit, **credential(build, credentials.REGISTRY))
    other = clone.commit()
    clone.git("push", "-q", server.url(name_of(app)), "main", ok=True)
    refused(server, app, other, **good)
    stranger = server.cluster.add_config(f"app-{secrets.token_hex(4)}")
    refused(server, stranger, commit, **good)


@pytest.mark.parametrize("phase", ["Complete", "Failed", "Error", "Cancelled"])
def test_the_credential_dies_with_the_build(
    server: Serving, app: Manifest, build: Manifest, phase: str
) -> None:
    commit = build["spec"]["revision"]["git"]["commit"]
    server.cluster.set_phase(build, "Running")
    assert archive(server, name_of(app), commit, **credential(build))[0] == 200
    server.cluster.set_phase(build, phase)
    refused(server, app, commit, **credential(build))


@pytest.mark.parametrize("commit", ["main", "HEAD", "--output=x", "..%2f", "0" * 39, "A" * 40])
def test_only_whole_commits(server: Serving, app: Manifest, build: Manifest, commit: str) -> None:
    assert archive(server, name_of(app), commit, **credential(build))[0] in (401, 404)
