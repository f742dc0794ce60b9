"""A wheel of this checkout works by itself, from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = """\
import sys
from paas.cli.main import main
sys.argv[0] = "paas"
main()
"""


def run(*arguments: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **env}
    return subprocess.run([*map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and the dependencies that the tests have."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    installed = Path(
        sysconfig.get_path("purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    )
    zipfile.ZipFile(wheel).extractall(installed)
    # a path file is not read for further path files, so the checkout does not come along
    (installed / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin" / "python"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_the_installed_package_is_not_the_checkout(python: Path, empty: Path) -> None:
    said = run(python, "-c", "import paas; print(paas.__file__)", cwd=empty)
    assert Path(said.stdout.strip()).is_relative_to(python.parents[1]), said.stderr


def test_help_and_version(python: Path, empty: Path) -> None:
    said = run(python, "-c", LAUNCHER, "--help", cwd=empty)
    assert (said.returncode, said.stderr) == (0, "")
    assert "new-app" in said.stdout


def test_a_dry_run_of_new_app_needs_no_checkout(python: Path, empty: Path) -> None:
    clone = empty / "shop"
    shutil.copytree(ROOT / "samples" / "python", clone)
    for command in (["init", "-q", "-b", "main"], ["add", "."]):
        assert run("git", *command, cwd=clone).returncode == 0
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    assert run("git", *who, "commit", "-qm", "First", cwd=clone).returncode == 0
    said = run(python, "-c", LAUNCHER, "new-app", "-n", "demo", "--dry-run", "-o", "name", cwd=clone)
    assert said.returncode == 0, said.stderr
    assert "buildconfig.paas.dev/shop" in said.stdout.splitlines()


def test_what_comes_with_the_code_is_found(python: Path, empty: Path) -> None:
    script = """
from paas.install.apply import shipped_manifests
from paas.install.manifests import Keys, manifests
from paas.node.platform import source_files
from paas.settings import Settings
from paas.shipped import shipped
from paas.source import buildpacks
print(len(manifests(shipped_manifests("deploy"), Settings(), Keys("", "", ""), credentials_key="")))
print(len(list(shipped("crds").glob("*.yaml"))))
print([pack.name for pack in buildpacks.load()])
print("\\n".join(map(str, source_files())))
"""
    said = run(python, "-c", script, cwd=empty)
    assert said.returncode == 0, said.stderr
    objects, crds, packs, *sources = said.stdout.splitlines()
    assert int(objects) > 5
    assert int(crds) == len(list((ROOT / "crds").glob("*.yaml")))
    assert "python" in packs
    from paas.node.platform import source_files

    assert sources == [str(name) for name in source_files()], "the platform's image is the same"
    assert {"Dockerfile", "requirements.txt", "paas/operator.py"} <= set(sources)


def test_a_hint_names_a_page_that_is_there(python: Path, empty: Path) -> None:
    (empty / "paas.yaml").write_text("[]: 1\n")
    for command in (["install", "--config"], ["up", "--settings"]):
        said = run(python, "-c", LAUNCHER, *command, "paas.yaml", cwd=empty)
        assert said.returncode == 2, said.stderr
        hint = said.stderr.splitlines()[-1]
        assert hint.startswith("hint: an example is in ")
        assert Path(hint.rpartition(" ")[2]).is_file(), hint


def test_make_install_puts_paas_on_the_path(tmp_path: Path) -> None:
    made = run("make", "-o", ".venv/.synced", "install", f"PREFIX={tmp_path}", cwd=ROOT)
    assert made.returncode == 0, made.stderr
    for name in ("paas", "kubectl-paas"):
        assert "new-app" in run(tmp_path / "bin" / name, "--help", cwd=tmp_path).stdout
