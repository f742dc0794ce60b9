"""new-app in a folder: what it says when the source cannot be built as it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

from paas.source.folders import buildable_folders
from paas.source.trees import FolderTree
from paas.templates.new_app import Wanted, explanation, look
from paas.terminal.problem import Problem


def repository(root: Path, *folders: str) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        (root / folder / "Dockerfile").write_text("FROM scratch\n")
    (root / "docs").mkdir()
    return root


async def refused(root: Path, context_dir: str | None = None) -> Problem:
    with pytest.raises(Problem) as raised:
        await look(Wanted(str(root), "shop", None, context_dir, (), None, "paas"), "demo")
    return raised.value


async def test_nothing_to_build_by_says_what_to_add(tmp_path: Path) -> None:
    problem = await refused(repository(tmp_path))
    assert (problem.what, problem.why) == (
        "the root of the repository has nothing to build by",
        "NoBuildpack",
    )
    assert problem.hint.startswith("add a Dockerfile, or a file that a buildpack looks for")


@pytest.mark.parametrize("context_dir", [None, "nope"])
async def test_the_top_of_several_services_names_their_folders(
    tmp_path: Path, context_dir: str | None
) -> None:
    problem = await refused(repository(tmp_path, "api", "web"), context_dir)
    assert problem.hint == "name a folder that can be built: --context-dir api or web"


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["services/api", "services/web"], "services/api or services/web"),
        (["a/b/c/shop", "web"], "web or a/b/c/shop"),
        (["web", "web/admin"], "web"),
        (["node_modules/x", ".hidden/y", "src/shop"], "src/shop"),
    ],
)
async def test_folders_further_below_are_named_too(tmp_path: Path, folders: list[str], named: str) -> None:
    problem = await refused(repository(tmp_path, *folders))
    assert problem.hint == f"name a folder that can be built: --context-dir {named}"


def test_a_large_source_is_not_looked_through(tmp_path: Path) -> None:
    for folder in ("a", "b", "c/shop", "d", "a/b/c/d/too-deep"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("d", "a/b/c/d/too-deep"):
        (tmp_path / folder / "Dockerfile").write_text("FROM scratch\n")
    assert buildable_folders(FolderTree(tmp_path), (), looked_at=3) == []
    assert buildable_folders(FolderTree(tmp_path), ()) == ["d"]


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    class Closed(FolderTree):
        def entries(self, folder: str) -> Collection[str] | None:
            if folder.startswith("data"):
                raise PermissionError(folder)
            return super().entries(folder)

        def read(self, path: str, limit: int) -> bytes | None:
            if path.startswith("secret"):
                raise PermissionError(path)
            return super().read(path, limit)

    root = repository(tmp_path, "data", "secret", "web")
    assert buildable_folders(Closed(root), ()) == ["web"]


async def test_a_port_that_is_given_is_the_one_that_is_told(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 3000\n")
    found = await look(Wanted(str(root), env=("PORT=9000",)), "demo")
    assert found.app.port == 9000
    assert "Port 9000 as given is used instead; the application gets it as $PORT" in found.facts


# -- repositories of every shape -------------------------------------------------------------------------
def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def shaped(root: Path, shape: str) -> Path:
    """A folder with an application in a repository of this shape."""
    origin = root / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main", *(["--object-format=sha256"] if shape == "sha256" else []))
    (origin / "Dockerfile").write_text("FROM scratch\n")
    if shape == "empty":
        return origin
    (origin / os.fsdecode(b"caf\xe9 ")).write_text("x")
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "one")
    git(origin, "commit", "-q", "--allow-empty", "-m", "two")
    git(origin, "branch", "odd/ünïcode")
    url = origin.as_uri()
    match shape:
        case "worktree":
            git(origin, "worktree", "add", "-q", "-b", "side", str(root / "clone"))
        case "shallow":
            git(root, "clone", "-q", "--depth", "1", url, "clone")
        case "partial":
            git(origin, "config", "uploadpack.allowFilter", "true")
            git(root, "clone", "-q", "--filter=blob:none", url, "clone")
        case "sparse":
            git(root, "clone", "-q", "--sparse", url, "clone")
        case "bare":
            git(root, "clone", "-q", "--bare", url, "clone")
        case "odd names":
            git(root, "clone", "-q", "-b", "odd/ünïcode", url, "clone")
            Path(os.fsdecode(os.fsencode(root) + b"/clone/\xff\xfe")).write_text("x")
        case _:
            return origin
    return root / "clone"


@pytest.mark.parametrize("shape", ["plain", "empty", "worktree", "shallow", "partial", "sparse", "odd names"])
async def test_an_application_is_found_in_a_repository_of_any_shape(tmp_path: Path, shape: str) -> None:
    found = await look(Wanted(str(shaped(tmp_path, shape)), "shop"), "demo")
    assert "Builds by Dockerfile" in found.facts
    "\n".join(explanation(found)).encode()


@pytest.mark.parametrize(
    ("shape", "says"), [("bare", "without a working folder"), ("sha256", "names its objects by sha256")]
)
async def test_a_repository_that_cannot_be_pushed_from_says_why(
    tmp_path: Path, shape: str, says: str
) -> None:
    problem = await refused(shaped(tmp_path, shape))
    assert says in problem.what
    assert problem.hint


async def test_a_repository_that_git_cannot_read_is_told_in_gits_words(tmp_path: Path) -> None:
    root = shaped(tmp_path, "plain")
    (root / ".git" / "config").write_text("[core\n")
    problem = await refused(root)
    assert "bad config line" in problem.why


@pytest.mark.parametrize("by_option", [True, False])
async def test_an_application_of_a_folder_is_named_after_the_folder(tmp_path: Path, by_option: bool) -> None:
    root = repository(tmp_path / "monorepo", "services/api")
    folder, context_dir = (root, "services/api/") if by_option else (root / "services/api", None)
    found = await look(Wanted(str(folder), context_dir=context_dir), "demo")
    assert found.app.name == "api"


async def test_the_branch_that_is_checked_out_is_the_one_that_deploys(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / ".git" / "HEAD").write_text("ref: refs/heads/develop\n")
    found = await look(Wanted(str(root), "shop"), "demo")
    assert (found.app.ref, found.branch) == ("develop", "develop")
    assert "    * BuildConfig shop: every push to develop starts a build; other branches" in explanation(
        found
    )


async def test_a_folder_without_git_says_only_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for source, hint in ((".", "git init && "), (str(tmp_path), f"cd {tmp_path} && git init && ")):
        with pytest.raises(Problem) as raised:
            await look(Wanted(source), "demo")
        assert raised.value.hint.startswith(hint)
