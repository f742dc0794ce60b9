"""The content key: a name for everything that goes into an image. Pure.

Two builds with the same key have the same input: the same files (git's own hash of the folder's tree),
the same Dockerfile, build arguments and base images. A base image that is named by a tag may move
without the key seeing it; `bases` therefore holds the digests where they are known, and whoever reuses a
result by its key must know them all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

VERSION: Final = "1"
"""Changed when the meaning of the key changes, so that old keys never match new ones."""


def content_key(
    *,
    tree: str,
    dockerfile: str,
    build_args: Mapping[str, str] | None = None,
    bases: Mapping[str, str] | None = None,
) -> str:
    """64 hex digits. `tree` is the hash of the tree of contextDir; `bases` maps each base image of the
    Dockerfile to its digest, '' when that is not known."""
    known = bases if bases is not None else dict.fromkeys(base_images(dockerfile), "")
    parts = [VERSION, tree, dockerfile, sorted((build_args or {}).items()), sorted(known.items())]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def base_images(dockerfile: str) -> tuple[str, ...]:
    """The images a Dockerfile starts from, as written, sorted; its own stages and `scratch` left out."""
    stages: set[str] = set()
    images: set[str] = set()
    for line in re.findall(r"^[ \t]*FROM[ \t]+(.+?)[ \t\r]*$", dockerfile, re.IGNORECASE | re.MULTILINE):
        words = [word for word in line.split() if not word.startswith("--")]
        if not words:
            continue
        if words[0].lower() not in stages and words[0].lower() != "scratch":
            images.add(words[0])
        if len(words) == 3 and words[1].lower() == "as":
            stages.add(words[2].lower())
    return tuple(sorted(images))
