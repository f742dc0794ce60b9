"""Puts into a wheel what the code needs beside itself (paas/shipped.py), and the commit it is made of."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CODE = "paas"
SHIPPED = ("Dockerfile", "requirements.txt", "buildpacks", "crds", "deploy", "docs")


class CustomBuildHook(BuildHookInterface):
    """An editable install has none of this: its code finds the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        # before hatchling looks: a file that merely lies beside the code may be a secret
        excluded = self.build_config.target_config.setdefault("exclude", [])
        excluded.extend(f"/{_literal(name)}" for name in untracked_code(Path(self.root)))
        files = shipped_files(Path(self.root))
        build_data["force_include"].update({name: f"paas/_shipped/{name}" for name in files})
        if commit := _commit(Path(self.root)):
            self._folder = tempfile.TemporaryDirectory()
            made = Path(self._folder.name) / "COMMIT"
            made.write_text(commit + "\n")
            build_data["force_include"][str(made)] = "paas/_shipped/COMMIT"


def shipped_files(folder: Path) -> list[str]:
    """The files to carry: those that are in the commit, as a file that merely lies there may be a secret.
    Links are left out, since a wheel would carry what they lead to."""
    known = _tracked(folder)
    found = []
    for name in SHIPPED:
        top = folder / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            relative = path.relative_to(folder).as_posix()
            if path.is_file() and not path.is_symlink() and (known is None or relative in known):
                found.append(relative)
    return found


def untracked_code(folder: Path) -> list[str]:
    """Files below paas/ that are in no commit."""
    known = _tracked(folder, CODE)
    if known is None:
        return []
    below = [
        path
        for path in sorted((folder / CODE).rglob("*"))
        if (path.is_file() or path.is_symlink()) and "__pycache__" not in path.parts
    ]
    names = [path.relative_to(folder).as_posix() for path in below]
    return [name for name in names if name not in known]


def _literal(name: str) -> str:
    """A file's name as a pattern of its own."""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", name)


def _tracked(folder: Path, *tops: str) -> frozenset[str] | None:
    """The files that git knows, or None outside of a checkout of this project."""
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "ls-files", "-z", "--", *(tops or SHIPPED)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return frozenset(listed.split("\0"))


def _commit(folder: Path) -> str | None:
    """The short id of the commit that is checked out, or None outside of a checkout of this project."""
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
