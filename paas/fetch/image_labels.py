"""What an image says about where it comes from: ENV and LABEL instructions after the last of the source's.

They stand at the end, so that they change no layer that the cache could give. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def with_image_labels(dockerfile: str, *, environment: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The Dockerfile with these variables and labels set at its end; empty values are left out.

    A file that ends in the middle of an instruction is left as it is: the builder says what is wrong.
    """
    escape = _escape(dockerfile)
    lines = [line.strip() for line in dockerfile.splitlines()]
    meant = [line for line in lines if line and not line.startswith("#")]
    if not meant or meant[-1].endswith(escape):
        return dockerfile
    added = [f"ENV {_assigned(environment, escape)}", f"LABEL {_assigned(labels, escape)}"]
    kept = [line for line in added if "=" in line]
    return dockerfile.rstrip("\n") + "\n" + "".join(f"{line}\n" for line in kept)


def _assigned(values: Mapping[str, str], escape: str) -> str:
    return " ".join(f"{name}={_quoted(value, escape)}" for name, value in sorted(values.items()) if value)


def _quoted(value: str, escape: str) -> str:
    plain = "".join(char for char in value if char.isprintable())
    return '"' + "".join(escape + char if char in (escape, '"', "$") else char for char in plain) + '"'


def _escape(dockerfile: str) -> str:
    """The escape character: a parser directive in the first comment lines may change it."""
    for line in dockerfile.splitlines():
        match = re.fullmatch(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*", line.strip())
        if match is None:
            return "\\"
        if match.group(1).lower() == "escape" and match.group(2) in ("\\", "`"):
            return match.group(2)
    return "\\"
