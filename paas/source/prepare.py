"""From a source tree to what a Build freezes: one call for the server (hosted source, when the Build is
made) and for `fetch` (external source, in the build pod). Pure, given the tree.

    tree ──detect──▶ Detected ──render──▶ Dockerfile ──content_key──▶ Prepared
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from paas.api.names import Reason
from paas.source.buildpack import Buildpack
from paas.source.content_key import content_key
from paas.source.detect import SourceTree, Unbuildable, clean, detect
from paas.source.folders import buildable_folders
from paas.source.render import render


class HashedTree(SourceTree, Protocol):
    """A source tree that knows git's hashes of its folders."""

    def tree_hash(self, folder: str) -> str:
        """Hex hash of the tree of `folder` ('' is the root), which exists."""


@dataclass(frozen=True)
class Prepared:
    """What goes into Build.spec. `found` are sentences for people; `port` None when unknown."""

    dockerfile: str
    buildpack: str | None
    content_key: str
    port: int | None
    found: tuple[str, ...]


def prepare(
    tree: HashedTree,
    packs: Iterable[Buildpack],
    *,
    runtime_registry: str,
    context_dir: str | None = None,
    dockerfile_path: str | None = None,
    inline: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Prepared:
    """Detect and render. The arguments are those of BuildConfig.spec (`inline` is source.dockerfile).

    Raises detect.Unbuildable with the Build's reason and a message for the user.
    """
    packs = tuple(packs)
    try:
        detected = detect(
            tree, packs, context_dir=context_dir, dockerfile_path=dockerfile_path, inline=inline
        )
    except Unbuildable as problem:
        raise _with_folders(problem, tree, packs) from problem
    dockerfile = render(detected, runtime_registry=runtime_registry)
    key = content_key(tree=tree.tree_hash(clean(context_dir)), dockerfile=dockerfile, build_args=build_args)
    pack = detected.buildpack.name if detected.buildpack else None
    return Prepared(dockerfile, pack, key, detected.port, detected.found)


def _with_folders(problem: Unbuildable, tree: SourceTree, packs: tuple[Buildpack, ...]) -> Unbuildable:
    """The same problem, with the folders that could be built where the one that was asked for cannot."""
    if problem.reason not in (Reason.INVALID_CONTEXT_DIRECTORY, Reason.NO_BUILDPACK):
        return problem
    folders = buildable_folders(tree, packs)
    if not folders:
        return problem
    hint = f"these folders can be built: {', '.join(folders)}; name one in spec.source.contextDir"
    return Unbuildable(problem.reason, problem.what, hint)
