"""Puts into a wheel what the code needs beside itself (paas/shipped.py), and the commit it is made of."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("Dockerfile", "requirements.txt", "buildpacks", "crds", "deploy", "docs")


class CustomBuildHook(BuildHookInterface):
    """An editable install has none of this: its code finds the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        build_data["force_include"].update({name: f"paas/_shipped/{name}" for name in SHIPPED})
        if commit := _commit(Path(self.root)):
            self._folder = tempfile.TemporaryDirectory()
            made = Path(self._folder.name) / "COMMIT"
            made.write_text(commit + "\n")
            build_data["force_include"][str(made)] = "paas/_shipped/COMMIT"


def _commit(folder: Path) -> str | None:
    """The short id of the commit that is checked out, or None outside of a checkout of this project."""
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
