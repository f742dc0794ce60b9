"""The measure of a repository holds until something changes, and no longer."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from paas.api.resources import Key
from paas.git import usage
from paas.git.repositories import LEFTOVER_SECONDS, Repository


async def test_a_repository_is_measured_again_when_it_changed(tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(bytes(1000))
    assert await usage.size_of(tmp_path) == 1000
    (tmp_path / "more").write_bytes(bytes(500))
    assert await usage.size_of(tmp_path) == 1000, "nobody said that it changed"
    usage.changed(tmp_path)
    assert await usage.size_of(tmp_path) == 1500


async def test_a_change_during_the_measurement_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch may measure while a push is being stored."""
    measure = usage._measure

    def late(repository: Path) -> int:
        size = measure(repository)
        (repository / "pack").write_bytes(bytes(1000))
        usage.changed(repository)
        return size

    monkeypatch.setattr(usage, "_measure", late)
    assert await usage.size_of(tmp_path) == 0
    monkeypatch.setattr(usage, "_measure", measure)
    assert await usage.size_of(tmp_path) == 1000


async def test_what_is_tidied_away_does_not_count_any_more(tmp_path: Path) -> None:
    """Half a pack of a child that was killed: who is over the quota for it can push again."""
    half = tmp_path / "objects/pack/tmp_pack_x"
    half.parent.mkdir(parents=True)
    half.write_bytes(bytes(1000))
    repository = Repository(tmp_path, "uid", Key("demo", "shop"))
    assert await repository.size() == 1000
    os.utime(half, (0, 0))
    assert await asyncio.to_thread(repository.tidy, now=LEFTOVER_SECONDS + 1.0) == [half]
    assert await repository.size() == 0
