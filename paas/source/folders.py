"""Which folders of a source can be built, to be named when its top cannot. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Final

from paas.source.buildpack import Buildpack
from paas.source.detect import SourceTree, Unbuildable, detect

LOOKED_AT: Final = 300
"""Folders that are looked at, so that a large source takes no time."""
DEEPEST: Final = 4
PROPOSED: Final = 5
_OF_OTHERS: Final = ("node_modules", "vendor", "venv", "__pycache__")
"""Folders that hold the code of others."""


def buildable_folders(
    tree: SourceTree, packs: Sequence[Buildpack], *, looked_at: int = LOOKED_AT
) -> list[str]:
    """Folders that can be built each by itself, the first few of the highest; not what is inside of one that
    can."""
    found: list[str] = []
    waiting = deque(_below(tree, ""))
    for _ in range(looked_at):
        if not waiting or len(found) == PROPOSED:
            break
        folder = waiting.popleft()
        try:
            detect(tree, packs, context_dir=folder)
            found.append(folder)
        except Unbuildable:
            waiting += _below(tree, folder)
        except OSError:
            continue  # not for us to read, so not what is meant
    return found


def _below(tree: SourceTree, folder: str) -> list[str]:
    """The folders in a folder, without hidden ones and those of others' code."""
    if len(folder.split("/")) >= DEEPEST:
        return []
    inside = [
        f"{folder}/{name}" if folder else name
        for name in sorted(_entries(tree, folder) or ())
        if not name.startswith(".") and name not in _OF_OTHERS
    ]
    return [path for path in inside if _entries(tree, path) is not None]


def _entries(tree: SourceTree, folder: str) -> Collection[str] | None:
    try:
        return tree.entries(folder)
    except OSError:
        return None
