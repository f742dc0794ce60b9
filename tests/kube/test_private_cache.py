"""Kept files are believed only when nobody but the user can have written them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from paas.kube import private_cache
from paas.kube.private_cache import NO_WRITE, NOTHING, PrivateCache, cache_folder, runtime_folder

NAME = "kept.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "paas"


@pytest.fixture(params=[NO_WRITE, NOTHING])
def cache(folder: Path, request: pytest.FixtureRequest) -> PrivateCache:
    return PrivateCache(folder, request.param)


def kept(cache: PrivateCache) -> str | None:
    return cache.read(NAME, seconds=600)


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


def test_what_was_written_is_read(cache: PrivateCache, folder: Path) -> None:
    assert kept(cache) is None
    cache.write(NAME, "é")
    cache.write(NAME, "ü")
    assert kept(cache) == "ü"
    assert [file.name for file in folder.iterdir()] == [NAME]
    assert (folder / NAME).stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("poison", POISONED)
def test_what_another_may_have_written_is_not_read(
    cache: PrivateCache, folder: Path, poison: Callable[[Path], None]
) -> None:
    cache.write(NAME, "text")
    assert kept(cache) == "text"
    poison(folder / NAME)
    assert kept(cache) is None


def test_nothing_is_written_where_others_can_write(cache: PrivateCache, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    cache.write(NAME, "text")
    assert list(folder.iterdir()) == []


def test_a_link_under_the_name_is_replaced_and_not_followed(
    cache: PrivateCache, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(mode=0o700)
    target = tmp_path / "precious"
    target.write_text("precious")
    (folder / NAME).symlink_to(target)
    cache.write(NAME, "text")
    assert (kept(cache), target.read_text()) == ("text", "precious")


def test_a_failed_write_leaves_nothing(cache: PrivateCache, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / NAME).mkdir()
    cache.write(NAME, "text")
    assert [file.name for file in folder.iterdir()] == [NAME]


def test_a_secret_that_others_can_read_is_not_read(folder: Path) -> None:
    public, secret = PrivateCache(folder, NO_WRITE), PrivateCache(folder, NOTHING)
    public.write(NAME, "text")
    (folder / NAME).chmod(0o644)
    assert (kept(public), kept(secret)) == ("text", None)


def test_what_is_forgotten_is_not_read(cache: PrivateCache) -> None:
    cache.forget(NAME)
    cache.write(NAME, "text")
    cache.forget(NAME)
    assert kept(cache) is None


def test_a_full_disk_is_left_as_it_was(
    cache: PrivateCache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_cache.os, "replace", full)
    cache.write(NAME, "text")
    assert list(folder.iterdir()) == []


def test_the_runtime_folder_is_preferred_when_it_can_be_written(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    environment = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert runtime_folder(environment) == cache_folder(environment) == tmp_path / "cache" / "paas"
    runtime.mkdir()
    assert runtime_folder(environment) == runtime / "paas"
    assert cache_folder(environment) == tmp_path / "cache" / "paas"


def test_nothing_is_kept_for_somebody_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    cache = PrivateCache(cache_folder({}), NOTHING)
    cache.write(NAME, "text")
    cache.forget(NAME)
    assert kept(cache) is None
