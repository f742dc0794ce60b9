"""How much of the disk each repository takes. Only one server writes to them, so a measure holds until that
one says that something changed."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Final

_measured: Final[dict[Path, int]] = {}
_changes: Final[Counter[Path]] = Counter()


async def size_of(repository: Path) -> int:
    """Bytes of a repository's files."""
    known = _measured.get(repository)
    if known is not None:
        return known
    before = _changes[repository]
    size = await asyncio.to_thread(_measure, repository)
    if _changes[repository] == before:  # what changed while it was measured may be missing in it
        _measured[repository] = size
    return size


def _measure(repository: Path) -> int:
    size = 0
    for folder, _, names in os.walk(repository):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # git goes on meanwhile
    return size


def changed(repository: Path) -> None:
    """Measure it again the next time."""
    _changes[repository] += 1
    _measured.pop(repository, None)
