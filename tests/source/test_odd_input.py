"""Nothing that a source contains ends detection with anything but a decision or a reason."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.source.buildpacks import load
from paas.source.detect import Unbuildable, detect
from paas.source.tree import decoded, shown
from paas.source.trees import FolderTree

PACKS = load()
LOOKED_AT = sorted(
    {
        ".gitmodules", ".gitattributes", "Dockerfile", "Procfile", ".dockerignore",
        *(file for pack in PACKS for file in pack.detect),
        *(pin.file for pack in PACKS for pin in pack.pins),
        *(file for pack in PACKS for file in (*pack.lists.own, *pack.lists.others)),
    }
)  # fmt: skip
PIECES = [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x00",
    b"\r\n",
    b"\n",
    b"\r",
    b"web: ",
    b"FROM x",
    b"EXPOSE ",
    b"${",
    b"}",
    b"<<EOF\n",
    b'[submodule "',
    b"path = ",
    b"# coding: ",
    b"utf-7",
    b"python-",
    b"3.11",
    b">=",
    b"^",
    b"~",
    b"*",
    b"\\",
    b"'",
    b"\xed\xa0\x80",
    b"\x1b[2J",
    b"filter=lfs",
    b"[project]",
    b'requires-python = "',
    b'"',
    b"RUN --mount=",
    b"COPY --from=",
    b"# escape=`\n",
    b"`",
]
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.text(max_size=60).map(lambda text: text.encode("utf-16", "surrogatepass")),
)


@settings(max_examples=150, deadline=None)
@given(files=st.dictionaries(st.sampled_from(LOOKED_AT), CONTENT, max_size=6))
def test_any_content_gives_a_decision_or_a_reason(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            said = detect(FolderTree(Path(folder)), PACKS).found
        except Unbuildable as problem:
            said = (problem.message,)
    for line in said:
        assert line.isprintable()
        line.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_requirements_in_any_encoding_that_pip_reads(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / "requirements.txt").write_bytes("# für später\r\n-r base.txt\r\n".encode(encoding))
    assert detect(FolderTree(tmp_path), PACKS).facts["requirements_alone"] == "no"


def test_encodings_that_a_file_names_itself() -> None:
    assert decoded("# -*- coding: cp1251 -*-\nпривет".encode("cp1251")).endswith("привет")
    assert decoded(b"# coding: nonsense\nx") == "# coding: nonsense\nx"
    assert decoded(b"\xff\xfe\x00") == "\ufffd"
    assert shown("a\udcffb\x1b\n") == "a\\udcffb\\x1b\\n"


@pytest.mark.parametrize(
    "name", ["requirements.txt", "Procfile", "pyproject.toml", ".python-version", "Pipfile"]
)
@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link", "link to a folder", "unreadable", "huge"])
def test_what_is_no_file_of_a_name_is_not_taken_for_it(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "app.py").touch()
    path = tmp_path / name
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "broken link":
            path.symlink_to("nowhere")
        case "link to a folder":
            (tmp_path / "inside").mkdir()
            path.symlink_to("inside")
        case "unreadable":
            path.write_text("x")
            path.chmod(0)
        case "huge":
            with path.open("wb") as file:
                file.truncate(1 << 34)
    try:
        seen = detect(FolderTree(tmp_path), PACKS)
    except Unbuildable:
        if name == "Pipfile" and kind in ("unreadable", "huge"):
            return  # a list that nothing reads, however it looks inside
        raise
    if kind not in ("unreadable", "huge"):
        assert seen.facts["dependencies"] == "none"
        assert not any(name in line for line in seen.found)


def test_names_that_are_no_text_are_shown_as_bytes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with pytest.raises(Unbuildable) as raised:
        detect(FolderTree(tmp_path), PACKS, context_dir=os.fsdecode(b"caf\xe9"))
    raised.value.message.encode()
    with pytest.raises(Unbuildable):
        detect(FolderTree(tmp_path), PACKS, context_dir="a\0b")


@pytest.mark.parametrize("name", ["punycode", "PunyCode", "-punycode-", "idna"])
def test_an_encoding_of_host_names_costs_no_more_than_another(name: str) -> None:
    """Each letter of punycode is put in its place by copying all before it."""
    began = time.process_time()
    text = b"# coding: " + name.encode() + b"\ntda" + b"a" * 2**20
    assert decoded(text) == text.decode()
    assert time.process_time() - began < 1
