"""The command delete: applications, or objects of any kind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.output import short_name
from paas.terminal.problem import ExitCode, not_found, usage
from paas.terminal.session import Session, command

if TYPE_CHECKING:
    from paas.api.resources import Manifest
    from paas.kube.cluster import Cluster


def register(app: typer.Typer) -> None:
    command(app, "delete")(delete)


async def delete(
    session: Session,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="app NAME... | KIND NAME... | KIND/NAME...", help="What to delete."),
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All applications, or all of the kind.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> ExitCode | None:
    """Delete applications or objects of any kind; says what goes with them.

    Example: paas delete app shop
    """
    from paas.apps.snapshot import own_objects, snapshot
    from paas.cli.get import find
    from paas.cli.objects import parse

    project = await session.project()
    cluster = await session.cluster()
    if not what and not all_:
        raise usage("nothing to delete is named", hint="paas delete app shop")
    named = parse(list(what) if what else ["app"])
    if not all_ and any(n.name is None for n in named):
        raise usage("no name is given", hint=f"paas delete {what[0] if what else 'app'} NAME, or --all")
    if what and all_ and any(n.name is not None for n in named):
        raise usage("--all and names exclude each other", hint="leave one of them out")
    seen = await snapshot(cluster, project)
    doomed: list[Manifest] = []
    for n in named:
        if n.type is not None:
            found = await find(cluster, n, project, None)
            doomed += found
            for line in [line for obj in found for line in _goes_with(obj, seen.builds)]:
                session.say(line)
            continue
        for app in [n.name] if n.name else seen.apps():
            objects = await own_objects(cluster, project, app)
            if not objects:
                raise not_found("application", app, project, hint=f"paas get apps -n {project}")
            doomed += objects
            session.say(f'Application "{app}": {len(objects)} objects, and with them')
            for line in [line for obj in objects for line in _goes_with(obj, seen.builds)]:
                session.say(line)
    if not doomed:
        session.say(f'Nothing to delete in project "{project}".')
        return None
    if not yes and sys.stdin.isatty() and (all_ or any(n.type is None for n in named)):
        typer.confirm(f'Delete {len(doomed)} objects in project "{project}"?', abort=True, err=True)
    for obj in doomed:
        await _delete(session, cluster, obj)
    return None


def _goes_with(obj: Manifest, builds: Sequence[Manifest]) -> list[str]:
    """What else an object's deletion takes away, in words."""
    name, kind = obj["metadata"]["name"], obj["kind"]
    if kind == "BuildConfig":
        own = [b for b in builds if b["spec"].get("buildConfigUid") == obj["metadata"]["uid"]]
        lines = [f"  * BuildConfig {name}: its {len(own)} builds with their logs"]
        if not ((obj["spec"].get("source") or {}).get("git") or {}).get("uri"):
            lines.append("  * the repository hosted here (kept for 7 days; your clone stays)")
        return lines
    if kind == "DeploymentConfig":
        return [f"  * DeploymentConfig {name}: its pods and all its revisions; it serves no more"]
    if kind == "ImageStream":
        return [f"  * ImageStream {name}: the history of its images; nothing can be rolled back to them"]
    if kind == "Route":
        url = (obj.get("status") or {}).get("url") or name
        return [f"  * Route {name}: {url} answers no more"]
    if kind == "Build":
        return [f"  * Build {name}: its pod and log" + ("" if _over(obj) else "; it is running")]
    return []


def _over(build: Manifest) -> bool:
    return (build.get("status") or {}).get("phase") in ("Complete", "Failed", "Error", "Cancelled")


async def _delete(session: Session, cluster: Cluster, obj: Manifest) -> None:
    from paas.api.resources import key_of, resource_of

    gone = await cluster.delete(resource_of(obj), key_of(obj), uid=obj["metadata"]["uid"])
    with suppress(BrokenPipeError):
        session.print(f"{short_name(obj)} {'deleted' if gone else 'was gone already'}")
