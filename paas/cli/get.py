"""The command get: objects of any kind, and applications."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.output import Format, Table, document
from paas.terminal.problem import ExitCode, not_found, usage
from paas.terminal.session import Output, Session, command

if TYPE_CHECKING:
    from paas.api.resources import Manifest
    from paas.cli.objects import Named, Type
    from paas.kube.cluster import Cluster


def register(app: typer.Typer) -> None:
    command(app, "get")(get)


async def get(
    session: Session,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND[,KIND] [NAME...] | KIND/NAME...]", help="Default: all."),
    ] = None,
    *,
    output: Output = Format.TABLE,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all projects.")] = False,
    selector: Annotated[str | None, typer.Option("--selector", "-l", help="Only with these labels.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on as they change.")] = False,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="Leave the headings out.")] = False,
) -> ExitCode | None:
    """List objects of any kind of the cluster, and applications.

    Example: paas get builds -o wide
    """
    from paas.api.names import LABEL_PROJECT
    from paas.cli.objects import PROJECT_WORDS, parse

    project = None if everywhere else await session.project()
    arguments = list(what or ())
    if arguments and arguments[0].lower() in PROJECT_WORDS:
        arguments[0], selector = "ns", ",".join(filter(None, (selector, f"{LABEL_PROJECT}=true")))
    named = parse(arguments)
    if everywhere and any(n.name for n in named):
        raise usage("a name needs a project", hint="leave -A out and give -n PROJECT")
    if any(n.type is None for n in named):
        return await _get_apps(
            session, project, [n.name for n in named if n.type is None], output, no_headers
        )
    cluster = await session.cluster()
    if watch:
        return await _get_watch(session, cluster, named, project, selector, output)
    found = await asyncio.gather(*(find(cluster, n, project, selector) for n in named))
    objects = [obj for part in found for obj in part]
    single = len(named) == 1 and named[0].name is not None
    if output not in (Format.TABLE, Format.WIDE):
        if output is not Format.NAME or objects:
            session.print(document(objects, output, single=single))
        return None
    groups: dict[Type, list[Manifest]] = {}
    for n, part in zip(named, found, strict=True):
        assert n.type is not None
        groups.setdefault(n.type, []).extend(part)
    _print_groups(session, groups, output, everywhere=everywhere, headings=not no_headers)
    if not objects:
        session.say(f'No resources found in project "{project}".' if project else "No resources found.")
    return None


async def find(cluster: Cluster, named: Named, project: str | None, selector: str | None) -> list[Manifest]:
    from paas.api.resources import Key

    assert named.type is not None
    resource = named.type.resource
    namespace = project if resource.namespaced else None
    if named.name is None:
        return await cluster.list(resource, namespace, labels=selector)
    found = await cluster.get(resource, Key(namespace or "", named.name))
    if found is None:
        hint = f"paas get {resource.plural}" + (f" -n {namespace}" if namespace else "")
        raise not_found(named.type.title, named.name, namespace or "", hint=hint)
    return [found]


def _print_groups(
    session: Session, groups: dict[Type, list[Manifest]], output: Format, *, everywhere: bool, headings: bool
) -> None:
    from paas.terminal.columns import table

    shown = {kind: objects for kind, objects in groups.items() if objects}
    for i, (kind, objects) in enumerate(shown.items()):
        prefix = f"{kind.title}/" if len(groups) > 1 else ""
        objects.sort(key=_order)
        lines = table(
            kind.columns, objects,
            now=datetime.now(UTC), namespaces=everywhere and kind.resource.namespaced, prefix=prefix,
        ).lines(wide=output is Format.WIDE, headings=headings)  # fmt: skip
        session.print(("\n" if i else "") + "\n".join(lines))


def _order(obj: Manifest) -> tuple[str, str, int]:
    """By namespace and name, with shop-10 after shop-9."""
    base, _, number = obj["metadata"]["name"].rpartition("-")
    namespace = obj["metadata"].get("namespace", "")
    return (
        (namespace, base, int(number))
        if base and number.isdigit()
        else (namespace, obj["metadata"]["name"], -1)
    )


async def _get_watch(
    session: Session,
    cluster: Cluster,
    named: Sequence[Named],
    project: str | None,
    selector: str | None,
    output: Format,
) -> ExitCode | None:
    from paas.kube.observe import observe
    from paas.terminal.columns import table

    if len(named) != 1:
        raise usage("--watch takes one kind", hint="paas get builds -w")
    kind = named[0].type
    assert kind is not None
    seen: dict[str, str] = {}
    first = True
    namespace = project if kind.resource.namespaced else None
    async for found in observe(cluster, kind.resource, namespace, name=named[0].name, labels=selector):
        changed = [
            o for o in found.values() if seen.get(o["metadata"]["uid"]) != o["metadata"]["resourceVersion"]
        ]
        seen = {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in found.values()}
        changed = [
            {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind, **o} for o in changed
        ]
        if output not in (Format.TABLE, Format.WIDE):
            for obj in changed:
                session.print(document([obj], output, single=True))
            continue
        shown = table(kind.columns, changed, now=datetime.now(UTC), namespaces=project is None)
        for line in shown.lines(wide=output is Format.WIDE, headings=first):
            session.print(line)
        first = first and not changed
    return None


async def _get_apps(
    session: Session, project: str | None, wanted: Sequence[str | None], output: Format, no_headers: bool
) -> ExitCode | None:
    from paas.apps.snapshot import own_objects, snapshot

    if project is None:
        raise usage("applications are listed by project", hint="leave -A out, or: paas get dc -A")
    cluster = await session.cluster()
    seen = await snapshot(cluster, project)
    apps = [name for name in seen.apps() if wanted[0] is None or name in wanted]
    for name in wanted:
        if name is not None and name not in apps:
            raise not_found("application", name, project, hint=f"paas get apps -n {project}")
    if output is Format.NAME:
        for app in apps:
            session.print(f"app/{app}")
        return None
    if output in (Format.JSON, Format.YAML):
        objects = [obj for app in apps for obj in await own_objects(cluster, project, app)]
        session.print(document(objects, output, single=False))
        return None
    table = Table(["NAME", "REVISION", "READY", "BUILD", "STATUS", "URL"])
    for app in apps:
        own = seen.of(app)
        newest = max(own.builds, key=lambda b: int(b["spec"]["number"]), default=None)
        state = (own.deployment_configs[0].get("status") or {}) if own.deployment_configs else {}
        replicas = own.deployment_configs[0]["spec"].get("replicas", 1) if own.deployment_configs else 0
        urls = [u for route in own.routes if (u := (route.get("status") or {}).get("url"))]
        table.rows.append(
            [
                app,
                str(state["activeRevision"]) if state.get("activeRevision") else None,
                f"{state.get('readyReplicas') or 0}/{replicas}",
                newest["metadata"]["name"] if newest else None,
                (newest.get("status") or {}).get("phase", "New") if newest else None,
                urls[0] if urls else None,
            ]
        )
    if not apps:
        session.say(f'No applications in project "{project}".')
        return None
    for line in table.lines(headings=not no_headers):
        session.print(line)
    return None
