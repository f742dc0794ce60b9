"""How much of the disk each repository takes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

FRESH_SECONDS: Final = 60.0
"""How long a measure counts when nobody says that something changed."""
_measured: Final[dict[Path, tuple[float, int]]] = {}


async def size_of(repository: Path) -> int:
    """Bytes of a repository's files, measured lately."""
    known = _measured.get(repository)
    if known is not None and time.monotonic() - known[0] < FRESH_SECONDS:
        return known[1]
    return await asyncio.to_thread(measure, repository)


def measure(repository: Path) -> int:
    """Bytes of a repository's files. Blocking."""
    size = 0
    for folder, _, names in os.walk(repository):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # git goes on meanwhile
    _measured[repository] = (time.monotonic(), size)
    return size


def changed(repository: Path) -> None:
    """Measure it again the next time."""
    _measured.pop(repository, None)
