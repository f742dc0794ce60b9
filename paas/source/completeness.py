"""What a source asks for and does not get: named, file by file, before anything is built. Pure.

submodules            named: their folders are empty in the build
Git LFS               named here; a pointer file that was fetched ends the build (paas.fetch.whole)
versions              of another minor end it: the code says that it does not run on this one
lists of dependencies named; the application of which none was read cannot start, so that ends it
processes             other than `web` are named
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from paas.api.names import Reason
from paas.source.tree import SourceTree, Unbuildable, decoded, joined, listed
from paas.source.versions import Fit, fit

if TYPE_CHECKING:
    from paas.source.buildpack import Buildpack

LIMIT: Final = 1 << 20
"""Bytes of a file that is looked into."""
_PROCESS: Final = re.compile(r"^([A-Za-z0-9_-]+):\s*\S")
_MODULE: Final = re.compile(r'^\s*\[submodule "[^"]*"\]')
_PATH: Final = re.compile(r"^\s*path\s*=(.*)$")
_LFS: Final = re.compile(r"^\s*([^#\s]\S*)\s(?:.*\s)?filter=lfs(?:\s|$)")


def of_source(tree: SourceTree, folder: str) -> tuple[str, ...]:
    """What is named whatever the source is built by; `folder` is the one that is built."""
    found = []
    modules = [path for path in submodules(tree.read(".gitmodules", LIMIT) or b"") if _touches(path, folder)]
    if modules:
        found.append(
            f"Submodules are not fetched: {listed(modules)} will be empty; commit the files instead "
            f"(git rm --cached {modules[0]}, delete {modules[0]}/.git, git add {modules[0]})"
        )
    patterns = lfs_patterns(tree.read(".gitattributes", LIMIT) or b"")
    if patterns:
        found.append(
            f"Git LFS is not fetched: .gitattributes keeps {listed(patterns)} there; a build that finds "
            "pointers instead of these files fails (git lfs migrate export puts the files into the commits)"
        )
    return tuple(found)


def of_buildpack(tree: SourceTree, folder: str, pack: Buildpack, facts: Mapping[str, str]) -> tuple[str, ...]:
    """What is named of a source that a buildpack builds. Raises Unbuildable (IncompleteSource)."""
    return (
        *_versions(tree, folder, pack),
        *_lists(tree, folder, pack, facts),
        *_processes(tree, folder),
    )


def submodules(gitmodules: bytes) -> tuple[str, ...]:
    """The paths in a .gitmodules file."""
    paths, inside = [], False
    for line in decoded(gitmodules).splitlines():
        if line.lstrip().startswith("["):
            inside = _MODULE.match(line) is not None
        elif inside and (path := _PATH.match(line)) is not None:
            paths.append(re.sub(r"\\(.)", r"\1", path[1].strip().strip('"')))
    return tuple(path for path in paths if path)


def lfs_patterns(gitattributes: bytes) -> tuple[str, ...]:
    """The patterns of files that Git LFS keeps."""
    matches = map(_LFS.match, decoded(gitattributes).splitlines())
    return tuple(match[1] for match in matches if match is not None)


def _versions(tree: SourceTree, folder: str, pack: Buildpack) -> tuple[str, ...]:
    have = pack.runtime.version
    if not have:
        return ()
    found = []
    for pin in pack.pins:
        wanted = _first(tree, joined(folder, pin.file), pin.matches)
        if wanted is None:
            continue
        match fit(wanted, have):
            case Fit.MET:
                found.append(f"Runs {pack.title} {have}, as {pin.file} asks for ({wanted})")
            case Fit.OTHER_PATCH:
                found.append(
                    f"Runs the platform's patch release of {pack.title} {have}; {pin.file} asks for {wanted}"
                )
            case Fit.UNKNOWN:
                found.append(f"Runs {pack.title} {have}; {wanted!r} in {pin.file} is not understood")
            case Fit.UNMET:
                raise Unbuildable(
                    Reason.INCOMPLETE_SOURCE,
                    f"{pin.file} asks for {pack.title} {wanted}, and the platform has {have}",
                    f"let {pin.file} allow {have} if the code runs on it, or commit a Dockerfile that starts "
                    "FROM an image with that version, and push again",
                )
    return tuple(found) or (f"Runs {pack.title} {have}; the source asks for no version",)


def _lists(tree: SourceTree, folder: str, pack: Buildpack, facts: Mapping[str, str]) -> tuple[str, ...]:
    own = [file for file in pack.lists.own if tree.holds_file(joined(folder, file))]
    others = [file for file in pack.lists.others if tree.holds_file(joined(folder, file))]
    read = any(facts.get(fact) in values for fact, values in pack.lists.read.items())
    if own and not read:
        raise Unbuildable(
            Reason.INCOMPLETE_SOURCE,
            f"{pack.title} app: {listed(own)} lists its dependencies, and the buildpack does not read that",
            "write them to requirements.txt (pip freeze, pipenv requirements, poetry export or uv export), "
            "or commit a Dockerfile, and push again",
        )
    found = []
    if own:
        found.append(f"Not read: {listed(own)}")
    if others:
        found.append(f"Not read: {listed(others)}; the buildpack installs for {pack.title} only")
    return tuple(found)


def _processes(tree: SourceTree, folder: str) -> tuple[str, ...]:
    content = tree.read(joined(folder, "Procfile"), LIMIT)
    lines = decoded(content).splitlines() if content is not None else []
    matches = [match[1] for match in map(_PROCESS.match, lines) if match is not None]
    others = list(dict.fromkeys(name for name in matches if name != "web"))
    if not others:
        return ()
    return (f"Procfile also has {listed(others)}: not run, only web is",)


def _first(tree: SourceTree, path: str, pattern: str) -> str | None:
    content = tree.read(path, LIMIT)
    for line in decoded(content).splitlines() if content is not None else ():
        match = re.search(pattern, line[:1000])
        if match is not None:
            return match[1].strip()
    return None


def _touches(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/") or folder.startswith(f"{path}/")
