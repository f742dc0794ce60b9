"""Detection: what is in a source tree, and therefore how to build it. Pure.

A Dockerfile decides; without one, the first buildpack that fits does. The result tells in words what was
found, for `new-app` and for the pusher, and carries the facts that the buildpack's template needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from paas.api.names import Reason
from paas.source import completeness, dockerfile_support
from paas.source.dockerfile import exposed, only_port, parse
from paas.source.tree import SourceTree, Unbuildable, clean, decoded, joined, shown

if TYPE_CHECKING:
    from paas.source.buildpack import Buildpack, Fact

__all__ = ["Detected", "SourceTree", "Unbuildable", "clean", "detect"]

DOCKERFILE: Final = "Dockerfile"
PROCFILE: Final = "Procfile"
MAX_FILE: Final = 1 << 20
"""Files above this (bytes) are not read for detection."""
MAX_DOCKERFILE: Final = 60000
MAX_LINE: Final = 4096


@dataclass(frozen=True)
class Detected:
    """How a source is built: by its own `dockerfile` (text), or by `buildpack` with `facts`.

    `port` is where the application listens: what the buildpack gives it, or the only EXPOSE of a
    Dockerfile; None when unknown. `found` are sentences without a full stop, for people.
    """

    dockerfile: str | None = None
    buildpack: Buildpack | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    found: tuple[str, ...] = ()


def detect(
    tree: SourceTree,
    packs: Iterable[Buildpack],
    *,
    context_dir: str | None = None,
    dockerfile_path: str | None = None,
    inline: str | None = None,
) -> Detected:
    """Decide how to build the source in `context_dir` of a tree.

    `inline` is a Dockerfile that replaces the source's. Raises Unbuildable.
    """
    folder = clean(context_dir)
    names = tree.entries(folder)
    if names is None:
        raise Unbuildable(
            Reason.INVALID_CONTEXT_DIRECTORY,
            f"there is no folder {folder!r} in the source",
            "correct spec.source.contextDir, or commit the folder",
        )
    seen = _decide(tree, tuple(packs), folder, names, dockerfile_path=dockerfile_path, inline=inline)
    left_out = completeness.of_source(tree, folder)
    return replace(seen, found=tuple(shown(line) for line in (*seen.found, *left_out)))


def _decide(
    tree: SourceTree,
    packs: Sequence[Buildpack],
    folder: str,
    names: Collection[str],
    *,
    dockerfile_path: str | None,
    inline: str | None,
) -> Detected:
    if inline is not None:
        return _dockerfile(inline, "Dockerfile of the BuildConfig")
    path = clean(dockerfile_path) or DOCKERFILE
    content = tree.read(joined(folder, path), MAX_DOCKERFILE)
    if content is not None:
        seen = _dockerfile(_text(content, path), path)
        beside = (PROCFILE,) if PROCFILE in names else ()
        return replace(seen, found=(*seen.found, *(f"{name} is not read: {path} decides" for name in beside)))
    if dockerfile_path and clean(dockerfile_path) != DOCKERFILE:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"there is no {path!r} (or it is above {MAX_DOCKERFILE} bytes)",
            "correct spec.strategy.dockerStrategy.dockerfilePath, or commit the file",
        )
    if DOCKERFILE in names:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"{DOCKERFILE} is not a file of at most {MAX_DOCKERFILE} bytes",
            "replace it and push again",
        )
    for pack in packs:
        if any(_exists(tree, folder, names, name) for name in pack.detect):
            return _buildpack(tree, folder, names, pack)
    wanted = "; ".join(f"{pack.title}: {', '.join(pack.detect)}" for pack in packs)
    where = f"the folder {folder!r}" if folder else "the root of the repository"
    raise Unbuildable(
        Reason.NO_BUILDPACK,
        f"{where} has nothing to build by"
        + (
            f" ({PROCFILE} says how to start it, and not in which language it is)"
            if PROCFILE in names
            else ""
        ),
        f"add a Dockerfile, or a file that a buildpack looks for ({wanted}), and push again",
    )


def _dockerfile(text: str, name: str) -> Detected:
    parsed = parse(text)
    wrong = dockerfile_support.unsupported(parsed)
    if wrong:
        more = len(wrong) - dockerfile_support.NAMED
        listed = "; ".join(wrong[: dockerfile_support.NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"{name}, {listed}",
            "write these lines otherwise, as said, and commit them",
        )
    ports, unclear = exposed(parsed)
    port = only_port(ports, unclear)
    found = [f"Builds by {name}"]
    if port is not None:
        found.append(f"EXPOSE says that it listens on port {port}")
    if unclear:
        found.append(f"EXPOSE in line {unclear[0]} depends on the base image; give the port with --port")
    elif len(ports) > 1:
        listed = ", ".join(map(str, sorted(ports)))
        found.append(f"EXPOSE names several ports ({listed}); give the one that serves with --port")
    found += [f"{name}, {line}" for line in dockerfile_support.ignored(parsed)]
    return Detected(dockerfile=text, port=port, found=tuple(found))


def _buildpack(tree: SourceTree, folder: str, names: Collection[str], pack: Buildpack) -> Detected:
    facts: dict[str, str] = {}
    found = [f"{pack.title} app, built by buildpack {pack.name} on {pack.runtime_name}"]
    for name, fact in pack.facts.items():
        value, said = _learn(tree, folder, names, fact)
        if value is None:
            if fact.missing is not None:
                raise Unbuildable(Reason.NO_BUILDPACK, f"{pack.title} app: {fact.missing}")
            value = ""
        if re.fullmatch(fact.pattern, value) is None:
            raise Unbuildable(
                Reason.MANAGE_DOCKERFILE_FAILED,
                f"{pack.title} app: {name} is {value[:80]!r}, which does not look like {fact.pattern}",
                "correct it in the source and push again",
            )
        facts[name] = value
        if said:
            found.append(said.replace("{value}", value))
    found += completeness.of_buildpack(tree, folder, pack, facts)
    found.append(f"Listens on $PORT, which is {pack.port}")
    return Detected(buildpack=pack, facts=facts, port=pack.port, found=tuple(found))


def _learn(
    tree: SourceTree, folder: str, names: Collection[str], fact: Fact
) -> tuple[str | None, str | None]:
    for rule in fact.rules:
        if rule.file is None:
            return rule.value or "", rule.says
        if not _exists(tree, folder, names, rule.file):
            continue
        if rule.matches is None:
            return rule.value if rule.value is not None else rule.file, rule.says
        content = tree.read(joined(folder, rule.file), MAX_FILE)
        match = _search(rule.matches, decoded(content)) if content is not None else None
        if match is not None:
            if rule.value is not None:
                return rule.value, rule.says
            return (match.group(1) if match.re.groups else match.group(0)).strip(), rule.says
    return None, None


def _search(pattern: str, text: str) -> re.Match[str] | None:
    # Line by line and bounded: a pattern over a whole hostile file could take for ever.
    compiled = re.compile(pattern)
    for line in text.splitlines():
        match = compiled.search(line[:MAX_LINE])
        if match is not None:
            return match
    return None


def _exists(tree: SourceTree, folder: str, names: Collection[str], file: str) -> bool:
    if "/" not in file and file not in names:
        return False  # most files are not there, and the folder is listed already
    return tree.holds_file(joined(folder, file))


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED, f"{name} is not UTF-8 text", "save it as UTF-8 and push again"
        ) from problem
