"""What a source asks for and does not get is named; what it cannot be whole without ends the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from paas.api.names import Reason
from paas.source.buildpacks import load
from paas.source.completeness import lfs_patterns, submodules
from paas.source.detect import Unbuildable, detect
from paas.source.trees import FolderTree
from paas.source.versions import Fit, fit

PACKS = load()
HAVE = next(pack for pack in PACKS if pack.name == "python").runtime.version


def said(root: Path, files: dict[str, str], context_dir: str | None = None) -> str:
    for name, text in {"app.py": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return "\n".join(detect(FolderTree(root), PACKS, context_dir=context_dir).found)


def refused(root: Path, files: dict[str, str]) -> str:
    with pytest.raises(Unbuildable) as raised:
        said(root, files)
    assert raised.value.reason is Reason.INCOMPLETE_SOURCE
    assert raised.value.hint, "says what to do"
    return raised.value.message


def test_the_image_of_a_hub_has_the_version_of_the_one_made_here() -> None:
    for pack in PACKS:
        assert not pack.runtime.version or f":{pack.runtime.version}" in pack.runtime.reference


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".python-version", "3.99"),
        (".python-version", "# mine\n3.99.1\n"),
        (".python-version", "cpython-3.99"),
        ("runtime.txt", "python-3.99.0\r\n"),
        ("pyproject.toml", '[project]\nname = "x"\nrequires-python = ">=3.99"\n'),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.99'\n[build-system]\n"),
    ],
)
def test_a_version_that_the_platform_does_not_have_ends_the_build(
    tmp_path: Path, file: str, text: str
) -> None:
    message = refused(tmp_path, {file: text})
    assert file in message
    assert "3.99" in message
    assert HAVE in message


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("requirements.txt", "", f"Runs Python {HAVE}; the source asks for no version"),
        (".python-version", HAVE, f"Runs Python {HAVE}, as .python-version asks for ({HAVE})"),
        ("runtime.txt", f"python-{HAVE}.77", f"{HAVE}; runtime.txt asks for {HAVE}.77"),
        (".python-version", "my-env", "'my-env' in .python-version is not understood"),
        (
            "pyproject.toml",
            '[project]\nrequires-python = ">=3.8,<4"\n',
            "as pyproject.toml asks for (>=3.8,<4)",
        ),
    ],
)
def test_which_version_runs_is_always_said(tmp_path: Path, file: str, text: str, says: str) -> None:
    assert says in said(tmp_path, {file: text})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("3", Fit.MET), ("3.11", Fit.MET), ("3.11.4", Fit.OTHER_PATCH), ("3.12", Fit.UNMET), ("2", Fit.UNMET),
        ("3.1", Fit.UNMET), ("3.12-dev", Fit.UNMET), ("3.13t", Fit.UNMET), ("pypy3.9-7.3", Fit.UNKNOWN),
        (">=3.9", Fit.MET), (">=3.11.2", Fit.MET), ("==3.11.*", Fit.MET), ("~=3.11", Fit.MET),
        ("<3.11", Fit.UNMET), (">=3.12", Fit.UNMET), (">=3.9,!=3.11.*", Fit.UNMET),
        (">=3.9, <3.13", Fit.MET),
        ("^3.9", Fit.MET), ("^3.12", Fit.UNMET), ("^2.7", Fit.UNMET), ("~3.11", Fit.MET),
        ("~3.12", Fit.UNMET),
        ("~2.7 || ^3.6", Fit.MET),
        ("*", Fit.MET), ("3.*", Fit.MET), ("3.12.*", Fit.UNMET), (">", Fit.UNKNOWN),
    ],
)  # fmt: skip
def test_versions_and_specifiers(wanted: str, found: Fit) -> None:
    assert fit(wanted, "3.11") is found


@pytest.mark.parametrize("file", ["Pipfile", "poetry.lock", "uv.lock", "environment.yml"])
def test_a_list_of_dependencies_that_nothing_read_ends_the_build(tmp_path: Path, file: str) -> None:
    message = refused(tmp_path, {file: ""})
    assert file in message
    assert "requirements.txt" in message


def test_a_list_beside_one_that_was_read_is_named(tmp_path: Path) -> None:
    found = said(tmp_path, {"requirements.txt": "", "poetry.lock": "", "package.json": "{}"})
    assert "Not read: poetry.lock" in found
    assert "Not read: package.json" in found


def test_processes_that_are_not_run_are_named(tmp_path: Path) -> None:
    found = said(tmp_path, {"Procfile": "# x\r\n\r\nrelease: a\r\nweb: python app.py\r\nworker: b\r\n"})
    assert "release, worker: not run" in found
    assert "Procfile starts it by: python app.py" in found
    assert "not run" not in said(tmp_path, {"Procfile": "web: x\n"})
    assert "Procfile is not read" in said(tmp_path, {"Dockerfile": "FROM x\n"})


def test_a_procfile_alone_does_not_make_it_python(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: bin/start\n")
    (tmp_path / "main.go").write_text("package main\n")
    with pytest.raises(Unbuildable) as raised:
        detect(FolderTree(tmp_path), PACKS)
    assert raised.value.reason is Reason.NO_BUILDPACK
    assert "Procfile says how to start it" in raised.value.message


def test_submodules_and_lfs_are_named_for_a_dockerfile_too(tmp_path: Path) -> None:
    files = {
        ".gitmodules": '[submodule "x"]\n\tpath = web/lib\n\turl = https://example.com/x\n',
        ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "web/Dockerfile": "FROM x\n",
        "api/Dockerfile": "FROM x\n",
    }
    found = said(tmp_path, files, "web")
    assert "Submodules are not fetched: web/lib" in found
    assert "*.bin" in found
    assert "Submodules" not in said(tmp_path, files, "api"), "not a part of what is built"


@pytest.mark.parametrize(
    "text", [b"", b"[", b"\xff\xfe[\x00", b"[submodule]\npath", b'[submodule "a"]\n', b"\0"]
)
def test_a_gitmodules_that_is_none_names_nothing(text: bytes) -> None:
    assert submodules(text) == ()


def test_patterns_of_lfs() -> None:
    text = b"# *.x filter=lfs\n*.psd  filter=lfs -text\n*.py text\n*.y filter=lfsx\nz/** -text filter=lfs\r\n"
    assert lfs_patterns(text) == ("*.psd", "z/**")
