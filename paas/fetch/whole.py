"""Whether the source that was laid down is whole: what stands for something else is named, or ends the build.

A Git LFS pointer is text about a file, so whatever reads it as that file breaks far from the cause. A
submodule leaves an empty folder; many builds do well without it, so it is named. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from paas.api.names import Reason
from paas.source.tree import Unbuildable, listed, shown


def check(*, empty: Sequence[str], pointers: Sequence[str], context_dir: str) -> tuple[str, ...]:
    """What to say of a source, by its empty folders and its pointer files. `context_dir` is
    the folder that is built, '' for all. Raises Unbuildable."""
    stand_in = [path for path in pointers if _within(path, context_dir)]
    if stand_in:
        raise Unbuildable(
            Reason.INCOMPLETE_SOURCE,
            f"{listed([*map(shown, stand_in)])}: only a pointer to Git LFS is in the commit, and the "
            "platform does not fetch what it points to",
            "put the files themselves into the commits (git lfs migrate export --include PATTERN), or delete "
            "them if the application does not need them, and push again",
        )
    modules = [path for path in empty if path and _within(path, context_dir)]
    return (f"Empty, as submodules are not fetched: {listed([*map(shown, modules)])}",) if modules else ()


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
