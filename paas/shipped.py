"""Where the files are that come with the code: manifests, buildpacks, documentation, and what the platform's
image is made of.

In a checkout they lie beside `paas/`; a wheel carries them in `paas/_shipped/` (pyproject.toml says which).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
CARRIED: Final = PACKAGE / "_shipped"


def shipped(name: str) -> Path:
    """The file or folder `name`, as it is called at the top of a checkout: `deploy`, `crds`, `buildpacks`."""
    if name == PACKAGE.name:
        return PACKAGE
    return (CARRIED if CARRIED.is_dir() else PACKAGE.parent) / name


def page(name: str) -> str:
    """Where a page of the documentation is on this machine, for a hint."""
    return str(shipped("docs") / name)
