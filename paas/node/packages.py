"""Debian packages that the embedded cluster runs on, installed when missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from paas.node.errors import NodeError
from paas.node.toolchain import Progress

# What to find on the machine → the package that brings it. Commands, or absolute paths of files (globs).
NEEDED_TO_RUN = {
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "pasta": "passt",
    "catatonit": "catatonit",
    "nsenter": "util-linux",
    "mount": "mount",
    "git": "git",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "/usr/lib/*/libseccomp.so.2": "libseccomp2",
}
NEEDED_FOR_IMAGES = {
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",  # Ubuntu lacks it
}
NEEDED_TO_COMPILE = {
    "gcc": "gcc",
    "pkg-config": "pkg-config",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/*/bits/libc-header-start.h": "libc6-dev",
}


def missing(needs: dict[str, str], *, present: Callable[[str], bool] | None = None) -> list[str]:
    """The packages among `needs` whose command or file is not there, each once, in order."""
    there = present or is_present
    return list(dict.fromkeys(package for thing, package in needs.items() if not there(thing)))


def is_present(thing: str) -> bool:
    if thing.startswith("/"):
        return any(Path("/").glob(thing[1:]))
    return shutil.which(thing, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def install_command(packages: Sequence[str]) -> str:
    return f"apt-get install -y --no-install-recommends {' '.join(packages)}"


def ensure(needs: dict[str, str], *, progress: Progress) -> None:
    """Install what is missing with apt-get; NodeError on machines without it or when that fails."""
    absent = missing(needs)
    if not absent:
        return
    if shutil.which("apt-get") is None:
        raise NodeError(
            f"Missing on this machine: {', '.join(absent)} (Debian's names of the packages)",
            why="there is no apt-get to install them with",
            next_step="install them by this machine's own package manager and run the same command again",
        )
    progress(f"Installing Debian packages: {', '.join(absent)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = ["apt-get", "update", "-qq"]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent]
    result = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:  # most often because the lists are old or were never fetched
        subprocess.run(update, env=environment, capture_output=True, text=True, check=False)
        result = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NodeError(
            f"Installing {', '.join(absent)} failed:\n{(result.stderr or result.stdout).strip()[-1000:]}",
            why="the embedded cluster needs these Debian packages",
            next_step=f"run `apt-get update && {install_command(absent)}`, then the same command again",
        )


def all_needs(parts: Collection[str] = ("run", "images")) -> dict[str, str]:
    """Needs by part: run, images, compile."""
    table = {"run": NEEDED_TO_RUN, "images": NEEDED_FOR_IMAGES, "compile": NEEDED_TO_COMPILE}
    return {thing: package for part in parts for thing, package in table[part].items()}
