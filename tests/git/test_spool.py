"""What is kept of a push until all of it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paas.git.spool import IN_MEMORY, Kept, Spool, TooMuchKept


async def test_it_gives_back_what_came(tmp_path: Path) -> None:
    for size in (0, 10, IN_MEMORY + 1, 5 * IN_MEMORY):
        content = os.urandom(size)
        pack = Spool(tmp_path, Kept(2**30), "demo")
        for start in range(0, size, 1000):
            await pack.write(content[start : start + 1000])
        for _ in range(2):
            assert b"".join([piece async for piece in pack.pieces()]) == content
        pack.close()


async def test_one_project_keeps_no_more_than_its_share_and_others_have_theirs(tmp_path: Path) -> None:
    """32 pushes of one project that never end would fill the disk, and no quota counts what is not stored."""
    kept = Kept(4 * IN_MEMORY)
    first, second, other = (Spool(tmp_path, kept, project) for project in ("mine", "mine", "other"))
    await first.write(bytes(3 * IN_MEMORY))
    await second.write(bytes(IN_MEMORY))
    with pytest.raises(TooMuchKept):
        await second.write(b"x")
    await other.write(bytes(4 * IN_MEMORY))
    first.close()
    first.close()
    await second.write(bytes(3 * IN_MEMORY))
    with pytest.raises(TooMuchKept):
        await second.write(b"x")
    second.close()
    other.close()
    assert kept.projects == 0
