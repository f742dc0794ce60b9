"""Buildpacks: how source in some language becomes an image, as data.

    buildpacks/<name>/buildpack.yaml     what fits, which facts to read from the source, runtime image
    buildpacks/<name>/Dockerfile.j2      the Dockerfile, a template over those facts
    buildpacks/<name>/README.md          for people

A further language is a further folder; no Python is needed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from paas.shipped import shipped
from paas.source.buildpack import Buildpack

FOLDER_ENV: Final = "PAAS_BUILDPACKS"


class BadBuildpack(Exception):
    """A buildpack's files do not say what they must; the message names file and field."""


def load(folder: Path | None = None) -> tuple[Buildpack, ...]:
    """All buildpacks of a folder (default: $PAAS_BUILDPACKS, else those that come with the code), in the
    order in which they are tried. Raises BadBuildpack."""
    root = folder or Path(os.environ.get(FOLDER_ENV) or shipped("buildpacks"))
    packs = [_read(path.parent) for path in sorted(root.glob("*/buildpack.yaml"))]
    if not packs:
        raise BadBuildpack(f"there are no buildpacks in {root}; set {FOLDER_ENV} to their folder")
    return tuple(sorted(packs, key=lambda pack: (pack.order, pack.name)))


def _read(folder: Path) -> Buildpack:
    path = folder / "buildpack.yaml"
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        template = (folder / "Dockerfile.j2").read_text(encoding="utf-8")
        if not isinstance(said, dict):
            raise BadBuildpack(f"{path}: must be a mapping")
        return Buildpack.model_validate({**said, "name": folder.name, "template": template})
    except (OSError, yaml.YAMLError, ValidationError) as problem:
        raise BadBuildpack(f"{path}: {problem}") from problem
