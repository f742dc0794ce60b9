"""The build context as Docker would hand it to a builder: without what its ignore file leaves out.

Kaniko reads ignore files by rules of its own: `**/node_modules` keeps only what lies at one certain depth. So
the files are taken away before it starts, and it is given an empty ignore file.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from paas.api.names import Reason
from paas.source.dockerfile import parse as parse_dockerfile
from paas.source.dockerfile_support import copied
from paas.source.ignore_file import LARGEST, BadPattern, IgnoreFile, Seen, parse
from paas.source.tree import Unbuildable, decoded


def ignore_file(context: Path, source: Path, *names: str) -> Path | None:
    """The first of these files that the context has. A link may lead anywhere in this pod: only one that
    stays in the source is followed."""
    for name in names:
        path = context / name
        if path.is_file() and path.resolve().is_relative_to(source.resolve()):
            return path
    return None


def leave_out(context: Path, ignore: Path) -> tuple[int, int]:
    """Take away what `ignore` leaves out of the context; how many files that were, of how many. Raises
    Unbuildable for what is no ignore file, OSError."""
    name = ignore.relative_to(context)
    try:
        if ignore.stat().st_size > LARGEST:
            raise BadPattern(f"which has more than {LARGEST} bytes, is not read")
        rules = parse(decoded(ignore.read_bytes()))
    except BadPattern as problem:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED, f"{name}, {problem}", "correct it and push again"
        ) from problem
    return _leave_out(str(context), "", rules, ())


def links(context: Path, dockerfile: str) -> list[str]:
    """What is copied by the name of a link: docker build copies what it leads to, Kaniko the link itself."""
    found = []
    for each, source in copied(parse_dockerfile(dockerfile)):
        path = context / source.strip("/")
        if path.is_symlink():
            found.append(
                f"Dockerfile, line {each.line}: {each.keyword} {source} copies the link itself, not "
                f"{os.readlink(path)}, which it leads to; name that instead"
            )
    return found


def _leave_out(folder: str, below: str, rules: IgnoreFile, above: Seen) -> tuple[int, int]:
    gone = files = 0
    for name in os.listdir(folder):
        path, relative = f"{folder}/{name}", f"{below}{name}"
        out, seen = rules.look(relative, above)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            files += 1
            if out:
                os.unlink(path)
                gone += 1
        elif out and not rules.takes_back:
            inside = sum(len(names) for _, _, names in os.walk(path))
            shutil.rmtree(path)
            gone, files = gone + inside, files + inside
        else:
            inside, there = _leave_out(path, f"{relative}/", rules, seen)
            gone, files = gone + inside, files + there
            if out and not os.listdir(path):
                os.rmdir(path)
    return gone, files
