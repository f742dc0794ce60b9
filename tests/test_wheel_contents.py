"""Which files a wheel carries beside the code."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "buildpacks" / "python").mkdir(parents=True)
    for name in ("Dockerfile", "deploy/server.yaml", "buildpacks/python/buildpack.yaml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "deploy" / "linked.yaml").symlink_to("/etc/passwd")
    return tmp_path


FILES = ["Dockerfile", "buildpacks/python/buildpack.yaml", "deploy/server.yaml"]


def test_of_a_checkout_only_what_is_in_it_and_no_links(hook: ModuleType, checkout: Path) -> None:
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    (checkout / "deploy" / "registry.key").write_text("secret")
    assert hook.shipped_files(checkout) == FILES


def test_a_file_beside_the_code_that_is_in_no_commit_stays_out(hook: ModuleType, checkout: Path) -> None:
    (checkout / "paas" / "node").mkdir(parents=True)
    (checkout / "paas" / "settings.py").write_text("")
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    (checkout / "paas" / "node" / "ca.key").write_text("secret")
    (checkout / "paas" / "odd [name]#.key").write_text("secret")
    assert hook.untracked_code(checkout) == ["paas/node/ca.key", "paas/odd [name]#.key"]
    for name in ("paas/node/ca.key", "paas/odd [name]#.key"):
        spec = GitIgnoreSpec.from_lines([f"/{hook._literal(name)}"])
        assert spec.match_file(name)
        assert not spec.match_file("paas/settings.py")


def test_without_git_all_files_and_no_links(hook: ModuleType, checkout: Path) -> None:
    assert hook.shipped_files(checkout) == FILES


def test_this_checkout_ships_what_the_code_looks_for(hook: ModuleType) -> None:
    tops = {name.partition("/")[0] for name in hook.shipped_files(ROOT)}
    assert tops == set(hook.SHIPPED)
