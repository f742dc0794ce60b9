"""The command delete: applications, or objects of any kind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from paas.api.resources import key_of, resource_of
from paas.cli.objects import OUR_WORDS, PROJECT_WORDS
from paas.terminal.naming import APP_WORDS
from paas.terminal.output import short_name
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import Session, command

if TYPE_CHECKING:
    from paas.api.resources import Manifest, Resource
    from paas.cli.objects import Named
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
    selector: Annotated[str | None, typer.Option("--selector", "-l", help="Those with these labels.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> ExitCode | None:
    """Delete applications or objects of any kind; says what goes with them.

    Example: paas delete app shop
    """
    from paas.apps.snapshot import snapshot
    from paas.cli.find import Selection, kinds_of, objects

    named = _named(list(what or ()), all_=all_, selector=selector)
    project = await session.project()
    cluster = await session.cluster()
    of_kinds = [n for n in named if n.kind is not None]
    kinds = await kinds_of(
        cluster,
        [replace(n, kind="namespaces") if n.kind in PROJECT_WORDS else n for n in of_kinds],
        verb="delete",
    )
    seen = await snapshot(cluster, project)
    doomed: list[tuple[Resource, Manifest]] = []
    for n, kind in zip(of_kinds, kinds, strict=True):
        where = project if kind.resource.namespaced else None
        found = await objects(cluster, kind, Selection(where, n.name, selector if n.name is None else None))
        if n.kind in PROJECT_WORDS:
            _check_projects(found)
        doomed += [(kind.resource, obj) for obj in found]
        for obj in found:
            for line in await _goes_with_project(cluster, obj) or _goes_with(obj, seen.builds):
                session.say(line)
    for n in named:
        if n.kind is None:
            for app in [n.name] if n.name else seen.apps():
                doomed += await _of_application(session, cluster, project, app, seen.builds)
    if not doomed:
        await session.must_exist(project)
        session.say(f'Nothing to delete in project "{project}".')
        return None
    many = all_ or selector or any(n.kind is None or n.kind in PROJECT_WORDS for n in named)
    ask = not yes and many and sys.stdin.isatty()
    if ask and not typer.confirm(_question([obj for _, obj in doomed], project), err=True):
        session.say("Nothing is deleted.")
        return None
    for resource, obj in doomed:
        gone = await cluster.delete(resource, key_of(obj), uid=obj["metadata"]["uid"])
        with suppress(BrokenPipeError):
            session.print(f"{short_name(obj)} {'deleted' if gone else 'was gone already'}")
    return None


def _named(what: list[str], *, all_: bool, selector: str | None) -> list[Named]:
    """What is to be deleted. Raises Problem (usage) when that is not said clearly."""
    from paas.cli.objects import parse

    if not what and not all_:
        raise usage("nothing to delete is named", hint="paas delete app shop")
    named = parse(what or ["app"])
    if (all_ or selector) and any(n.name is not None for n in named):
        raise usage("names exclude --all and --selector", hint="leave one of them out")
    if all_ and selector:
        raise usage("--all and --selector exclude each other", hint="leave one of them out")
    if selector and any(n.kind is None for n in named):
        raise usage("applications are deleted by name", hint="paas delete app NAME")
    if not (all_ or selector) and any(n.name is None for n in named):
        hint = f"paas delete {what[0]} NAME, or --all"
        if what[0].lower() not in (*OUR_WORDS, *APP_WORDS, *PROJECT_WORDS):
            hint = f"for an application: paas delete app {what[0]}; else {hint}"
        raise usage("no name is given", hint=hint)
    return named


async def _of_application(
    session: Session, cluster: Cluster, project: str, app: str, builds: Sequence[Manifest]
) -> list[tuple[Resource, Manifest]]:
    """The objects of an application, in the order in which they are deleted; says what goes with them."""
    from paas.apps.snapshot import own_objects

    objects = await own_objects(cluster, project, app)
    if not objects:
        await session.must_exist(project)
        raise not_found("application", app, project, hint=f"paas get apps -n {project}")
    session.say(f'Application "{app}": {len(objects)} objects, and with them')
    for line in [line for obj in objects for line in _goes_with(obj, builds)]:
        session.say(line)
    return [(resource_of(obj), obj) for obj in objects]


def _question(objects: Sequence[Manifest], project: str) -> str:
    if all(obj["kind"] == "Namespace" for obj in objects):
        return f"Delete {', '.join(obj['metadata']['name'] for obj in objects)} and everything in it?"
    count = f"{len(objects)} object{'' if len(objects) == 1 else 's'}"
    return f'Delete {count} in project "{project}"?'


def _check_projects(found: Sequence[Manifest]) -> None:
    """Only a project is deleted as one. Raises Problem."""
    from paas.api.project import is_project

    for obj in found:
        if not is_project(obj):
            name = obj["metadata"]["name"]
            raise Problem(f'namespace "{name}" is not a project', hint=f"kubectl delete namespace {name}")


async def _goes_with_project(cluster: Cluster, obj: Manifest) -> list[str]:
    """What goes with a namespace: everything in it."""
    from paas.apps.snapshot import snapshot

    if obj["kind"] != "Namespace":
        return []
    name = obj["metadata"]["name"]
    apps = (await snapshot(cluster, name)).apps()
    listed = f"its applications ({', '.join(apps)}), and " if apps else ""
    return [f"  * Namespace {name}: {listed}everything else in it"]


def _goes_with(obj: Manifest, builds: Sequence[Manifest]) -> list[str]:
    """What else an object's deletion takes away, in words."""
    name, kind = obj["metadata"]["name"], obj["kind"]
    if kind == "BuildConfig":
        own = [b for b in builds if b["spec"].get("buildConfigUid") == obj["metadata"]["uid"]]
        lines = [f"  * BuildConfig {name}: {_builds(len(own))}"]
        if not ((obj["spec"].get("source") or {}).get("git") or {}).get("uri"):
            lines.append(
                "  * the repository hosted here (kept for 7 days, in which an administrator can bring it "
                "back; your clone stays)"
            )
        return lines
    if kind == "DeploymentConfig":
        return [f"  * DeploymentConfig {name}: its pods and all its revisions; it serves no more"]
    if kind == "ImageStream":
        return [f"  * ImageStream {name}: the history of its images; nothing can be rolled back to them"]
    if kind == "Route":
        url = (obj.get("status") or {}).get("url")
        return [
            f"  * Route {name}: {url} answers no more" if url else f"  * Route {name}, which has no address"
        ]
    if kind == "Build":
        return [f"  * Build {name}: its pod and log" + ("" if _over(obj) else "; it is running")]
    return []


def _builds(count: int) -> str:
    match count:
        case 0:
            return "it has no builds"
        case 1:
            return "its build with its log"
        case _:
            return f"its {count} builds with their logs"


def _over(build: Manifest) -> bool:
    return (build.get("status") or {}).get("phase") in ("Complete", "Failed", "Error", "Cancelled")
