"""Commands about repositories: git-remote."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from paas.api.resources import BUILDCONFIG, Key
from paas.git import clone as clones
from paas.terminal.naming import BUILDCONFIG_WORDS, plain_name
from paas.terminal.problem import ExitCode, Problem, not_found
from paas.terminal.session import Session, command

Remote = Annotated[str, typer.Option("--remote", help="Name of the git remote.")]


def register(app: typer.Typer) -> None:
    command(app, "git-remote")(git_remote)


async def git_remote(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Application: shop or bc/shop.")],
    *,
    folder: Annotated[Path, typer.Option("--directory", "-C", help="A folder of the clone.")] = Path("."),
    remote: Remote = "paas",
) -> ExitCode | None:
    """Connect this clone to an application: remote, credential helper, CA.

    Example: git clone … && cd shop && paas git-remote shop
    """
    wanted = plain_name(name, BUILDCONFIG_WORDS)
    key = Key(await session.project(), wanted)
    found = await (await session.cluster()).get(BUILDCONFIG, key)
    if found is None:
        raise not_found("buildconfig", key.name, key.namespace, hint="paas new-app")
    if uri := ((found["spec"].get("source") or {}).get("git") or {}).get("uri"):
        raise Problem(
            f'the source of "{key.name}" is not hosted here', why=f"it is at {uri}", hint=f"git push to {uri}"
        )
    clone = clones.find(folder)
    repository = await connect(session, clone, key, remote)
    session.print(f"remote {remote} is {repository}")
    session.say(f"next: git push {remote} {shlex.quote(clones.branch(clone) or 'HEAD:main')}")
    return None


async def connect(session: Session, clone: clones.Checkout, key: Key, remote: str) -> str:
    """Connect a clone to the repository of a BuildConfig; its URL."""
    platform = await session.platform()
    repository = platform.repository(key.namespace, key.name)
    helper = [*program(), "git-credential", "--url", platform.url]
    # the cluster of now, also when the kubeconfig's current context is another one by then
    context = (await session.cluster()).context
    if context:
        helper += ["--context", context]
    if kubeconfig := session.kubeconfig or os.environ.get("KUBECONFIG"):
        files = [str(Path(part).absolute()) for part in str(kubeconfig).split(os.pathsep) if part]
        if len(files) == 1:
            helper += ["--kubeconfig", files[0]]
    helper += ["--namespace", key.namespace]
    clones.connect(
        clone, remote=remote, repository=repository, platform=platform.url, ca=platform.ca, helper=helper
    )
    return repository


def program() -> list[str]:
    """How git is to start this program: the installed one, else this Python with the package."""
    started = Path(sys.argv[0])
    if started.name in ("paas", "kubectl-paas") and (found := shutil.which(str(started))):
        return [str(Path(found).absolute())]
    return [sys.executable, "-m", "paas.cli"]
