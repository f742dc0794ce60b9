"""R24: after a power cut any file that the server writes into a repository may be torn. Pushes go on, what
was acknowledged is there, and nothing is built twice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paas.api.resources import Manifest
from tests.support.git_server import Clone, Serving, fsck, new_clone, started, wait_for

pytestmark = pytest.mark.integration

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "NUL-filled": lambda content: bytes(len(content)),
}
REFS = ("heads/main", "heads/side/branch", "paas/builds/1", "paas/handled/main", "tags/v1")
FILES = (
    "HEAD",
    "logs/HEAD",
    "config",
    "info/attributes",
    "paas.json",
    *(f"refs/{ref}" for ref in REFS),
    *(f"logs/refs/{ref}" for ref in REFS),
)
UNTORN = ("refs/paas/handled/side/branch", "logs/refs/paas/handled/side/branch")
"""Of the same kind as others."""


def written(repository: Path) -> set[str]:
    """Every file of a repository but objects: those git flushes itself."""
    found = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith("objects/")}


def damage(path: Path, how: str) -> None:
    path.write_bytes(DAMAGES[how](path.read_bytes()))


class Hosted:
    """An application and its developer. What was pushed is built, and the Build's commit is marked."""

    def __init__(self, server: Serving, clone: Clone, name: str) -> None:
        self.server, self.clone = server, clone
        self.app: Manifest = server.cluster.add_config(name)
        self.name, self.repository = name, server.repository(self.app)
        self.commits: list[str] = []

    def push(self, *more: str) -> None:
        self.commits.append(self.clone.commit())
        self.clone.git("push", "-q", self.server.url(self.name), "main", *more, ok=True)
        self.built()

    def built(self) -> None:
        number = len(self.commits)
        wait_for(lambda: len(self.server.cluster.builds(self.name)) >= number, "it is built")
        assert self.server.cluster.commits(self.name) == self.commits, "everything once, and in order"
        wait_for(lambda: self.mark() == f"{self.commits[-1]}\n".encode(), "it is marked")

    def mark(self) -> bytes:
        path = self.repository / "refs/paas/handled/main"
        return path.read_bytes() if path.exists() else b""

    def tips(self) -> str:
        return self.clone.git("ls-remote", "--refs", self.server.url(self.name), ok=True).out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with started(tmp_path_factory.mktemp("serving")) as serving:
        yield serving


@pytest.fixture(scope="module")
def hosted(server: Serving, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    hosted = Hosted(server, new_clone(tmp_path_factory.mktemp("developer") / "clone"), "torn")
    hosted.clone.commit()
    hosted.clone.git("tag", "-a", "-m", "x", "v1", ok=True)
    hosted.push("HEAD:refs/heads/side/branch", "v1")
    side = hosted.repository / "refs/paas/handled/side/branch"
    wait_for(side.exists, "the other branch is marked")
    assert written(hosted.repository) == {*FILES, *UNTORN}, "a file that is not torn below"
    return hosted


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_torn_file(hosted: Hosted, file: str, how: str) -> None:
    before = hosted.tips()
    damage(hosted.repository / file, how)
    assert hosted.tips() == before, "what was acknowledged is there"
    hosted.push()
    assert fsck(hosted.repository) == ""
    assert (hosted.repository / "HEAD").read_text() == "ref: refs/heads/main\n"


@pytest.mark.parametrize("how", [*DAMAGES, "cut at the end of a line"])
def test_torn_packed_refs(hosted: Hosted, how: str) -> None:
    """The server packs no refs, but somebody may."""
    before, packed = hosted.tips(), hosted.repository / "packed-refs"
    subprocess.run(["git", f"--git-dir={hosted.repository}", "pack-refs", "--all"], check=True)
    if how == "cut at the end of a line":
        packed.write_bytes(b"".join(packed.read_bytes().splitlines(keepends=True)[:2]))
    else:
        damage(packed, how)
    assert hosted.tips() == before
    hosted.push()
    assert fsck(hosted.repository) == ""


@pytest.mark.parametrize("how", DAMAGES)
def test_a_push_that_no_build_was_made_of_when_the_power_went(
    own_server: Serving, clone: Clone, how: str
) -> None:
    """It is found although the repository does not know any more whose it is and what was handled."""
    hosted = Hosted(own_server, clone, "shop")
    hosted.push()
    own_server.cluster.switch("unreachable-for-builds")
    own_server.stop()
    own_server.start(kill="stored")
    hosted.commits.append(clone.commit())
    clone.git("push", own_server.url("shop"), "main", ok=False)
    wait_for(own_server.gone, "the power goes")
    for file in ("paas.json", "HEAD", "config", "refs/paas/handled/main", "logs/refs/paas/handled/main"):
        damage(hosted.repository / file, how)
    own_server.cluster.switch("unreachable-for-builds", on=False)
    own_server.start()
    hosted.built()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_torn_object_is_refused_by_name(server: Serving, tmp_path: Path, how: str) -> None:
    """The newest commit itself: a push on top of it must not be taken as if its history were there."""
    torn = Hosted(server, new_clone(tmp_path / "clone"), f"object-{how.lower()}")
    torn.push()
    (last,) = torn.commits
    path = torn.repository / "objects" / last[:2] / last[2:]
    path.chmod(0o644)
    damage(path, how)
    torn.clone.commit()
    done = torn.clone.git("push", server.url(torn.name), "main")
    assert done.code == 1
    assert last in done.err.replace("/", ""), "which object"
    Hosted(server, new_clone(tmp_path / "other"), f"sound-{how.lower()}").push()
