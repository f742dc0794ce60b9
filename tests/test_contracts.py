"""The import contracts hold: what is planted in a copy of the tree breaks the contract that forbids it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = "Layers: who may import whom"
DOORS = "Inside a room: its doors do not know each other"
PURITY = "Purity: everything but the shells decides, and does nothing"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for name in ("paas", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def broken(tree: Path) -> tuple[set[str], str]:
    """The contracts that do not hold, and all that was said."""
    argv = [str(Path(sys.executable).with_name("lint-imports"))]
    done = subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)
    names = {line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")}
    assert (done.returncode == 0) == (not names), done.stdout + done.stderr
    return names, done.stdout


def test_the_tree_as_it_is_keeps_them(tree: Path) -> None:
    assert broken(tree)[0] == set()


def plant(tree: Path, copy: Path, planted: dict[str, str]) -> Path:
    """A copy of the tree in which lines are added to files, new ones too."""
    shutil.copytree(tree, copy)
    for name, text in planted.items():
        path = copy / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text)
    return copy


@pytest.mark.parametrize(
    ("planted", "contract", "said"),
    [
        pytest.param(
            {"paas/builds/plan.py": "from paas.images import history\n"},
            LAYERS,
            "paas.builds is not allowed to import paas.images",
            id="a sibling",
        ),
        pytest.param(
            {"paas/kube/errors.py": "import paas.reconcile.plan\n"},
            LAYERS,
            "paas.kube is not allowed to import paas.reconcile",
            id="a layer above",
        ),
        pytest.param(
            {"paas/attic/__init__.py": "", "paas/attic/plan.py": ""},
            LAYERS,
            "paas.attic",
            id="a room in no layer",
        ),
        pytest.param(
            {"paas/deployments/cli.py": "from paas.deployments import controller\n"},
            DOORS,
            "paas.deployments.cli is not allowed to import paas.deployments.controller",
            id="another door of the room",
        ),
        pytest.param(
            {
                "paas/builds/plan.py": "from paas.builds import added\n",
                "paas/builds/added.py": "from paas.kube.cluster import Cluster\n",
            },
            PURITY,
            "paas.builds.added:1 imports paas.kube.cluster, a shell",
            id="a shell, indirectly",
        ),
    ],
)
def test_what_is_planted_breaks_its_contract(
    tree: Path, tmp_path: Path, planted: dict[str, str], contract: str, said: str
) -> None:
    names, output = broken(plant(tree, tmp_path / "tree", planted))
    assert names == {contract}
    assert said in output


IMPURE = {
    "import os": "imports os",
    "from urllib.request import urlopen": "imports urllib.request.urlopen",
    "import asyncio.events as soon": "imports asyncio.events",
    "def later():\n    import secrets": "imports secrets",
    "from paas.kube import cluster": "imports paas.kube.cluster, a shell",
    "async def wait(): ...": "awaits",
    "from datetime import datetime\nNOW = datetime.now()": "reads the clock: datetime.now()",
    "import datetime\nCLOCK = datetime.datetime.utcnow": "reads the clock: datetime.utcnow()",
    "TEXT = open('/etc/hosts')": "uses open()",
    "print('x')": "uses print()",
    "TEXT = input()": "uses input()",
    "from cryptography.fernet import Fernet\nKEY = Fernet.generate_key()": "is random: .generate_key()",
    "from pathlib import Path\nTEXT = Path('/').read_text()": "reads or writes files: .read_text()",
    "from cryptography.hazmat.primitives.asymmetric import ec\nKEY = ec.generate_private_key()": (
        "is random: .generate_private_key()"
    ),
}
"""What is planted in a pure module, and what is said about its last line."""


@pytest.fixture(scope="module")
def impure(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], str]:
    """What is said of a tree with a new module for each of `IMPURE`, and a list that is out of date."""
    planted = {f"paas/builds/new_{number}.py": f"{text}\n" for number, text in enumerate(IMPURE)}
    copy = plant(tree, tmp_path_factory.mktemp("impure") / "tree", planted)
    (copy / "paas/builds/harmless.py").write_text("from urllib import parse\n")
    (copy / "paas/builds/__init__.py").write_text("import os\n")
    (copy / "paas/shipped.py").write_text("")
    listed = (copy / "pyproject.toml").read_text()
    twice = '    "paas.api.crds",\n'
    (copy / "pyproject.toml").write_text(listed.replace(twice, twice + twice))
    (copy / "paas/web/serving.py").unlink()
    return broken(copy)


@pytest.mark.parametrize(("number", "text"), list(enumerate(IMPURE)), ids=IMPURE.values())
def test_what_no_pure_module_does_is_found_in_a_new_one(
    impure: tuple[set[str], str], number: int, text: str
) -> None:
    names, output = impure
    assert PURITY in names
    assert f"paas.builds.new_{number}:{len(text.splitlines())} {IMPURE[text]}" in output


@pytest.mark.parametrize(
    "said",
    [
        "paas.shipped is pure now: take it from the list of shells",
        "paas.web.serving, listed as a shell, is no module",
        "the list of shells is not sorted, or names a module twice",
    ],
)
def test_the_list_of_shells_is_kept_up_to_date(impure: tuple[set[str], str], said: str) -> None:
    assert said in impure[1]


def test_a_package_is_a_module_too_and_a_part_of_a_library_may_be_allowed(
    impure: tuple[set[str], str],
) -> None:
    assert "paas.builds:1 imports os" in impure[1]
    assert "paas.builds.harmless" not in impure[1]
