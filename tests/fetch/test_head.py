"""Where a branch is at a git host: real `git http-backend`, and hosts that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.fetch import head
from paas.fetch.head import HeadReport, HeadRequest, head_of
from tests.support.git_host import GitHost, git, serving

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with serving(tmp_path) as made:
        yield made


def filled(host: GitHost, tmp_path: Path) -> dict[str, str]:
    """A repository `shop` with a branch of each kind; commits by branch."""
    remote, clone = host.repository("shop"), tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "-q", "-b", "main")
    found = {}
    for branch in ("main", "release/1", "side"):
        git(clone, "switch", "-q", "-C", branch)
        git(clone, "commit", "-q", "--allow-empty", "-m", branch)
        found[branch] = git(clone, "rev-parse", "HEAD")
    git(clone, "tag", "-a", "v1", "-m", "v1", "main")
    git(clone, "push", "-q", str(remote), "--all")
    git(clone, "push", "-q", str(remote), "--tags")
    return found


def asked(host: GitHost, ref: str | None, **more: object) -> HeadReport:
    given: dict[str, object] = {"allowed_addresses": LOOPBACK, "ca": host.ca_file.read_text(), **more}
    request = HeadRequest(uri=f"{host.url}/shop.git", ref=ref, **given)  # type: ignore[arg-type]
    return head.report(request.to_json())


def test_a_branch_is_where_it_is(host: GitHost, tmp_path: Path) -> None:
    commits = filled(host, tmp_path)
    assert asked(host, "side") == HeadReport("side", commits["side"])
    assert asked(host, "release/1") == HeadReport("release/1", commits["release/1"])
    assert asked(host, None) == HeadReport("main", commits["main"])
    assert asked(host, "v1").commit == commits["main"], "a tag is the commit that it names"
    assert asked(host, "nothing").problem == f"{host.url}/shop.git has no branch nothing"


def test_hosts_that_do_not_tell(host: GitHost, tmp_path: Path) -> None:
    filled(host, tmp_path)
    assert "inside a private network" in (asked(host, "main", allowed_addresses=()).problem or "")
    assert "cannot be asked" in (asked(host, "main", ca="").problem or "")
    host.login = ("ann", "secret")
    assert "wants a login" in (asked(host, "main").problem or "")
    assert asked(host, "main", username="ann", password="secret").commit
    host.login, host.redirect = None, "https://127.0.0.2:1"
    assert "redirects to" in (asked(host, "main").problem or "")


def test_a_host_that_sends_all_its_refs() -> None:
    refs = {b"HEAD": b"a" * 40, b"refs/heads/main": b"a" * 40, b"refs/tags/main": b"b" * 40}
    request = HeadRequest(uri="https://git.example/shop.git", ref="main")
    assert head_of(request, refs, {}) == HeadReport("main", "a" * 40)
    unnamed = HeadRequest(uri="https://git.example/shop.git")
    assert head_of(unnamed, refs, {b"HEAD": b"refs/heads/trunk"}) == HeadReport("trunk", "a" * 40)
