"""Which version this is: that of the package, and the commit it is made of if that is known."""

from __future__ import annotations

import subprocess

from paas.shipped import CARRIED, PACKAGE


def version() -> str:
    """`paas 0.1.0 (commit 0123456789ab)`, or without the commit."""
    from importlib import metadata

    try:
        number = metadata.version("paas")
    except metadata.PackageNotFoundError:
        number = "unknown"  # the code is run from a folder, for instance in the platform's image
    commit = _commit()
    return f"paas {number}" + (f" (commit {commit})" if commit else "")


def _commit() -> str | None:
    if CARRIED.is_dir():
        noted = CARRIED / "COMMIT"
        return noted.read_text().strip() if noted.is_file() else None
    if not (PACKAGE.parent / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(PACKAGE.parent), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
