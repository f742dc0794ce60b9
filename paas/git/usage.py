"""How much of the disk each repository takes. Only one server writes to them, so a measure holds until that
one says that something changed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

_measured: Final[dict[Path, int]] = {}


async def size_of(repository: Path) -> int:
    """Bytes of a repository's files."""
    known = _measured.get(repository)
    return await asyncio.to_thread(_measure, repository) if known is None else known


def _measure(repository: Path) -> int:
    size = 0
    for folder, _, names in os.walk(repository):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # git goes on meanwhile
    _measured[repository] = size
    return size


def changed(repository: Path) -> None:
    """Measure it again the next time."""
    _measured.pop(repository, None)
