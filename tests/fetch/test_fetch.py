"""What the init container lays down, from real git hosts and archives, and what it refuses to."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from paas.fetch import __main__, external
from paas.fetch import request as contract
from paas.fetch.egress import Forbidden, check_url, networks, permitted, pool
from paas.fetch.extract import Extraction, TooLarge, UnsafePath, unpack
from paas.git.repair import ATTRIBUTES
from tests.support.git_host import GitHost, git, serving

pytestmark = pytest.mark.integration

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with serving(tmp_path_factory.mktemp("host")) as started:
        yield started


@pytest.fixture(autouse=True)
def _open_host(host: GitHost) -> None:
    host.login, host.redirect, host.failures, host.archive = None, None, 0, None


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A clone with a link, an executable, odd names, a submodule's shape and three commits."""
    root = tmp_path / "source"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "app.py").write_text("print(1)\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "grüße: a.txt").write_text("x")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "file").write_bytes(bytes(range(256)))
    (root / "link").symlink_to("app.py")
    (root / "out").symlink_to("/etc/passwd")
    (root / ".gitattributes").write_text("deep export-ignore\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    for number in ("2", "3"):
        (root / "app.py").write_text(f"print({number})\n")
        git(root, "commit", "-qam", number)
    return root


class Pod:
    """The folders of a build pod and one run of fetch in them."""

    def __init__(self, root: Path, host: GitHost) -> None:
        self.inputs, self.secrets, self.workspace = root / "inputs", root / "secrets", root / "workspace"
        for folder in (self.inputs, self.secrets, self.workspace):
            folder.mkdir(parents=True)
        self.log = root / "termination-log"
        (self.inputs / "password").write_text("word")
        (self.inputs / "ca.crt").write_bytes(host.ca_file.read_bytes())

    def run(self, **given: Any) -> contract.FetchReport:
        wanted = contract.FetchRequest(runtime_registry="r/paas", **given)
        (self.inputs / "order.json").write_text(wanted.to_json())
        code = __main__.main(self.inputs, self.secrets, self.workspace, self.log)
        report = contract.FetchReport.from_json(self.log.read_text())
        assert code == (1 if report.reason else 0)
        return report

    def path(self, name: str) -> Path:
        return self.workspace / "source" / name

    @property
    def dockerfile(self) -> str:
        return (self.workspace / "Dockerfile").read_text()


@pytest.fixture
def pod(tmp_path: Path, host: GitHost) -> Pod:
    return Pod(tmp_path / "pod", host)


def complete(pod: Pod) -> None:
    """Everything of `source` is there as it was committed."""
    assert os.readlink(pod.path("link")) == "app.py"
    assert os.readlink(pod.path("out")) == "/etc/passwd"
    assert pod.path("run.sh").stat().st_mode & 0o777 == 0o755
    assert pod.path("app.py").stat().st_mode & 0o777 == 0o644
    assert pod.path("deep/er/file").read_bytes() == bytes(range(256))
    assert pod.path("grüße: a.txt").read_text() == "x"
    assert not pod.path(".git").exists()


# -- hosted ----------------------------------------------------------------------------------------------
def hosted(host: GitHost, source: Path, commit: str) -> dict[str, Any]:
    def archive(path: str) -> bytes:
        # as the server does it: nothing is left out whatever .gitattributes says
        git(source, "config", "core.attributesFile", "/dev/null")
        (source / ".git" / "info" / "attributes").write_text(ATTRIBUTES)
        tar = source.parent / "archive.tar"
        git(source, "archive", "--format=tar", "-o", str(tar), commit)
        return tar.read_bytes()

    host.archive = archive
    host.login = ("build:demo/shop-1", "word")
    return {
        "archive": f"{host.url}/archive/x",
        "user": "build:demo/shop-1",
        "commit": commit,
        "dockerfile": "FROM scratch\n",
        "content_key": "key",
        "environment": {"PAAS_BUILD_NAME": "shop-1"},
    }


def test_a_hosted_commit_is_fetched_whole(pod: Pod, host: GitHost, source: Path) -> None:
    commit = git(source, "rev-parse", "HEAD~1")
    report = pod.run(**hosted(host, source, commit))
    assert (report.commit, report.content_key) == (commit, "key")
    complete(pod)
    assert pod.path("app.py").read_text() == "print(2)\n"
    assert f'PAAS_BUILD_COMMIT="{commit}"' in pod.dockerfile
    assert f'org.opencontainers.image.revision="{commit}"' in pod.dockerfile


def test_an_archive_that_breaks_off_is_fetched_again(pod: Pod, host: GitHost, source: Path) -> None:
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    host.failures = 1
    assert pod.run(**given).reason is None
    complete(pod)


def test_a_server_that_stays_away_is_named(
    pod: Pod, host: GitHost, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "RETRY_SECONDS", 0.0)
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    report = pod.run(**{**given, "archive": "https://127.0.0.1:1/x"})
    assert report.reason == "FetchSourceFailed"
    assert "server did not hand out the source" in (report.message or "")


def test_a_credential_that_is_refused_is_final(pod: Pod, host: GitHost, source: Path) -> None:
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    host.login = ("somebody", "else")
    report = pod.run(**given)
    assert report.reason == "FetchSourceFailed"
    assert "401" in (report.message or "")


@pytest.mark.parametrize("folder", ["missing", "app.py", "out"])
def test_a_context_that_is_no_folder_of_the_source(
    pod: Pod, host: GitHost, source: Path, folder: str
) -> None:
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    report = pod.run(**given, context_dir=folder)
    assert report.reason == "InvalidContextDirectory"


def test_a_source_over_its_limit_is_refused(pod: Pod, host: GitHost, source: Path) -> None:
    report = pod.run(**hosted(host, source, git(source, "rev-parse", "HEAD")), size_limit=100)
    assert "larger than 100 bytes" in (report.message or "")


# -- external --------------------------------------------------------------------------------------------
@pytest.fixture
def remote(host: GitHost, source: Path, request: pytest.FixtureRequest) -> str:
    name = f"repository-{abs(hash(request.node.name))}"
    reachable = "tips-only" not in request.node.name
    path = host.repository(name, reachable=reachable)
    git(source, "push", "-q", str(path), "main", "main:refs/heads/feature/x", "main~1:refs/tags/v1")
    git(source, "tag", "-a", "-m", "x", "v2", "main~2")
    git(source, "push", "-q", str(path), "v2")
    return f"{host.url}/{name}.git"


@pytest.mark.parametrize("ref", [None, "main", "feature/x", "refs/heads/main"])
def test_the_head_of_a_branch(pod: Pod, remote: str, source: Path, ref: str | None) -> None:
    report = pod.run(uri=remote, ref=ref, allowed_addresses=LOOPBACK)
    assert (report.reason, report.message) == (None, None)
    assert report.commit == git(source, "rev-parse", "HEAD")
    assert report.buildpack == "python"
    assert len(report.content_key or "") == 64
    complete(pod)
    assert "runtime-python" in pod.dockerfile


@pytest.mark.parametrize(("ref", "back"), [("v1", 1), ("v2", 2)])
def test_tags_of_both_kinds(pod: Pod, remote: str, source: Path, ref: str, back: int) -> None:
    report = pod.run(uri=remote, ref=ref, allowed_addresses=LOOPBACK)
    assert report.commit == git(source, "rev-parse", f"HEAD~{back}")


@pytest.mark.parametrize("server", ["any", "tips-only"])
def test_an_exact_commit_that_is_no_tip(
    pod: Pod, host: GitHost, remote: str, source: Path, server: str
) -> None:
    git(source, "commit", "-q", "--allow-empty", "-m", "later")
    git(source, "push", "-q", str(host.root / remote.rpartition("/")[2]), "main")
    wanted = git(source, "rev-parse", "HEAD~2")
    report = pod.run(uri=remote, ref="main", commit=wanted, allowed_addresses=LOOPBACK)
    assert (report.reason, report.message) == (None, None)
    assert report.commit == wanted
    assert pod.path("app.py").read_text() == "print(2)\n"


def test_the_commit_that_the_webhook_named_is_missing(pod: Pod, remote: str) -> None:
    report = pod.run(uri=remote, ref="main", commit="e" * 40, allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert "e" * 40 in (report.message or "")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ref": "missing"}, "no branch or tag 'missing'"),
        ({"context_dir": "missing"}, "'missing'"),
        ({"dockerfile_path": "missing"}, "'missing'"),
    ],
)
def test_what_the_repository_does_not_have_is_named(
    pod: Pod, remote: str, given: dict[str, str], says: str
) -> None:
    report = pod.run(uri=remote, allowed_addresses=LOOPBACK, **given)
    assert says in (report.message or "")


def test_an_unknown_repository(pod: Pod, host: GitHost) -> None:
    report = pod.run(uri=f"{host.url}/nonsense.git", allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert "no git repository" in (report.message or "")


def test_a_private_repository_says_which_secret_and_takes_it(pod: Pod, host: GitHost, remote: str) -> None:
    host.login = ("ann", "word")
    refused = pod.run(uri=remote, allowed_addresses=LOOPBACK)
    assert "sourceSecret" in (refused.message or "")
    (pod.secrets / "username").write_text("ann\n")
    (pod.secrets / "password").write_text("word\n")
    assert pod.run(uri=remote, allowed_addresses=LOOPBACK).reason is None


def test_an_unknown_certificate_is_refused(pod: Pod, remote: str) -> None:
    (pod.inputs / "ca.crt").unlink()
    report = pod.run(uri=remote, allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert "ertificate" in (report.message or "")
    assert not pod.path("").exists()


def test_a_repository_that_nothing_builds(pod: Pod, host: GitHost, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q", "-b", "main")
    (empty / "README").write_text("x")
    git(empty, "add", "-A")
    git(empty, "commit", "-qm", "x")
    git(empty, "push", "-q", str(host.repository("nothing")), "main")
    report = pod.run(uri=f"{host.url}/nothing.git", allowed_addresses=LOOPBACK)
    assert report.reason == "NoBuildpack"


@pytest.mark.parametrize(
    ("files", "links", "left"),
    [
        ({".dockerignore": "**/deep\n"}, {}, {"app.py"}),
        ({".dockerignore": "deep/*\n!deep/er/file\n"}, {}, {"app.py", "deep/er/file"}),
        ({".dockerignore": "app.py\n", "Dockerfile.dockerignore": "deep\n"}, {}, {"app.py"}),
        ({".dockerignore": "deep\n"}, {"Dockerfile.dockerignore": "/etc/hostname"}, {"app.py"}),
        ({"other": "deep\n"}, {".dockerignore": "other"}, {"app.py"}),
        ({".dockerignore": "lin*\nou?\n"}, {}, {"app.py", "deep/er/file"}),
    ],
)
def test_the_context_is_without_what_its_ignore_file_leaves_out(
    files: dict[str, str], links: dict[str, str], left: set[str], pod: Pod, host: GitHost, source: Path
) -> None:
    for name, text in files.items():
        (source / name).write_text(text)
    for name, target in links.items():
        (source / name).symlink_to(target)
    git(source, "add", "-A")
    git(source, "commit", "-qm", "ignore")
    pod.run(**hosted(host, source, git(source, "rev-parse", "HEAD")))
    there = {name for name in ("app.py", "deep/er/file") if pod.path(name).exists()}
    assert there == left
    assert pod.path("deep").exists() == ("deep/er/file" in left)
    assert os.path.lexists(pod.path("link")) == ("lin*" not in files.get(".dockerignore", ""))
    # the builder has nothing to leave out by rules of its own
    assert (pod.workspace / "Dockerfile.dockerignore").read_bytes() == b""


def test_a_link_that_is_copied_by_its_name_is_told(
    pod: Pod, host: GitHost, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    text = 'FROM x\nCOPY app.py link /a/\nCOPY ["link", "/b"]\nCOPY --from=0 link . /c/\nCOPY $link li* /d/\n'
    pod.run(**{**given, "dockerfile": text})
    said = [line for line in capsys.readouterr().out.splitlines() if " link " in line]
    assert [line.split(":")[0] for line in said] == [" !     Dockerfile, line 2", " !     Dockerfile, line 3"]
    assert "copies the link itself, not app.py" in said[0]


def test_a_stage_for_another_platform_ends_the_build(pod: Pod, host: GitHost, source: Path) -> None:
    given = hosted(host, source, git(source, "rev-parse", "HEAD"))
    report = pod.run(**{**given, "dockerfile": "FROM --platform=plan9/mips x\n"})
    assert report.reason == "ManageDockerfileFailed"
    assert "line 1: FROM --platform=plan9/mips" in (report.message or "")


def test_an_ignore_file_that_is_none_ends_the_build(pod: Pod, host: GitHost, source: Path) -> None:
    (source / ".dockerignore").write_text("deep\n[a\n")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "ignore")
    report = pod.run(**hosted(host, source, git(source, "rev-parse", "HEAD")))
    assert report.reason == "ManageDockerfileFailed"
    assert ".dockerignore, line 2: '[a' is not a pattern" in (report.message or "")


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


@pytest.mark.parametrize("kind", ["hosted", "external"])
def test_a_pointer_to_git_lfs_ends_the_build_and_a_submodule_is_named(
    kind: str, pod: Pod, host: GitHost, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    commit = git(source, "rev-parse", "HEAD")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    git(source, "commit", "-qm", "embed")
    git(source, "push", "-q", "-f", str(host.repository("whole")), "main")

    def fetched(**how: str) -> contract.FetchReport:
        if kind == "hosted":
            return pod.run(**hosted(host, source, git(source, "rev-parse", "HEAD")), **how)
        return pod.run(uri=f"{host.url}/whole.git", allowed_addresses=LOOPBACK, **how)

    assert fetched().reason is None
    assert "vendor/lib" in capfd.readouterr().out
    shutil.rmtree(pod.workspace / "source")
    (source / "deep" / "model.bin").write_text(POINTER)
    git(source, "add", "deep/model.bin")
    git(source, "commit", "-qm", "pointer")
    git(source, "push", "-q", "-f", str(host.repository("whole")), "main")
    report = fetched()
    assert report.reason == "IncompleteSource"
    assert "deep/model.bin" in (report.message or "")
    assert "git lfs migrate export" in (report.message or "")


@pytest.mark.parametrize("kind", ["hosted", "external"])
def test_attributes_change_no_file_of_either_kind_of_source(
    kind: str, pod: Pod, host: GitHost, source: Path
) -> None:
    text = "*.sh text eol=crlf\n*.id ident\n*.u16 text working-tree-encoding=UTF-16LE\n*.x filter=y\n"
    files = {"a.sh": "a\nb\n", "a.id": "$Id$\n", "a.x": "x\n"}
    for name, content in files.items():
        (source / name).write_text(content)
    git(source, "add", "-A")
    (source / ".gitattributes").write_text(text)
    git(source, "add", ".gitattributes")
    git(source, "commit", "-qm", "attributes")
    git(source, "push", "-q", "-f", str(host.repository("attributes")), "main")
    if kind == "hosted":
        report = pod.run(**hosted(host, source, git(source, "rev-parse", "HEAD")))
    else:
        report = pod.run(uri=f"{host.url}/attributes.git", allowed_addresses=LOOPBACK)
    assert report.reason is None, report.message
    for name, content in files.items():
        assert pod.path(name).read_bytes() == content.encode()


@pytest.mark.parametrize("char", ["a", "ü", "界", "\N{GRINNING FACE}", '"', "\\", "\n", "\udc80", "\0"])
def test_a_report_is_whole_in_any_script(char: str) -> None:
    report = contract.FetchReport(reason="NoBuildpack", message=char * 5000)
    said = report.fitting()
    assert len(said) <= contract.REPORT_BYTES
    again = contract.FetchReport.from_json(said.decode())
    assert again.reason == "NoBuildpack"
    assert len(said) > contract.REPORT_BYTES * 0.9, "as much as fits"
    assert contract.FetchReport(commit="x").fitting() == b'{"commit": "x"}'


@pytest.mark.parametrize("exact", [True, False])
def test_a_repository_that_names_its_objects_by_sha256(
    exact: bool, pod: Pod, host: GitHost, tmp_path: Path
) -> None:
    path = host.repository(f"sha256-{exact}")
    shutil.rmtree(path)
    git(path.parent, "init", "-q", "--bare", "-b", "main", "--object-format=sha256", str(path))
    other = tmp_path / "sha256"
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256", str(other))
    (other / "app.py").touch()
    git(other, "add", "-A")
    git(other, "commit", "-qm", "x")
    git(other, "push", "-q", str(path), "main")
    commit = git(other, "rev-parse", "HEAD")
    uri = f"{host.url}/{path.name}"
    report = pod.run(uri=uri, allowed_addresses=LOOPBACK, commit=commit if exact else None)
    assert (report.commit, report.reason) == (commit, None), report.message
    shutil.rmtree(pod.workspace / "source")
    unknown = pod.run(uri=uri, allowed_addresses=LOOPBACK, commit="0" * 39 + "1")
    assert unknown.reason == "FetchSourceFailed"
    assert path.name in (unknown.message or "")


@pytest.mark.parametrize("commit", [None, "0" * 39 + "1"])
@pytest.mark.parametrize("shape", ["empty", "not git", "damaged"])
def test_a_repository_of_an_odd_shape_is_named(
    pod: Pod, host: GitHost, source: Path, shape: str, commit: str | None
) -> None:
    path = host.repository(f"{shape.replace(' ', '-')}-{commit is None}")
    if shape != "empty":
        git(source, "push", "-q", str(path), "main")
        for file in path.glob("objects/??/*"):
            file.chmod(0o600)
            file.write_bytes(b"nothing")
    if shape == "not git":
        (path / "HEAD").unlink()
    report = pod.run(uri=f"{host.url}/{path.name}", allowed_addresses=LOOPBACK, commit=commit)
    assert report.reason == "FetchSourceFailed"
    assert path.name in (report.message or "")
    if shape == "empty" and commit is None:
        assert "is empty" in (report.message or "")


def test_a_commit_that_is_not_well_formed_is_named_with_a_way_out(
    pod: Pod, host: GitHost, source: Path
) -> None:
    tree = git(source, "rev-parse", "HEAD^{tree}")
    commit = literally(source, "commit", f"tree {tree}\nauthor Old <o@example.com> 1 UTC\n\nold\n")
    path = host.repository("old")
    git(source, "push", "-q", str(path), f"{commit}:refs/heads/main")
    report = pod.run(uri=f"{host.url}/{path.name}", allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert "a new commit on top" in (report.message or "")
    git(source, "checkout", "-q", "--detach", commit)
    git(source, "commit", "-q", "--allow-empty", "-m", "new")
    git(source, "push", "-q", str(path), "HEAD:main")
    report = pod.run(uri=f"{host.url}/{path.name}", allowed_addresses=LOOPBACK)
    assert (report.commit, report.reason) == (git(source, "rev-parse", "HEAD"), None), report.message


@pytest.mark.parametrize("mode", ["100644", "040000", "120000"])
def test_a_folder_that_names_what_is_something_else(pod: Pod, host: GitHost, source: Path, mode: str) -> None:
    wrong = git(source, "rev-parse", "HEAD:app.py" if mode == "040000" else "HEAD^{tree}")
    entry = f"{mode.lstrip('0')} odd\0".encode() + bytes.fromhex(wrong)
    tree = literally(source, "tree", entry)
    who = "A <a@example.com> 1 +0000"
    commit = literally(source, "commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n")
    path = host.repository(f"odd-{mode}")
    git(path, "config", "core.bare", "true")
    git(path, "fetch", "-q", str(source), "main")
    for kind, content in (("tree", entry), ("commit", git(source, "cat-file", "commit", commit) + "\n")):
        literally(path, kind, content)
    (path / "refs/heads/main").write_text(f"{commit}\n")
    report = pod.run(uri=f"{host.url}/{path.name}", allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert path.name in (report.message or "") or "odd is not the" in (report.message or "")


def literally(repository: Path, kind: str, content: str | bytes) -> str:
    """Store an object as it is, well-formed or not; its id."""
    made = subprocess.run(
        ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"],
        cwd=repository,
        input=content.encode() if isinstance(content, str) else content,
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


# -- which hosts -----------------------------------------------------------------------------------------
def test_W7_a_private_address_is_refused_before_anything_is_sent(
    pod: Pod, host: GitHost, remote: str
) -> None:
    host.requests.clear()
    report = pod.run(uri=remote)
    assert report.reason == "FetchSourceFailed"
    assert "sources.allowedAddresses" in (report.message or "")
    assert not host.requests


def test_W7_a_name_that_resolves_to_loopback_is_refused(pod: Pod, host: GitHost, remote: str) -> None:
    host.requests.clear()
    report = pod.run(uri=remote.replace("127.0.0.1", "localhost"))
    assert "private network" in (report.message or "")
    assert not host.requests


@pytest.mark.parametrize("target", ["https://169.254.169.254", "http://127.0.0.1", "https://localhost:1"])
def test_W7_redirects_elsewhere_are_refused(pod: Pod, host: GitHost, remote: str, target: str) -> None:
    host.redirect = target
    report = pod.run(uri=remote, allowed_addresses=LOOPBACK)
    assert report.reason == "FetchSourceFailed"
    assert "redirects" in (report.message or "") or "not an https address" in (report.message or "")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
     "::ffff:127.0.0.1", "fe80::1", "fd00::1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "2002:7f00:1::",
     "64:ff9b::7f00:1", "::", "fe80::1%eth0"],
)  # fmt: skip
def test_W7_addresses_that_are_not_public(address: str) -> None:
    assert not permitted(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert permitted(address)


def test_an_administrator_can_allow_a_network() -> None:
    assert permitted("10.1.2.3", networks(["10.1.0.0/16"]))
    assert permitted("::ffff:10.1.2.3", networks(["10.1.0.0/16"]))
    assert not permitted("10.2.2.3", networks(["10.1.0.0/16"]))


@pytest.mark.parametrize(
    "url", ["http://host/x", "git://host/x", "ssh://host/x", "file:///etc", "https:///x", "https://u:p@host/x",
            "ext::sh -c x", "-oProxyCommand=x"]
)  # fmt: skip
def test_W7_only_plain_https(url: str) -> None:
    with pytest.raises(Forbidden):
        check_url(url)


def test_a_connection_goes_to_the_address_that_was_checked(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DNS that answers public first and loopback afterwards (rebinding) gains nothing."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def resolve(name: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(name)
        return [(2, 1, 6, "", (address, port)) for address in answers.pop(0)]

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise OSError("no route in this test")

    monkeypatch.setattr("paas.fetch.egress.socket.getaddrinfo", resolve)
    monkeypatch.setattr("paas.fetch.egress.sockets.create_connection", connect)
    with pytest.raises(Exception, match="no route"):
        pool("https://rebinding.example/x").request("GET", "https://rebinding.example/x", retries=False)
    assert asked == ["rebinding.example"]
    assert connected == [("93.184.215.14", 443)]


# -- extraction --------------------------------------------------------------------------------------
def tar(*entries: tuple[str, str, str]) -> io.BytesIO:
    """A tar of (kind, name, content or target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind, name, text in entries:
            entry = tarfile.TarInfo(name)
            entry.type = {
                "file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE,
            }[kind]  # fmt: skip
            entry.linkname = text if kind in ("link", "hard") else ""
            entry.size = len(text) if kind == "file" else 0
            archive.addfile(entry, io.BytesIO(text.encode()) if kind == "file" else None)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    "entries",
    [
        [("file", "../evil", "x")],
        [("file", "a/../../evil", "x")],
        [("file", "/evil", "x")],
        [("link", "a", ".."), ("file", "a/evil", "x")],
        [("link", "a", "/tmp"), ("dir", "a/evil", "")],
        [("file", "a", "x"), ("file", "a/evil", "x")],
        [("hard", "a", "/etc/passwd")],
        [("device", "a", "")],
        [("pipe", "a", "")],
        [("file", ".git/config", "x")],
        [("file", "a/.GIT/config", "x")],
        [("dir", "a/" * 200, "")],
        [("file", ".", "x")],
    ],
    ids=str,
)
def test_C6_nothing_is_written_outside(tmp_path: Path, entries: list[tuple[str, str, str]]) -> None:
    root = tmp_path / "a" / "extraction"
    with pytest.raises((UnsafePath, OSError)), Extraction(root, size_limit=1000) as extraction:
        unpack(tar(*entries), extraction)
    assert not list(tmp_path.rglob("evil"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    assert not Path("/tmp/evil").exists()


def test_a_second_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="exists"),
        Extraction(tmp_path / "extraction", size_limit=1000) as extraction,
    ):
        unpack(tar(("link", "a", "/etc/passwd"), ("file", "a", "x")), extraction)


def test_the_limit_holds_over_all_files(tmp_path: Path) -> None:
    with pytest.raises(TooLarge), Extraction(tmp_path / "extraction", size_limit=10) as extraction:
        unpack(tar(("file", "a", "x" * 6), ("file", "b", "x" * 6)), extraction)


def test_a_stream_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    whole = tar(("file", "a", "x" * 2000), ("file", "b", "x" * 2000)).getvalue()
    with pytest.raises(tarfile.TarError), Extraction(tmp_path / "extraction", size_limit=10**6) as extraction:
        unpack(io.BytesIO(whole[:3000]), extraction)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        with Extraction(tmp_path / str(number), size_limit=1000) as extraction:
            unpack(tar(("file", "a/b/c", "x"), ("dir", "d", ""), ("file", "d/e", "x")), extraction)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_host_that_cannot_be_reached_is_told_without_the_librarys_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("paas.fetch.egress.socket.getaddrinfo", unknown)
    url = "https://nowhere.example/shop.git"
    with pytest.raises(HTTPError) as raised:
        pool(url).request("GET", url)
    assert external._short(raised.value) == "cannot resolve nowhere.example: Name or service not known"
