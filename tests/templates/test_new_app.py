"""new-app in a folder: what it says when the source cannot be built as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from paas.templates.new_app import Wanted, look
from paas.terminal.problem import Problem


def repository(root: Path, *folders: str) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    for folder in folders:
        (root / folder).mkdir()
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


async def test_a_port_that_is_given_is_the_one_that_is_told(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 3000\n")
    found = await look(Wanted(str(root), env=("PORT=9000",)), "demo")
    assert found.app.port == 9000
    assert "Port 9000 as given is used instead; the application gets it as $PORT" in found.facts
