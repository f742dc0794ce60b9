"""What a Dockerfile may ask about the platform that it is built on and for. Pure.

Kaniko 1.24 knows none of the variables that docker build fills in (TARGETARCH and the like): an ARG of such a
name stays empty, and what is fetched or copied by it is something else. It takes the platform of a FROM for
read, and makes an image of its own. Builds here are for the platform of the node that they run on.
"""

from __future__ import annotations

import re
from typing import Final

from paas.source.dockerfile import expanded, parse

_ARCHITECTURES: Final = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_ASSIGNED: Final = re.compile(r"(?<![\w=$\"'{-])(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)(?=\s|$)")


class ForeignPlatform(Exception):
    """A stage is for another platform; the text says which line."""


def variables(machine: str) -> dict[str, str]:
    """The variables of a build on `machine` (as uname has it) for itself."""
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    platform = f"linux/{architecture}" + (f"/{variant}" if variant else "")
    values = {"PLATFORM": platform, "OS": "linux", "ARCH": architecture, "VARIANT": variant}
    return {side + name: value for side in ("TARGET", "BUILD") for name, value in values.items()}


def with_platform(dockerfile: str, machine: str) -> str:
    """The Dockerfile with a default for each such ARG that has none. Raises ForeignPlatform."""
    known = variables(machine)
    parsed = parse(dockerfile)
    lines = dockerfile.splitlines(keepends=True)
    for each in parsed.instructions:
        if each.keyword == "FROM":
            _check(each.line, each.flags, known, parsed.escape)
        if each.keyword != "ARG":
            continue
        for number in range(each.line - 1, len(lines)):
            line = lines[number]
            if not line.strip() or line.lstrip().startswith("#"):
                continue  # they may stand in the middle
            lines[number] = _ASSIGNED.sub(lambda found: f"{found[0]}={known[found[0]]}", line)
            if not line.rstrip().endswith(parsed.escape):
                break
    return "".join(lines)


def _check(line: int, flags: tuple[str, ...], known: dict[str, str], escape: str) -> None:
    for flag in flags:
        name, _, value = flag.partition("=")
        asked = expanded(value, known, escape).strip("\"'").lower().split("/")
        if name != "--platform" or not asked[0].isalnum() or "\0" in value:
            continue  # of a variable that only the build knows nothing can be said
        own = known["TARGETPLATFORM"].split("/")
        if asked[0] != own[0] or asked[1:2] not in ([], own[1:2], _alias(own[1])):
            raise ForeignPlatform(
                f"line {line}: FROM {flag}: builds are for {'/'.join(own)}, the platform of their node"
            )


def _alias(architecture: str) -> list[str]:
    return [{"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)]
