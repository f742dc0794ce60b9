"""new-app: looks at the source, says what it will make, makes it, and connects the clone.

    folder or https URL ──detect──▶ AppSpec ──template──▶ objects ──create──▶ cluster
                                                             └─ --dry-run -o yaml: the commented text

A failure half-way says what exists by then; `--continue` goes on from there, since the objects of one
application carry its name in their labels.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from paas.api import names
from paas.api.names import Reason
from paas.api.resources import NAMESPACE, Key, Manifest, key_of, resource_of
from paas.api.webhook_addresses import hook
from paas.git import clone as clones
from paas.git.clone import Checkout
from paas.kube.body import is_unicode
from paas.source.buildpacks import load
from paas.source.detect import Detected, Unbuildable, detect
from paas.source.folders import buildable_folders
from paas.source.trees import FolderTree
from paas.templates import naming
from paas.templates.render import AppSpec, objects, render
from paas.terminal.naming import variable_not_text
from paas.terminal.output import short_name
from paas.terminal.problem import ExitCode, Problem, explain, usage
from paas.terminal.session import Session

APPLIER = "kubectl"
"""Field manager of the objects: that of kubectl, so that `kubectl apply --server-side -f FILE` of the text
that new-app prints goes on from what it made, without a conflict."""
DEFAULT_PORT = 8080
LOOK_WITHIN = 60.0
"""Seconds that looking into an external repository may take."""


@dataclass(frozen=True)
class Wanted:
    """What the command line says; `source` is a folder or an https URL."""

    source: str = "."
    name: str | None = None
    ref: str | None = None
    context_dir: str | None = None
    env: tuple[str, ...] = ()
    port: int | None = None
    remote: str = "paas"


@dataclass(frozen=True)
class Found:
    """What was found in the source. `clone` is None for a URL; `branch` is the one to push."""

    app: AppSpec
    facts: tuple[str, ...]
    clone: Checkout | None = None
    branch: str | None = None


def variables(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """--env values as pairs. Raises Problem (usage)."""
    pairs = []
    for text in given:
        pair = naming.variable(text)
        if pair is None:
            raise usage(f'--env "{text}" is not NAME=VALUE', hint="paas new-app --env GREETING=hello")
        if not is_unicode(text):
            raise variable_not_text(pair[0])
        pairs.append(pair)
    return tuple(dict(pairs).items())


async def look(wanted: Wanted, project: str) -> Found:
    """Look at the source; no cluster is asked. Raises Problem when an application cannot be made of it."""
    if wanted.name is not None and (why := naming.problem_of(wanted.name)):
        hint = f"paas new-app --name {naming.suggestion(wanted.name) or 'my-app'}"
        raise usage(f'"{wanted.name}" cannot be the name of an application', why=why, hint=hint)
    env = variables(wanted.env)
    for option, text in (("--ref", wanted.ref), ("--context-dir", wanted.context_dir)):
        if text is not None and not is_unicode(text):
            raise usage(
                f"{option} is not valid UTF-8", hint="rename it in the repository: git mv, git branch -m"
            )
    if port := dict(env).get("PORT"):
        if wanted.port is not None and port != str(wanted.port):
            raise usage(
                f"--port {wanted.port} and --env PORT={port} contradict each other",
                why="the application gets its port as $PORT",
                hint="leave one of them out",
            )
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise usage(f'--env "PORT={port}" is not a port', hint="--port 8080")
        wanted = Wanted(**{**wanted.__dict__, "port": int(port)})
    if naming.is_url(wanted.source):
        return await _external(wanted, project, env)
    return _hosted(wanted, project, env)


def _name(wanted: Wanted, natural: str) -> str:
    name = wanted.name or naming.suggestion(natural)
    if not name:
        raise usage(f'no name can be made of "{natural}"', hint="paas new-app --name my-app")
    return name


def _last(context_dir: str | None) -> str:
    """What an application of a folder of the repository is called after; '' for the whole repository."""
    return (context_dir or "").rstrip("/").rpartition("/")[2].strip(".")


def _hosted(wanted: Wanted, project: str, env: tuple[tuple[str, str], ...]) -> Found:
    folder = Path(wanted.source)
    clone = clones.find(folder)
    if wanted.context_dir is not None and clone.below:
        raise usage(
            "--context-dir and a folder below the repository's top exclude each other",
            hint=shlex.join(("paas", "new-app", str(clone.root), "--context-dir", wanted.context_dir)),
        )
    context_dir = wanted.context_dir or clone.below or None
    branch = wanted.ref or clones.branch(clone)
    if branch is None:
        raise Problem(
            "there is no branch to push",
            why="HEAD is detached",
            hint="git switch -c main, or give --ref BRANCH",
        )
    if wanted.ref is not None and clones.has_commits(clone) and not clones.has_branch(clone, wanted.ref):
        raise Problem(
            f'there is no branch "{wanted.ref}" to push',
            hint=f"git switch -c {shlex.quote(wanted.ref)}, or leave --ref out",
        )
    detected = _detect(clone.root, context_dir)
    name = _name(wanted, _last(context_dir) or folder.resolve().name)
    facts = list(detected.found)
    if wanted.port is not None and detected.port not in (None, wanted.port):
        facts.append(f"Port {wanted.port} as given is used instead; the application gets it as $PORT")
    if not clones.has_commits(clone):
        facts.append("Nothing is committed yet")
    elif count := clones.uncommitted(clone):
        facts.append(f"{count} changed or new files are not committed; only commits are pushed")
    pack = detected.buildpack.title if detected.buildpack else "Dockerfile"
    app = AppSpec(
        name=name,
        project=project,
        port=wanted.port or detected.port or DEFAULT_PORT,
        summary=f"{pack}, source pushed to the platform",
        # what the explanation says must be so: without it, the branch that is pushed first would deploy
        ref=wanted.ref or (branch if is_unicode(branch) else None),
        context_dir=context_dir,
        env=env,
    )
    return Found(app, tuple(facts), clone, branch)


async def _external(wanted: Wanted, project: str, env: tuple[tuple[str, str], ...]) -> Found:
    url = wanted.source
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise usage(
            f"{url} cannot be built from",
            why="only https repositories can; ssh and git are not supported yet",
            hint="paas new-app https://host/team/repo.git, or a folder to push it yourself",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise usage(
            "the URL must not contain a user, query or fragment",
            why="it is stored in the BuildConfig, where everybody in the project reads it",
            hint="leave them out; a private repository needs: kubectl create secret generic NAME "
            "--from-literal=username=USER --from-literal=password=TOKEN, "
            "and spec.source.sourceSecret.name: NAME by kubectl edit bc/APP",
        )
    try:
        detected = await asyncio.to_thread(_look_into, url, wanted.ref, wanted.context_dir)
        facts = detected.found
        how = detected.buildpack.title if detected.buildpack else "Dockerfile"
    except _CannotLook as problem:
        detected, how = Detected(), "to be detected"
        facts = (f"Could not look into it from here ({problem}); the build will say what it finds",)
    app = AppSpec(
        name=_name(wanted, _last(wanted.context_dir) or naming.last_part(url)),
        project=project,
        port=wanted.port or detected.port or DEFAULT_PORT,
        summary=f"{how}, source at {url}",
        uri=url,
        ref=wanted.ref,
        context_dir=wanted.context_dir,
        env=env,
        webhook_key=secrets.token_hex(20),
    )
    return Found(app, tuple(facts))


class _CannotLook(Exception):
    """Why the repository could not be read from here."""


def _look_into(url: str, ref: str | None, context_dir: str | None) -> Detected:
    """Detect in a shallow clone, made with the user's own git and its settings."""
    with tempfile.TemporaryDirectory(prefix="paas-new-app-") as folder:
        command = ["git", "clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags"]
        command += ["--branch", ref] if ref else []
        command += ["--config", "core.symlinks=false", "--", url, f"{folder}/source"]
        environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https"}
        try:
            subprocess.run(
                command, env={**os.environ, **environment}, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=LOOK_WITHIN, check=True,
            )  # fmt: skip
        except subprocess.CalledProcessError as problem:
            lines = [line for line in str(problem.stderr).splitlines() if line.strip()]
            raise _CannotLook(lines[-1] if lines else "git clone failed") from problem
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise _CannotLook(str(problem)) from problem
        return _detect(Path(folder, "source"), context_dir)


def _detect(root: Path, context_dir: str | None) -> Detected:
    tree, packs = FolderTree(root), load()
    try:
        return detect(tree, packs, context_dir=context_dir)
    except Unbuildable as problem:
        hint = problem.hint
        if hint and problem.reason in (Reason.INVALID_CONTEXT_DIRECTORY, Reason.NO_BUILDPACK):
            folders = buildable_folders(tree, packs)
            hint = (
                f"name a folder that can be built: --context-dir {' or '.join(folders)}" if folders else hint
            )
        raise Problem(problem.what, why=str(problem.reason), hint=hint) from problem


def explanation(found: Found) -> list[str]:
    """What was found, what will be made of it and what triggers what; before anything is made."""
    app = found.app
    lines = [f"--> Found {app.uri or (found.clone.root if found.clone else app.name)}"]
    if app.context_dir:
        lines.append(f"    * Folder {app.context_dir} of the repository")
    lines += [f"    * {fact}" for fact in found.facts]
    lines.append(f'--> Application "{app.name}" in project "{app.project}" will get')
    if app.uri:
        lines.append(
            f"    * BuildConfig {app.name}: builds {app.uri}{f' at {app.ref}' if app.ref else ''}, now and"
        )
        lines.append("      whenever the git host tells of a push (webhook)")
        lines.append(f"    * Secret {app.name}-webhook: the key that signs those webhooks")
    else:
        lines.append(
            f"    * BuildConfig {app.name}: every push to {found.branch} starts a build; other branches"
        )
        lines.append("      are stored only (--ref chooses another one)")
    lines.append(f"    * ImageStream {app.name}: every build puts its image into {app.name}:latest")
    lines.append(
        f"    * DeploymentConfig {app.name}: every new image, and every change of its template, is rolled"
    )
    lines.append("      out without a pause; one that does not become ready is taken back")
    lines.append(f"    * Service {app.name}: port 80 inside the cluster, to port {app.port} of the pods")
    lines.append(f"    * Route {app.name}: an https address for the Service; http is redirected to it")
    return lines


async def check_project(session: Session, project: str) -> None:
    """Raise Problem when the namespace is not a project."""
    from paas.kube.errors import Forbidden

    try:
        found = await (await session.cluster()).get(NAMESPACE, Key("", project))
    except Forbidden:
        return  # may be one all the same; what follows says what is not allowed
    if found is None:
        raise Problem(
            f'project "{project}" does not exist', hint=f"paas new-project {project}", code=ExitCode.NOT_FOUND
        )
    if (found["metadata"].get("labels") or {}).get(names.LABEL_PROJECT) != "true":
        raise Problem(
            f'namespace "{project}" is not a project',
            why="the platform leaves other namespaces alone",
            hint="make one and switch to it: paas new-project demo",
        )


async def create(session: Session, found: Found, *, go_on: bool) -> list[tuple[Manifest, bool]]:
    """Make the objects; each with whether it was made now. Raises Problem, also half-way."""
    cluster, app = await session.cluster(), found.app
    wanted = objects(render(app))
    live = await asyncio.gather(*(cluster.get(resource_of(m), key_of(m)) for m in wanted))
    taken = [m for m in live if m is not None and not (go_on and _part_of(m) == app.name)]
    if taken:
        listed = ", ".join(short_name(m) for m in taken)
        ours = any(_part_of(m) == app.name for m in taken)
        over = f"paas delete app {app.name} -n {app.project}"
        again = f"go on with --continue, start over with: {over}, or take another one with --name"
        raise Problem(
            f'the name "{app.name}" is taken in project "{app.project}"',
            why=listed,
            hint=again if ours else "take another one with --name",
        )
    made: list[tuple[Manifest, bool]] = []
    for manifest, existing in zip(wanted, live, strict=True):
        if existing is not None:
            made.append((existing, False))
            continue
        try:
            # not forced: an object that came under this name meanwhile is a conflict
            made.append((await cluster.apply(manifest, manager=APPLIER, force=False), True))
        except Exception as cause:
            # whatever it is, it is told, after what was made before it
            raise _half_way(manifest, made, explain(cause), app) from cause
    return made


def _part_of(manifest: Manifest) -> str | None:
    return (manifest["metadata"].get("labels") or {}).get(names.LABEL_PART_OF)


def _half_way(
    manifest: Manifest, made: Sequence[tuple[Manifest, bool]], cause: Problem, app: AppSpec
) -> Problem:
    exists = ", ".join(short_name(m) for m, _ in made)
    why = "; ".join(filter(None, (cause.what, cause.why)))
    delete = f"paas delete app {app.name} -n {app.project}"
    return Problem(
        f"{short_name(manifest)} could not be made",
        why=why + (f"; these exist: {exists}" if made else "; nothing was made"),
        hint=(
            f"fix it and run the same command with --continue, or delete what exists: {delete}"
            if made
            else cause.hint
        ),
        code=cause.code,
    )


def next_steps(found: Found, *, remote: str, server: str) -> list[str]:
    """What to type after the objects are made; `server` is the platform's URL."""
    app = found.app
    where = f" -n {app.project}"
    look = f"Everything at one look: paas status {app.name}{where}"
    if found.clone is None:
        github = hook(server, app.project, app.name, "github", secret=f"{app.name}-webhook")
        return [
            f"The first build starts by itself; follow it: paas logs -f bc/{app.name}{where}",
            "Let pushes build too: add a webhook to the repository (content type application/json)",
            f"  address: {github.address}",
            f"  secret:  {github.secret_command}",
            f"  both again: paas webhooks {app.name}{where}",
            look,
        ]
    lines = [f"The clone has the remote {remote} now; git gets its password from your kubeconfig."]
    if not clones.has_commits(found.clone):
        lines.append("Commit first: git add . && git commit -m 'First version'")
    return [*lines, f"Deploy it: git push {remote} {shlex.quote(found.branch or 'HEAD')}", look]
