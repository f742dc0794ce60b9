"""Reading single objects of a hosted repository without trusting their size.

The pusher decides how large an object is and on what it is a delta; a few bytes on the wire can become
gigabytes. So a git child with limits of its own says how large each is before it unpacks it, and dulwich
parses what it gives.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from dulwich.objects import ObjectID, ShaFile

from paas.api.names import Reason
from paas.git import memory, process
from paas.source.tree import ObjectTooLarge, Unbuildable

LARGEST: Final = 8 * 2**20
"""Bytes of one commit, tree or file that detection looks at."""
LOOK_SECONDS: Final = 30.0
"""How long all that is looked at of one commit may take. A few files in thousands of folders are a small
push; one that takes too long would be looked at again after each restart."""
_TYPES: Final = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}


class Objects:
    """Objects by id, as dulwich has them. Raises KeyError for one that is missing, ObjectTooLarge for one
    that is too large to look into, and Unbuildable when looking has taken too long."""

    def __init__(self, ask: IO[bytes], answer: IO[bytes], *, seconds: float = LOOK_SECONDS) -> None:
        self._ask, self._answer, self._seconds = ask, answer, seconds
        self._until = time.monotonic() + seconds

    def __getitem__(self, object_id: ObjectID, /) -> ShaFile:
        kind, content = self.raw(object_id)
        return ShaFile.from_raw_string(_TYPES[kind], content)

    def raw(self, object_id: ObjectID) -> tuple[bytes, bytes]:
        """Its type and content as they are: dulwich takes only well-formed objects."""
        if time.monotonic() > self._until:
            raise Unbuildable(
                Reason.MANAGE_DOCKERFILE_FAILED,
                f"it takes more than {self._seconds:.0f} seconds to find out how to build the source",
                "put a Dockerfile into the folder that is to be built, name the folder in "
                "spec.source.contextDir, and push again",
            )
        kind, size = self._about(b"info", object_id)
        if int(size) > LARGEST:
            raise ObjectTooLarge(
                Reason.MANAGE_DOCKERFILE_FAILED,
                f"object {object_id.decode()[:12]} of the source has {size.decode()} bytes, more than the "
                f"{LARGEST} that are looked into to find out how to build; take it out and push again",
            )
        self._about(b"contents", object_id)
        content = self._answer.read(int(size) + 1)[:-1]
        if len(content) != int(size):
            raise KeyError(object_id)
        return kind, content

    def _about(self, command: bytes, object_id: bytes) -> tuple[bytes, bytes]:
        """Kind and size."""
        self._ask.write(command + b" " + object_id + b"\n")
        self._ask.flush()
        _, _, about = self._answer.readline().rstrip(b"\n").partition(b" ")
        kind, _, size = about.partition(b" ")
        if not size.isdigit():
            raise KeyError(object_id)
        return kind, size


_places: Final = threading.BoundedSemaphore(memory.LOOKS)


@contextlib.contextmanager
def reading(repository: Path) -> Iterator[Objects]:
    """The objects of a repository, as long as the context lasts. Blocking: call it in a thread."""
    with _places:
        child = subprocess.Popen(
            ["git", f"--git-dir={process.HERE}", "cat-file", "--batch-command"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=process.environment({"core.deltaBaseCacheLimit": "16m"}),
            cwd=repository,
            start_new_session=True,
        )
        try:
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (memory.LOOK, memory.LOOK))
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (60, 70))
            assert child.stdin is not None
            assert child.stdout is not None
            yield Objects(child.stdin, child.stdout)
        finally:
            child.kill()
            child.communicate()
