"""Looking into a commit has an end, whatever the commit holds."""

from __future__ import annotations

import io

import pytest

from paas.git.objects import Objects
from paas.source.buildpacks import load
from paas.source.prepare import prepare
from paas.source.tree import Unbuildable
from paas.source.trees import GitTree

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
EMPTY = f"{TREE} tree 0\n{TREE} tree 0\n\n".encode()


def tree(*, seconds: float) -> GitTree:
    """The empty tree, as git gives it, however often it is asked for."""
    return GitTree(Objects(io.BytesIO(), io.BytesIO(EMPTY * 100), seconds=seconds), TREE)


def test_a_commit_that_takes_too_long_is_one_that_cannot_be_built() -> None:
    with pytest.raises(Unbuildable, match="seconds to find out how to build"):
        prepare(tree(seconds=-1), load(), runtime_registry="registry/paas")
    with pytest.raises(Unbuildable, match="nothing to build by"):
        prepare(tree(seconds=60), load(), runtime_registry="registry/paas")
