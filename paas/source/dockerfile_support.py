"""What of a Dockerfile the platform's builder cannot do: said before the build, with line and cure. Pure.

Kaniko 1.24 reads here-documents, mounts and several flags, and then leaves them out: the build succeeds, and
the image is not what the Dockerfile says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from paas.source.dockerfile import Dockerfile, Instruction

NAMED: Final = 5
_NEEDED_MOUNTS: Final = {
    "bind": "COPY the files before the RUN, and delete them in it if they must not stay",
    "secret": "give the value to the running application (paas set env, or a Secret), not to the build",
    "ssh": "fetch over https, or commit what is needed",
}
_GIT: Final = re.compile(r"(?:git@|git://|ssh://|https?://\S+\.git(?:[#?]\S*)?$)")


def unsupported(dockerfile: Dockerfile) -> tuple[str, ...]:
    """What would be left out of the image, and what to write instead: a sentence each."""
    return tuple(text for each in dockerfile.instructions for text in _of(each))


def ignored(dockerfile: Dockerfile) -> tuple[str, ...]:
    """What has no effect here, and changes nothing in the image: a sentence each."""
    found = []
    for each in dockerfile.instructions:
        if each.keyword == "RUN":
            kinds = [_mount(flag) for flag in each.flags if flag.startswith("--mount")]
            found += [
                f"line {each.line}: RUN --mount=type={kind} has no effect: each build starts without it"
                for kind in dict.fromkeys(kinds)
                if kind in ("cache", "tmpfs")
            ]
            found += [
                f"line {each.line}: RUN {flag} has no effect"
                for flag in each.flags
                if flag.startswith(("--network", "--security"))
            ]
    return tuple(found)


def copied(dockerfile: Dockerfile) -> Iterator[tuple[Instruction, str]]:
    """What COPY and ADD take from the context, but for names with variables or wildcards."""
    for each in dockerfile.instructions:
        if each.keyword not in ("COPY", "ADD") or any(flag.startswith("--from") for flag in each.flags):
            continue
        words = each.arguments.split()
        if each.arguments.startswith("["):
            try:
                words = json.loads(each.arguments)
            except ValueError:
                continue
        for word in words[:-1]:
            if isinstance(word, str) and not re.search(r"[$*?\[\\]|<<|^https?:", word):
                yield each, word


def _of(each: Instruction) -> list[str]:
    where = f"line {each.line}: {each.keyword}"
    found = []
    if each.heredocs:
        cure = (
            "write the commands with && between them, or COPY a script and RUN it"
            if each.keyword == "RUN"
            else "commit the file and COPY it"
        )
        found.append(f"{where} <<{each.heredocs[0]}: here-documents are not supported; {cure}")
    if each.keyword == "RUN":
        for flag in each.flags:
            kind = _mount(flag) if flag.startswith("--mount") else ""
            if kind in _NEEDED_MOUNTS:
                found.append(
                    f"{where} --mount=type={kind}: such mounts are not supported; {_NEEDED_MOUNTS[kind]}"
                )
    if each.keyword in ("ADD", "COPY"):
        found += [f"{where} {flag}: {cure}" for flag in each.flags if (cure := _refused_flag(flag))]
    if each.keyword == "ADD":
        if any(flag.startswith("--checksum") for flag in each.flags):
            found.append(
                f"{where} --checksum: nothing is compared; ADD it without, and RUN sha256sum -c after it"
            )
        for word in each.arguments.split()[:-1]:
            if _GIT.match(word):
                found.append(
                    f"{where} {word}: git repositories are not fetched; RUN git clone, or commit the files"
                )
    return found


def _refused_flag(flag: str) -> str:
    """What to write instead of a flag of COPY or ADD; '' when it is taken."""
    name, _, value = flag.partition("=")
    value = value.strip("\"'")
    match name:
        case "--parents":
            return "not supported; COPY each folder to the place that it has to have"
        case "--exclude":
            return "not supported; name what is left out in .dockerignore, or COPY the parts that are needed"
        case "--unpack" | "--keep-git-dir":
            return "not supported; RUN the command that does it"
        case "--chmod" if re.fullmatch(r"0?[1-7][0-7]{3}", value):
            return f"the first digit would be left out; RUN chmod {value} on the file after it"
        case "--chmod" if not re.fullmatch(r"0*[0-7]{1,3}", value) and "$" not in value:
            return "only modes in numbers are supported, such as 755"
        case "--chown" if value.startswith(":"):
            return f"a group alone is not supported; name the user as well: --chown=0{value}"
    return ""


def _mount(flag: str) -> str:
    """The type of a --mount; bind when it names none."""
    match = re.search(r"(?:=|,)type=([a-z]+)", flag)
    return match[1] if match is not None else "bind"
