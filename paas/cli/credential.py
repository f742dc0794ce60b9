"""git's credential helper: `paas git-credential get|store|erase`.

git asks for the password of https://paas.<domain>/git/<project>/<name>.git, which is a token of
`terminal.platform_token`.

The helper is set for the platform's URL alone, and checks it again (`--url`), so that no other host is
ever offered a token. When it fails it tells git to quit: a prompt for a password would mislead.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from paas.terminal.kubeconfig import KubeconfigError, NoSuchContext, load
from paas.terminal.platform_token import Refused, forget_token, token_for

USERNAME = "paas"
"""The server looks at the password only."""


def parse(text: str) -> dict[str, str]:
    """git's key=value lines up to an empty one."""
    found = {}
    for line in text.splitlines():
        if not line:
            break
        key, _, value = line.partition("=")
        found[key] = value
    return found


def project_of(path: str) -> str | None:
    """The project in `git/<project>/<name>.git`, or None."""
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) >= 3 and parts[0] == "git" else None


def same_place(url: str, asked: Mapping[str, str]) -> bool:
    """Whether git asks for the platform (scheme, host and port), and for no other place."""
    ours = urlsplit(url)
    theirs = urlsplit(f"{asked.get('protocol', '')}://{asked.get('host', '')}")
    try:
        return (ours.scheme, ours.hostname, ours.port or 443) == (
            theirs.scheme, theirs.hostname, theirs.port or 443,
        )  # fmt: skip
    except ValueError:
        return False


def _hint(problem: Exception) -> str:
    """What to type next. The clone names the context of the day on which it was connected."""
    if isinstance(problem, Refused):
        return problem.hint
    if isinstance(problem, NoSuchContext) and problem.known:
        listed = ", ".join(problem.known[:10])
        return f"connect this clone again: paas git-remote NAME --context CONTEXT, with one of: {listed}"
    return "check KUBECONFIG; paas kubeconfig prints one"


def main(arguments: Sequence[str]) -> NoReturn:
    """Run as git's helper: reads the request on stdin, answers on stdout, and ends the process."""
    parser = argparse.ArgumentParser(
        prog="paas git-credential", description="git's credential helper for the platform's repositories."
    )
    parser.add_argument("--url", help="answer for this https URL only (always set by paas new-app)")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--context")
    parser.add_argument("--namespace", "-n", help="project, when git does not send the path")
    parser.add_argument("operation", choices=["get", "store", "erase"])
    given = parser.parse_args(arguments)
    if given.operation == "store":
        sys.exit(0)  # what was accepted is kept already
    asked = parse(sys.stdin.read())
    if not given.url:
        sys.stderr.write("error: git-credential without --url gives no token (it could go to any host)\n")
        sys.stderr.write("hint: paas git-remote NAME sets it up for this repository\n")
        sys.exit(0)
    if not same_place(given.url, asked):
        sys.exit(0)
    try:
        login = load(given.kubeconfig, context=given.context)
        project = project_of(asked.get("path", "")) or given.namespace or login.namespace
        if given.operation == "erase":
            # git erases what the server refused; the next attempt must ask for a new one
            forget_token(login, project, environment=os.environ)
            if login.token is not None:
                sys.stderr.write(
                    f'error: the platform does not accept the token of user "{login.user}" in the kubeconfig'
                    "\nhint: it has expired or belongs to another cluster: log in again, or connect the "
                    "clone to another context: paas git-remote NAME --context CONTEXT\n"
                )
            sys.exit(0)
        token, expires = token_for(login, project, environment=os.environ)
    except (Refused, KubeconfigError, OSError, ValueError) as problem:
        hint = _hint(problem)
        sys.stderr.write(f"error: no credential for {given.url} ({problem})\nhint: {hint}\n")
        sys.stdout.write("quit=1\n")
        sys.exit(0)
    lines = [f"username={USERNAME}", f"password={token}"]
    if expires is not None:
        lines.append(f"password_expiry_utc={int(expires)}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(0)
