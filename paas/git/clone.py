"""A person's own clone: what `new-app` reads from it, and how it is told of the platform.

Only settings of that one clone are written, all of them for the platform's URL alone: the remote, the
credential helper, and the CA that git checks the platform's certificate with.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from paas.terminal.problem import ExitCode, Problem


@dataclass(frozen=True)
class Checkout:
    """The top folder of a clone, and the folder in it that was named ('' is the top)."""

    root: Path
    below: str


def git(*arguments: str, cwd: Path) -> str | None:
    """Output of a git command, or None when it fails. Raises Problem without git."""
    done = _run(*arguments, cwd=cwd)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",  # names of files and branches are bytes
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise Problem("git is not installed", hint="apt-get install git") from None
    except PermissionError as problem:
        raise Problem(f"{cwd} cannot be entered", why=str(problem)) from None


def find(folder: Path) -> Checkout:
    """The clone that `folder` is in. Raises Problem when there is none."""
    if not folder.is_dir():
        raise Problem(
            f"there is no folder {folder}", hint="name a folder, or an https URL", code=ExitCode.NOT_FOUND
        )
    asked = _run("rev-parse", "--show-toplevel", cwd=folder)
    top = asked.stdout.rstrip("\n") if asked.returncode == 0 else ""
    if not top and git("rev-parse", "--git-dir", cwd=folder) is not None:
        raise Problem(
            f"{folder} is a git repository without a working folder",
            why="new-app looks at the files of a clone",
            hint=f"git clone {shlex.quote(str(folder))} shop && cd shop",
        )
    if not top and "not a git repository" not in asked.stderr:
        words = [line for line in asked.stderr.splitlines() if line.strip()]
        raise Problem(
            f"git cannot read the repository at {folder}",
            why=words[0].removeprefix("fatal: ") if words else f"git ended with code {asked.returncode}",
            hint=words[-1].strip() if len(words) > 1 else f"git -C {shlex.quote(str(folder))} status",
        )
    if not top:
        raise Problem(
            f"{folder} is not in a git repository",
            why="applications are deployed by git push",
            hint=("" if folder == Path(".") else f"cd {shlex.quote(str(folder))} && ")
            + "git init && git add . && git commit -m 'First version'",
        )
    if (hashes := git("rev-parse", "--show-object-format", cwd=folder)) not in (None, "sha1"):
        raise Problem(
            f"{folder} is a git repository that names its objects by {hashes}",
            why="the platform's repositories name them by sha1, and git cannot push from one to the other",
            hint="git init --object-format=sha1 in a new folder, copy the files, and commit them there",
        )
    root = Path(top).resolve()
    below = folder.resolve().relative_to(root).as_posix()
    return Checkout(root, "" if below == "." else below)


def branch(checkout: Checkout) -> str | None:
    """The current branch (also when it has no commit yet), or None when HEAD is detached."""
    return git("symbolic-ref", "--quiet", "--short", "HEAD", cwd=checkout.root)


def has_branch(checkout: Checkout, name: str) -> bool:
    return (
        git("rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{commit}}", cwd=checkout.root)
        is not None
    )


def has_commits(checkout: Checkout) -> bool:
    return git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=checkout.root) is not None


def uncommitted(checkout: Checkout) -> int:
    """How many files differ from the last commit."""
    return len((git("status", "--porcelain", cwd=checkout.root) or "").splitlines())


def remote_url(checkout: Checkout, remote: str) -> str | None:
    return git("config", "--get", f"remote.{remote}.url", cwd=checkout.root)


def check_remote(checkout: Checkout, remote: str, repository: str) -> None:
    """Raise Problem when the remote exists and leads elsewhere."""
    known = remote_url(checkout, remote)
    if known is not None and known != repository:
        raise Problem(
            f'the remote "{remote}" exists already',
            why=f"it leads to {known}",
            hint=f"give another name with --remote, or remove it: git remote remove {remote}",
        )


def connect(
    checkout: Checkout, *, remote: str, repository: str, platform: str, ca: str, helper: list[str]
) -> None:
    """Add the remote for the URL `repository`, and for all URLs of `platform` the CA (PEM) and the
    credential helper (its argument list). Raises Problem."""
    check_remote(checkout, remote, repository)
    if remote_url(checkout, remote) is None:
        _set(checkout, "remote", "add", remote, repository)
    if ca:
        file = write_ca(platform, ca, os.environ)
        _set(checkout, "config", f"http.{platform}/.sslCAInfo", str(file))
        # $GIT_SSL_CAINFO (set where a company has a CA of its own) beats the setting above, not this one
        _set(checkout, "config", f"http.{platform}/.sslCAPath", str(file.parent))
    section = f"credential.{platform}"
    # an empty helper first: one that people have for all hosts would keep our short-lived token
    _set(checkout, "config", "--replace-all", f"{section}.helper", "")
    _set(checkout, "config", "--add", f"{section}.helper", "!" + shlex.join(helper))
    _set(checkout, "config", f"{section}.useHttpPath", "true")


def write_ca(platform: str, ca: str, environment: Mapping[str, str]) -> Path:
    """Keep the platform's CA in the user's configuration folder, in a folder of its own; the file."""
    home = environment.get("XDG_CONFIG_HOME")
    host = urlsplit(platform).netloc.replace(":", "_")
    folder = (Path(home) if home else Path.home() / ".config") / "paas" / host
    path = folder / "ca.crt"
    if not path.is_file() or path.read_text() != ca:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(ca)
    return path


def _set(checkout: Checkout, *arguments: str) -> None:
    if git(*arguments, cwd=checkout.root) is None:
        raise Problem(
            f"git {shlex.join(arguments)} failed in {checkout.root}",
            hint="check that .git/config can be written",
        )
