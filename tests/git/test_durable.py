"""What is flushed to the disk before a push is acknowledged, while other pushes go on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

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
