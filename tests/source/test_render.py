"""From facts to the Dockerfile: goldens, quoting, and templates that may do nothing else."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.api.names import Reason
from paas.fetch.image_labels import with_image_labels
from paas.source.buildpacks import load
from paas.source.detect import Unbuildable
from paas.source.render import command, render_buildpack

PYTHON = next(pack for pack in load() if pack.name == "python")
GOLDEN = Path(__file__).parent / "golden"
REGISTRY = "registry.paas.internal:5000/paas"


def python(**facts: str) -> str:
    given = {"dependencies": "none", "requirements_alone": "yes", "package": "no", "start": "python app.py"}
    return render_buildpack(PYTHON, given | facts, runtime_registry=REGISTRY)


@pytest.mark.parametrize(
    ("dependencies", "alone", "package"),
    list(itertools.product(["requirements", "project", "none"], ["yes", "no"], ["yes", "no"])),
)
def test_python_dockerfiles_are_as_they_were(dependencies: str, alone: str, package: str) -> None:
    """After a wanted change: delete the file, run this, look at what it wrote, and commit it."""
    text = python(dependencies=dependencies, requirements_alone=alone, package=package)
    path = GOLDEN / f"python-{dependencies}-{alone}-{package}.Dockerfile"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        pytest.fail(f"{path.name} was missing and is written now; look at it, commit it, run again")
    assert text == path.read_text()


def test_dependencies_are_installed_before_the_source_is_copied() -> None:
    lines = python(dependencies="requirements").splitlines()
    installs = next(number for number, line in enumerate(lines) if "pip install" in line)
    assert lines.index("COPY . .") > installs
    assert lines[1] == f"FROM {REGISTRY}/runtime-python:latest"
    assert "USER 1000:1000" in lines


@pytest.mark.parametrize(
    ("line", "shell"),
    [
        ("python app.py", "exec python app.py"),
        ("gunicorn app:app --bind 0.0.0.0:$PORT", "exec gunicorn app:app --bind 0.0.0.0:$PORT"),
        ("exec python app.py", "exec python app.py"),
        ("LEVEL=1 python app.py", "LEVEL=1 python app.py"),
        ("./migrate && python app.py", "./migrate && python app.py"),
        ("python 'a b.py' | tee log", "python 'a b.py' | tee log"),
    ],
)
def test_a_simple_command_replaces_the_shell(line: str, shell: str) -> None:
    assert json.loads(command(line)) == ["/bin/sh", "-c", shell]


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable()))
def test_no_start_command_leaves_its_instruction(line: str) -> None:
    text = python(start=line)
    assert len(text.splitlines()) == len(python().splitlines())
    assert text.splitlines()[-1].startswith('CMD ["/bin/sh", "-c", ')


@pytest.mark.parametrize(
    "template",
    [
        "{{ unknown }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ start.__init__.__globals__ }}",
        "{% for x in range(1000000000) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ start",
    ],
)
def test_templates_can_only_fill_in(template: str) -> None:
    pack = PYTHON.model_copy(update={"template": template})
    with pytest.raises(Unbuildable, match="buildpack python") as refused:
        render_buildpack(pack, {"start": "x"}, runtime_registry=REGISTRY)
    assert refused.value.reason == Reason.MANAGE_DOCKERFILE_FAILED


def test_a_template_that_grows_without_bounds_is_refused() -> None:
    pack = PYTHON.model_copy(update={"template": "{% for x in range(90000) %}x{% endfor %}"})
    with pytest.raises(Unbuildable, match="above 60000 bytes"):
        render_buildpack(pack, {}, runtime_registry=REGISTRY)


# -- labels of the image ---------------------------------------------------------------------------------
def test_the_image_says_where_it_comes_from() -> None:
    text = with_image_labels(
        "FROM x\nRUN y",
        environment={"PAAS_BUILD_NAME": "shop-1", "PAAS_BUILD_REFERENCE": ""},
        labels={"org.opencontainers.image.revision": "abc"},
    )
    assert (
        text == 'FROM x\nRUN y\nENV PAAS_BUILD_NAME="shop-1"\nLABEL org.opencontainers.image.revision="abc"\n'
    )


def test_values_are_quoted_for_the_files_own_escape_character() -> None:
    value = 'a"b\\c`d$e\nRUN evil'
    assert 'ENV A="a\\"b\\\\c`d\\$eRUN evil"\n' in with_image_labels(
        "FROM x\n", environment={"A": value}, labels={}
    )
    ticked = with_image_labels("# escape=`\nFROM x\n", environment={"A": value}, labels={})
    assert 'ENV A="a`"b\\c``d`$eRUN evil"\n' in ticked
    late = with_image_labels("FROM x\n# escape=`\n", environment={"A": "\\"}, labels={})
    assert 'ENV A="\\\\"\n' in late


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "FROM x\nRUN a \\\n", "FROM x\nRUN a \\\n# note\n\n"]
)
def test_a_file_that_ends_in_the_middle_is_left_alone(text: str) -> None:
    assert with_image_labels(text, environment={"A": "b"}, labels={"c": "d"}) == text


def step(tmp_path: Path, *, pip: str, install: str = "true") -> tuple[int, str, list[str]]:
    """The step that installs requirements, run by a shell in a folder in place of the image. pip, apt-get and
    dpkg are programs of the test: exit code, what was said, and what was asked of Debian's packages."""
    line = next(line for line in python(dependencies="requirements").splitlines() if "pip install" in line)
    shell = line[line.index("mkdir /tmp/cc") :].replace("/tmp/cc", f"{tmp_path}/cc")
    shell = re.sub(r"rm -rf( /var[^ ;]*)+", "true", shell).replace("/usr/bin/", f"{tmp_path}/usr/")
    shell = shell.replace(":/usr/sbin:/sbin", "")
    programs, packages, log = tmp_path / "bin", tmp_path / "packages", tmp_path / "log"
    for folder in (programs, tmp_path / "usr"):
        folder.mkdir()
    came = tmp_path / "came"
    came.write_text("gcc\tinstall\nlibc6-dev\tinstall\n")
    packages.write_text("base\tinstall\n")
    log.touch()
    bodies = {
        "pip": pip,
        "apt-get": f'echo "$2" >> {log}; [ "$2" != install ] || {{ {install}; cat {came} >> {packages}; }}',
        "dpkg": f'if [ "$1" = --purge ]; then shift; echo "purge $*" >> {log}; else cat {packages}; fi',
    }
    for name, body in bodies.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "usr/gcc").write_text('#!/bin/sh\necho "compiled $*"\n')
    (tmp_path / "usr/gcc").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", shell],
        env={"PATH": f"{programs}:{tools(tmp_path)}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines()


def tools(tmp_path: Path) -> Path:
    """What the shell of a small image has, and no compiler."""
    folder = tmp_path / "tools"
    folder.mkdir()
    names = "mkdir chmod uname ln flock cut sort touch tail comm xargs rm cat"
    for name in names.split():
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def test_no_compiler_comes_where_nothing_is_compiled(tmp_path: Path) -> None:
    assert step(tmp_path, pip="true") == (0, "", [])
    assert not (tmp_path / "cc").exists()


def test_a_compiler_comes_once_when_it_is_called_and_goes(tmp_path: Path) -> None:
    code, said, asked = step(tmp_path, pip="gcc -c a.c & gcc -c b.c; wait")
    assert code == 0, said
    assert ("compiled -c a.c" in said, "compiled -c b.c" in said) == (True, True)
    assert asked == ["update", "install", "purge gcc libc6-dev"]
    assert not (tmp_path / "cc").exists()


def test_a_compiler_that_cannot_come_is_told_at_the_end(tmp_path: Path) -> None:
    code, said, asked = step(tmp_path, pip="gcc -c a.c || exit 3", install="echo no mirror >&2; exit 100")
    assert (code, asked) == (3, ["update", "install"])
    assert "no mirror" in said
    assert "no compiler could be installed. Pin a version" in said.splitlines()[-1]
    assert "compiled" not in said.replace("to be compiled", "")


def test_pip_that_fails_for_another_reason_blames_no_compiler(tmp_path: Path) -> None:
    assert step(tmp_path, pip="echo no such package; exit 1") == (1, "no such package\n", [])
