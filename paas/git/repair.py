"""A repository's files after a power cut: what is torn (cut short, emptied, filled with NULs) is rebuilt from
what the other files say.

    config, info/attributes   are the same in every repository
    paas.json, HEAD           each has what the other lost; whose repository it is, the caller knows
    a ref                     from the last line of its reflog, else from its mark, else it is gone
    packed-refs               from the reflogs and from the lines of it that are whole
    a reflog                  its torn line is closed, and a line says where the ref is
    a mark                    is known to be lost (`marks`); the worker finds out from the Builds

It is looked at every time a repository is opened: a file that is torn makes git refuse the whole
repository, or hide a branch. What git may be writing at the same moment is never seen as torn, since git
renames; and a reflog, which it appends to, is only appended to.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dulwich.objects import ObjectID
from dulwich.repo import Repo

from paas.api.resources import Key
from paas.git import durable
from paas.git.push import BRANCHES, OWN_REFS, ZERO
from paas.git.reflog import TORN, last_value

CONFIG: Final = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
ATTRIBUTES: Final = "* -export-ignore -export-subst -text -ident -filter !working-tree-encoding\n"
"""A build gets every file of its commit byte by byte, whatever .gitattributes says about archives and working
folders; so does one of an external repository."""
ABOUT: Final = "paas.json"
HANDLED: Final = f"{OWN_REFS}/handled/"
_locks: Final[dict[Path, threading.Lock]] = {}
_VALUE: Final = re.compile(rb"[0-9a-f]{40}\n")
_HEAD: Final = re.compile(rb"ref: (refs/heads/[^\x00-\x20\x7f]+)\n")
_PACKED: Final = re.compile(rb"([0-9a-f]{40}) (refs/[^\x00-\x20\x7f]+)")
_CONFIG: Final = re.compile(rb"\[core\]\n(\t[^\x00\n]+\n)*?\tbare = true\n([\t\[][^\x00\n]+\n)*")


def repair(path: Path, key: Key | None) -> list[str]:
    """Rebuild what is torn; a sentence for each file. `key` is the BuildConfig's, when it is known. Blocking.
    Raises OSError."""
    # two at once would each take for done what the other is about to do
    with _locks.setdefault(path, threading.Lock()):
        return _repair(path, key)


def _repair(path: Path, key: Key | None) -> list[str]:
    done: list[str] = []
    if _CONFIG.fullmatch(_read(path / "config")) is None:
        durable.write(path / "config", CONFIG)
        done.append("config was torn; it is written again")
    if _read(path / "info/attributes") != ATTRIBUTES.encode():
        (path / "info").mkdir(exist_ok=True)
        durable.write(path / "info/attributes", ATTRIBUTES.encode())
        done.append("info/attributes was torn, or an older one; it is written again")
    _repair_head(path, done)
    _repair_packed(path, done)
    _repair_refs(path, done)
    _repair_reflogs(path, done)
    _repair_about(path, key, done)
    return done


def about(path: Path) -> dict[str, Any]:
    """The content of paas.json: `project`, `name`, and the branch `head` names (not in old ones); {} when it
    cannot be read."""
    try:
        found = json.loads(_read(path / ABOUT))
    except ValueError:
        return {}
    whole = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("project", "name"))
    return found if whole else {}


def write_about(path: Path, key: Key, head: str) -> None:
    content = {"project": key.namespace, "name": key.name, "head": head}
    durable.write(path / ABOUT, json.dumps(content).encode())


def head_of(path: Path) -> str | None:
    """The branch that HEAD names; None when it is torn."""
    match = _HEAD.fullmatch(_read(path / "HEAD"))
    return match[1].decode(errors="surrogateescape").removeprefix(BRANCHES) if match else None


def write_head(path: Path, branch: str) -> None:
    durable.write(path / "HEAD", f"ref: {BRANCHES}{branch}\n".encode(errors="surrogateescape"))


def torn_marks(path: Path) -> set[str]:
    """Branches whose mark is torn."""
    marks = _files(path / HANDLED)
    return {str(file.relative_to(path / HANDLED)) for file in marks if not _VALUE.fullmatch(_read(file))}


# -- one file after the other ----------------------------------------------------------------------------


def _repair_head(path: Path, done: list[str]) -> None:
    if head_of(path) is not None:
        return
    logs = path / "logs" / BRANCHES
    branches = {str(file.relative_to(logs)) for file in _files(logs)}
    usual = [about(path).get("head"), *(b for b in ("main", "master", *sorted(branches)) if b in branches)]
    branch = next((name for name in usual if isinstance(name, str) and name), "main")
    write_head(path, branch)
    done.append(f"HEAD was torn; it names {branch} again")


def _repair_about(path: Path, key: Key | None, done: list[str]) -> None:
    found, head = about(path), head_of(path) or "main"
    if key is None:
        if not found:
            return  # nobody knows whose it is; whoever opens it with its key says it
        key = Key(found["project"], found["name"])
    if found != {"project": key.namespace, "name": key.name, "head": head}:
        if not found:
            done.append(f"{ABOUT} was torn; it is written again")
        write_about(path, key, head)


def _repair_reflogs(path: Path, done: list[str]) -> None:
    for log in _files(path / "logs"):
        with contextlib.suppress(FileNotFoundError), log.open("r+b") as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) == b"\n":
                    continue
        ref = str(log.relative_to(path / "logs"))
        value = _read(path / ref).decode(errors="replace").strip() if ref.startswith("refs/") else ""
        if not size and not value:
            continue  # git is about to write the first line
        with contextlib.suppress(FileNotFoundError), log.open("ab") as file:
            # only ever appended to, since a git child may be appending too
            file.write(TORN if size else b"")
            if value and not ref.startswith(HANDLED):
                # so that the ref can be rebuilt from it the next time
                file.write(f"{value} {value} paas <paas> {int(time.time())} +0000\trepaired\n".encode())
        done.append(f"{log.relative_to(path)} was torn; it is closed, and says where the ref is")


def _repair_packed(path: Path, done: list[str]) -> None:
    packed = path / "packed-refs"
    try:
        content = packed.read_bytes()
    except FileNotFoundError:
        return
    lines = content.split(b"\n")
    well_formed = all(_PACKED.fullmatch(x) or re.fullmatch(rb"\^[0-9a-f]{40}", x) for x in lines[1:-1])
    values = {
        m[2].decode(errors="surrogateescape"): m[1].decode()
        for x in lines[:-1]
        if (m := _PACKED.fullmatch(x))
    }
    refs = [str(log.relative_to(path / "logs")) for log in _files(path / "logs/refs")]
    # one that is cut at the end of a line looks whole; but git takes the log of a ref away with it
    missing = [ref for ref in refs if ref not in values and not (path / ref).exists()]
    if lines[0].startswith(b"# pack-refs with:") and lines[-1] == b"" and well_formed and not missing:
        return
    values |= {ref: value for ref in refs if (value := _logged(path, ref))}
    with contextlib.closing(Repo(str(path))) as repo:
        locked = [
            ref
            for ref, value in sorted(values.items())
            if value
            and not (path / ref).exists()
            and _stored(repo, value)
            and not _write_ref(path, ref, value)
        ]
    if locked:  # it has what is nowhere else; the next look goes on
        done.append(f"packed-refs is torn; {locked[0]} is locked, so it is kept for now")
        return
    packed.unlink(missing_ok=True)
    durable.flush(path)
    done.append("packed-refs was torn; its refs are restored from their reflogs")


def _repair_refs(path: Path, done: list[str]) -> None:
    for file in _files(path / "refs"):
        ref = str(file.relative_to(path))
        if ref.startswith(HANDLED) or file.name.endswith(".lock") or file.name.startswith("."):
            continue  # a mark is the worker's: where it was, only the Builds know for sure
        try:
            if _VALUE.fullmatch(file.read_bytes()):
                continue
        except FileNotFoundError:
            continue
        mark = _read(path / HANDLED / ref.removeprefix(BRANCHES)) if ref.startswith(BRANCHES) else b""
        candidates = [_logged(path, ref), mark.decode(errors="replace").strip()]
        with contextlib.closing(Repo(str(path))) as repo:
            value = next((v for v in candidates if v and _stored(repo, v)), None)
        if value is None:
            file.unlink(missing_ok=True)
            done.append(f"{ref} was torn, and nothing says where it was; push it again")
        elif _write_ref(path, ref, value):
            done.append(f"{ref} was torn; it is at {value[:12]} again")


# -- reading and writing ---------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield Path(folder, name)


def _logged(path: Path, ref: str) -> str | None:
    """Where the reflog says that the ref is."""
    return last_value(_read(path / "logs" / ref))


def _stored(repo: Repo, value: str) -> bool:
    return (
        value != ZERO
        and bool(re.fullmatch(r"[0-9a-f]{40}", value))
        and ObjectID(value.encode()) in repo.object_store
    )


def _write_ref(path: Path, ref: str, value: str) -> bool:
    """As git does it: under the ref's lock, so that a push under way is not overwritten. False when somebody
    holds that lock, also a git that was killed."""
    target = path / ref
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_name(target.name + ".lock")
    try:
        with lock.open("xb") as file:
            file.write(f"{value}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    os.rename(lock, target)
    durable.flush(target.parent)
    return True
