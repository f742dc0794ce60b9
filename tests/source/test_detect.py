"""What is in a source decides how it is built, and people are told what was found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from dulwich.repo import Repo

from paas.api.names import Reason
from paas.source.buildpack import Buildpack
from paas.source.buildpacks import BadBuildpack, load
from paas.source.detect import Detected, SourceTree, Unbuildable, detect
from paas.source.dockerfile import exposed, only_port, parse
from paas.source.prepare import prepare
from paas.source.trees import FolderTree, GitTree

PACKS = load()
SAMPLE = Path(__file__).parent.parent.parent / "samples" / "python"


def folder(root: Path, **files: str) -> FolderTree:
    """A tree with these files; '__' in a name stands for '/', '_dot_' for '.'."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return FolderTree(root)


def found(tree: SourceTree, **how: str) -> Detected:
    return detect(tree, PACKS, **how)


def test_a_dockerfile_decides_and_tells_its_port(tmp_path: Path) -> None:
    tree = folder(tmp_path, Dockerfile="FROM scratch\nEXPOSE 9000/tcp\n", requirements_dot_txt="flask\n")
    seen = found(tree)
    assert seen.buildpack is None
    assert seen.dockerfile == "FROM scratch\nEXPOSE 9000/tcp\n"
    assert seen.port == 9000
    assert seen.found == ("Builds by Dockerfile", "EXPOSE says that it listens on port 9000")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("FROM x", None),
        ("EXPOSE 80", 80),
        ("expose 80 80/tcp", 80),
        ("EXPOSE 80\nEXPOSE 81", None),
        ("EXPOSE 53/udp", None),
        ("EXPOSE $PORT", None),
        ("# EXPOSE 80", None),
    ],
)
def test_only_one_exposed_port_is_the_port(text: str, port: int | None) -> None:
    assert only_port(*exposed(parse(text))) == port


def test_the_sample_is_python_by_requirements_and_procfile() -> None:
    seen = found(FolderTree(SAMPLE))
    assert seen.buildpack is not None
    assert seen.buildpack.name == "python"
    assert seen.port == 8080
    assert dict(seen.facts) == {
        "dependencies": "requirements",
        "requirements_alone": "yes",
        "package": "no",
        "start": "python app.py",
    }
    assert seen.found == (
        "Python app, built by buildpack python on runtime-python:latest",
        "requirements.txt lists the dependencies",
        "Procfile starts it by: python app.py",
        "Runs Python 3.11; the source asks for no version",
        "Listens on $PORT, which is 8080",
    )


@pytest.mark.parametrize(
    ("files", "facts"),
    [
        ({"app_dot_py": ""}, {"dependencies": "none", "start": "python app.py"}),
        ({"main_dot_py": ""}, {"start": "python main.py"}),
        ({"app_dot_py": "", "main_dot_py": ""}, {"start": "python app.py"}),
        (
            {"app_dot_py": "", "Procfile": "worker: x\nweb:   gunicorn app:app \n"},
            {"start": "gunicorn app:app"},
        ),
        ({"app_dot_py": "", "Procfile": "worker: x"}, {"start": "python app.py"}),
        (
            {"app_dot_py": "", "pyproject_dot_toml": "[project]\nname='x'\n"},
            {"dependencies": "project", "package": "no"},
        ),
        (
            {"app_dot_py": "", "pyproject_dot_toml": "[build-system]\n[project]\n"},
            {"dependencies": "project", "package": "yes"},
        ),
        (
            {"app_dot_py": "", "pyproject_dot_toml": "[tool.ruff]\n"},
            {"dependencies": "none", "package": "no"},
        ),
        (
            {"app_dot_py": "", "requirements_dot_txt": "-r base.txt\n"},
            {"dependencies": "requirements", "requirements_alone": "no"},
        ),
        ({"app_dot_py": "", "requirements_dot_txt": "flask\n.\n"}, {"requirements_alone": "no"}),
        ({"app_dot_py": "", "requirements_dot_txt": "./lib\n"}, {"requirements_alone": "no"}),
        (
            {"app_dot_py": "", "requirements_dot_txt": "-i https://x\nflask>=1\n"},
            {"requirements_alone": "yes"},
        ),
    ],
    ids=str,
)
def test_facts_of_python_sources(tmp_path: Path, files: dict[str, str], facts: dict[str, str]) -> None:
    seen = found(folder(tmp_path, **files))
    assert facts.items() <= dict(seen.facts).items()


def test_neither_dockerfile_nor_buildpack_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(Unbuildable, match="add a Dockerfile") as refused:
        found(folder(tmp_path, README="x"))
    assert refused.value.reason == Reason.NO_BUILDPACK
    assert "requirements.txt" in refused.value.message
    assert refused.value.what == "the root of the repository has nothing to build by"
    assert refused.value.message == f"{refused.value.what}; {refused.value.hint}"


def test_python_that_does_not_say_how_it_starts(tmp_path: Path) -> None:
    with pytest.raises(Unbuildable, match="Procfile") as refused:
        found(folder(tmp_path, requirements_dot_txt="flask"))
    assert refused.value.reason == Reason.NO_BUILDPACK


@pytest.mark.parametrize(
    ("how", "reason", "says"),
    [
        ({"context_dir": "missing"}, Reason.INVALID_CONTEXT_DIRECTORY, "'missing'"),
        ({"context_dir": "../x"}, Reason.INVALID_CONTEXT_DIRECTORY, "leads out"),
        ({"context_dir": "/etc"}, Reason.INVALID_CONTEXT_DIRECTORY, "leads out"),
        ({"context_dir": "app.py"}, Reason.INVALID_CONTEXT_DIRECTORY, "no folder"),
        ({"dockerfile_path": "docker/File"}, Reason.MANAGE_DOCKERFILE_FAILED, "docker/File"),
        ({"dockerfile_path": "-x"}, Reason.INVALID_CONTEXT_DIRECTORY, "leads out"),
    ],
)
def test_wrong_paths_are_named(tmp_path: Path, how: dict[str, str], reason: Reason, says: str) -> None:
    with pytest.raises(Unbuildable, match=says) as refused:
        found(folder(tmp_path, app_dot_py=""), **how)
    assert refused.value.reason == reason


def test_paths_below_the_context_and_an_inline_dockerfile(tmp_path: Path) -> None:
    tree = folder(tmp_path, web__docker__File="FROM a", web__app_dot_py="", app_dot_py="")
    assert found(tree, context_dir="./web/", dockerfile_path="docker/File").dockerfile == "FROM a"
    assert found(tree, context_dir="web").buildpack is not None
    assert found(tree, inline="FROM b").dockerfile == "FROM b"


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").mkdir()
    with pytest.raises(Unbuildable, match="Dockerfile is not a file"):
        found(FolderTree(tmp_path))
    (tmp_path / "Dockerfile").rmdir()
    (tmp_path / "Dockerfile").write_bytes(b"FROM \xff\xfe")
    with pytest.raises(Unbuildable, match="UTF-8"):
        found(FolderTree(tmp_path))
    (tmp_path / "Dockerfile").write_text("#" * 70000)
    with pytest.raises(Unbuildable, match="at most 60000"):
        found(FolderTree(tmp_path))


def test_a_hostile_procfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unbuildable, match="start is"):
        found(folder(tmp_path, app_dot_py="", Procfile="web: x\x01y"))


# -- trees ---------------------------------------------------------------------------------------------
def git_tree(root: Path) -> GitTree:
    who = {f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", **who}
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True, env=environment)
    repository = Repo(str(root))
    return GitTree(repository.object_store, repository[repository.head()].tree)


@pytest.mark.parametrize("kind", ["folder", "git"])
def test_links_are_followed_inside_and_never_out(tmp_path: Path, kind: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "File").write_text("FROM a")
    (tmp_path / "Dockerfile").symlink_to("docker/File")
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "up").symlink_to("../" + tmp_path.name)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "back").symlink_to("docker/../docker")
    tree: SourceTree = git_tree(tmp_path) if kind == "git" else FolderTree(tmp_path)
    assert found(tree).dockerfile == "FROM a"
    assert tree.read("back/File", 100) == b"FROM a"
    assert tree.read("out/passwd", 10**6) is None
    assert tree.entries("out") is None
    assert tree.read("loop", 100) is None
    assert tree.entries("loop") is None
    assert tree.read("docker/File", 3) is None, "longer than the limit"
    assert tree.read("docker", 100) is None
    assert sorted(tree.entries("docker") or ()) == ["File"]
    assert tree.entries("docker/File") is None


def test_a_git_tree_prepares_to_the_same_key_whatever_else_the_commit_says(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "app.py").write_text("x")
    (tmp_path / "other").write_text("x")
    tree = git_tree(tmp_path)
    first = prepare(tree, PACKS, runtime_registry="r/paas", context_dir="web")
    (tmp_path / "other").write_text("changed")
    second = prepare(git_tree(tmp_path), PACKS, runtime_registry="r/paas", context_dir="web")
    assert first.content_key == second.content_key
    (tmp_path / "web" / "app.py").write_text("changed")
    third = prepare(git_tree(tmp_path), PACKS, runtime_registry="r/paas", context_dir="web")
    assert first.content_key != third.content_key
    assert (first.buildpack, first.port) == ("python", 8080)


# -- buildpacks are data ---------------------------------------------------------------------------------
GOOD = """
title: Shell
detect: [run.sh]
order: 1
runtime: {image: runtime-debian, reference: docker.io/library/debian}
facts:
  start: {rules: [{file: run.sh, value: ./run.sh}]}
"""


def test_a_further_language_is_a_folder(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "shell"
    pack.mkdir(parents=True)
    (pack / "buildpack.yaml").write_text(GOOD)
    (pack / "Dockerfile.j2").write_text("FROM {{ runtime }}\nCOPY . .\nCMD {{ start | command }}\n")
    packs = load(tmp_path / "packs")
    source = tmp_path / "source"
    source.mkdir()
    seen = detect(folder(source, run_dot_sh="x"), packs)
    assert isinstance(seen.buildpack, Buildpack)
    assert seen.buildpack.name == "shell"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- x", "mapping"),
        (GOOD.replace("title: Shell", ""), "title"),
        (GOOD + "surprise: 1", "surprise"),
        (GOOD.replace("run.sh]", "../run.sh]"), "detect"),
        (GOOD.replace("value: ./run.sh", "matches: '('"), "matches"),
        (GOOD.replace("start:", "Start:"), "Start"),
    ],
)
def test_a_wrong_buildpack_is_refused_with_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    pack = tmp_path / "shell"
    pack.mkdir()
    (pack / "buildpack.yaml").write_text(text)
    (pack / "Dockerfile.j2").write_text("FROM x")
    with pytest.raises(BadBuildpack, match=says) as refused:
        load(tmp_path)
    assert "buildpack.yaml" in str(refused.value)


def test_an_empty_folder_of_buildpacks_says_which_variable_to_set(tmp_path: Path) -> None:
    with pytest.raises(BadBuildpack, match="PAAS_BUILDPACKS"):
        load(tmp_path)


def test_a_push_of_several_services_names_their_folders(tmp_path: Path) -> None:
    """As `new-app` does; here the Build's message says it."""

    class Hashed(FolderTree):
        def tree_hash(self, folder: str) -> str:
            return "0" * 40

    for folder in ("services/api", "services/web"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "Dockerfile").write_text("FROM scratch\n")
    for context_dir in (None, "services/nope"):
        with pytest.raises(Unbuildable) as refused:
            prepare(Hashed(tmp_path), (), runtime_registry="r.test", context_dir=context_dir)
        assert "these folders can be built: services/api, services/web; name one in" in refused.value.message


def test_what_a_dockerfile_may_not_use_is_answered_with_what_to_do(tmp_path: Path) -> None:
    tree = folder(tmp_path, Dockerfile="FROM scratch\nRUN <<EOF\ntrue\nEOF\n")
    with pytest.raises(Unbuildable) as refused:
        detect(tree, PACKS)
    assert "line 2" in refused.value.what
    assert refused.value.hint == "write these lines otherwise, as said, and commit them"
