"""What is flushed to the disk before a push is acknowledged, while other pushes go on."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from paas.git import durable


def test_the_folder_of_another_push_may_vanish_at_any_moment(tmp_path: Path) -> None:
    """receive-pack keeps what is not accepted yet in objects/tmp_objdir-incoming-*, and takes it away."""
    (tmp_path / "objects").mkdir()
    over = threading.Event()

    def pushes() -> None:
        while not over.is_set():
            for number in range(50):
                (tmp_path / "objects" / f"tmp_objdir-incoming-{number}").mkdir()
            for number in range(50):
                (tmp_path / "objects" / f"tmp_objdir-incoming-{number}").rmdir()

    thread = threading.Thread(target=pushes)
    thread.start()
    try:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            durable.flush_refs(tmp_path, ["refs/heads/main"], since=time.time())
    finally:
        over.set()
        thread.join()


def test_many_refs_are_flushed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push of 1,500 branches must not wait 3,000 times for the disk."""
    (tmp_path / "objects").mkdir()
    flushed: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(handle), fsync(handle)))
    durable.flush_refs(tmp_path, [f"refs/heads/b{number}" for number in range(1500)], since=0)
    assert flushed == []
    durable.flush_refs(tmp_path, ["refs/heads/main"], since=0)
    assert flushed


def test_a_file_system_that_cannot_be_flushed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.flush_file_system(tmp_path / "nothing")
    durable.flush_file_system(tmp_path)
    durable.flush(tmp_path / "nothing")  # there is nothing to flush
