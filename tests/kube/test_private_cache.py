"""Kept files are believed only when nobody but the user can have written them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from paas.kube import private_cache

NAME = "kept.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "paas"


def kept() -> str | None:
    return private_cache.read(NAME, seconds=600)


def linked(file: Path) -> None:
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)


def as_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def of_another_user(file: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    os.chown(file, 65534, 65534)


def in_a_folder_of_another_user(file: Path) -> None:
    of_another_user(file.parent)


POISONED: list[Callable[[Path], None]] = [
    linked,
    as_fifo,
    of_another_user,
    in_a_folder_of_another_user,
    lambda file: file.chmod(0o620),
    lambda file: file.chmod(0o602),
    lambda file: file.parent.chmod(0o770),
    lambda file: file.parent.chmod(0o1777),
    lambda file: os.truncate(file, private_cache.LARGEST + 1),
    lambda file: file.write_bytes(b"\xff"),
    lambda file: os.utime(file, (0, 0)),
    lambda file: os.utime(file, (2**33, 2**33)),
]


def test_what_was_written_is_read(folder: Path) -> None:
    assert kept() is None
    private_cache.write(NAME, "é")
    private_cache.write(NAME, "ü")
    assert kept() == "ü"
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert (folder / NAME).stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("poison", POISONED)
def test_what_another_may_have_written_is_not_read(folder: Path, poison: Callable[[Path], None]) -> None:
    private_cache.write(NAME, "text")
    assert kept() == "text"
    poison(folder / NAME)
    assert kept() is None


def test_nothing_is_written_where_others_can_write(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    private_cache.write(NAME, "text")
    assert list(folder.iterdir()) == []


def test_a_link_under_the_name_is_replaced_and_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    target = tmp_path / "precious"
    target.write_text("precious")
    (folder / NAME).symlink_to(target)
    private_cache.write(NAME, "text")
    assert (kept(), target.read_text()) == ("text", "precious")


def test_a_failed_write_leaves_nothing(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / NAME).mkdir()
    private_cache.write(NAME, "text")
    assert [file.name for file in folder.iterdir()] == [NAME]
