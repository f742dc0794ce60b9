"""new-app in a folder: what it says when the source cannot be built as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

from paas.source.trees import FolderTree
from paas.templates.folders import buildable_folders
from paas.templates.new_app import Wanted, look
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
