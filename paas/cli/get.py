"""The command get: objects of any kind of the cluster, and applications."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.naming import instead
from paas.terminal.output import Format, Table
from paas.terminal.problem import ExitCode, not_found, usage
from paas.terminal.session import Session, command, interrupted

if TYPE_CHECKING:
    from paas.api.resources import Manifest
    from paas.cli.find import Selection
    from paas.cli.forms import Form
    from paas.cli.objects import Named
    from paas.kube.cluster import Cluster
    from paas.kube.mapper import Served
    from paas.terminal.jsonpath import Path


def register(app: typer.Typer) -> None:
    command(app, "get")(get)


@dataclass(frozen=True)
class _Options:
    """How to print; `everywhere` is of all projects."""

    form: Form
    everywhere: bool
    sort_by: Path | None
    headings: bool
    labels: bool

    @property
    def wide(self) -> bool:
        return self.form.format is Format.WIDE


async def get(
    session: Session,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND[,KIND] [NAME...] | KIND/NAME...]", help="Default: our five kinds."),
    ] = None,
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FORM",
            help="table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADING:PATH,…",
        ),
    ] = "table",
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all projects.")] = False,
    selector: Annotated[str | None, typer.Option("--selector", "-l", help="Only with these labels.")] = None,
    fields: Annotated[
        str | None, typer.Option("--field-selector", help="Only with these fields: status.phase=Running.")
    ] = None,
    sort_by: Annotated[
        str | None, typer.Option("--sort-by", metavar="PATH", help="Field to sort by: .status.startTime.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on as they change.")] = False,
    show_labels: Annotated[bool, typer.Option("--show-labels", help="Labels as the last column.")] = False,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="Leave the headings out.")] = False,
    managed_fields: Annotated[
        bool, typer.Option("--show-managed-fields", help="Who wrote which field, in json and yaml.")
    ] = False,
) -> ExitCode | None:
    """List objects of any kind of the cluster, and applications.

    KIND is what kubectl takes: a plural, a singular or a short name. All options are kubectl's.

    Example: paas get builds -o wide
    """
    from paas.api.names import LABEL_PROJECT
    from paas.cli.find import Selection, kinds_of
    from paas.cli.forms import form, sort_path
    from paas.cli.objects import PROJECT_WORDS, parse
    from paas.kube.errors import Forbidden

    options = _Options(
        form(output, managed_fields=managed_fields),
        everywhere,
        sort_path(sort_by) if sort_by else None,
        not no_headers,
        show_labels,
    )
    arguments, listing_projects = list(what or ()), False
    if arguments and arguments[0].lower() in PROJECT_WORDS:
        arguments[0], selector = "namespaces", ",".join(filter(None, (selector, f"{LABEL_PROJECT}=true")))
        listing_projects = len(arguments) == 1
    named = parse(arguments)
    _check(named, options, watch=watch, selects=bool(selector or fields))
    project = None if everywhere else await session.project()
    if any(n.kind is None for n in named):
        return await _get_apps(session, project, [n.name for n in named], options.form, no_headers)
    cluster = await session.cluster()
    kinds = await kinds_of(cluster, named, verb="get")
    chosen = [
        Selection(
            project if kind.resource.namespaced else None,
            n.name,
            selector if n.name is None else None,
            fields,
        )
        for n, kind in zip(named, kinds, strict=True)
    ]
    if watch:
        return await _watch(session, cluster, kinds[0], chosen[0], options)
    show = _tables if options.form.is_table else _objects
    try:
        shown = await show(session, cluster, kinds, chosen, options)
    except Forbidden:
        if not listing_projects:
            raise
        kinds, chosen = await _own_projects(session, cluster, kinds[0])
        shown = await show(session, cluster, kinds, chosen, options)
    if not shown:
        await _say_nothing_found(session, project, kinds)
    return None


def _check(named: Sequence[Named], options: _Options, *, watch: bool, selects: bool) -> None:
    """What excludes each other, before a cluster is asked. Raises Problem (usage)."""
    names = [n.name for n in named if n.name]
    if options.everywhere and names:
        raise usage("a name needs a project", hint="leave -A out and give -n PROJECT")
    if selects and names and any(n.kind != "namespaces" for n in named):
        raise usage("names and selectors exclude each other", hint="leave the name or -l out")
    if watch and (len(named) != 1 or named[0].kind is None):
        raise usage("--watch takes one kind", hint="paas get builds -w")
    if watch and options.sort_by:
        raise usage("--watch and --sort-by exclude each other", hint="leave --sort-by out")
    if any(n.kind is None for n in named):
        if any(n.kind is not None for n in named):
            raise usage("applications are listed alone", hint="paas get apps")
        if options.everywhere:
            raise usage("applications are listed by project", hint="leave -A out, or: paas get dc -A")
        if selects or options.sort_by or options.labels:
            raise usage(
                "applications are no objects and have no labels or fields", hint="paas get dc takes selectors"
            )


async def _tables(
    session: Session,
    cluster: Cluster,
    kinds: Sequence[Served],
    chosen: Sequence[Selection],
    options: _Options,
) -> bool:
    """Print the API server's tables, one a kind; whether there was anything."""
    from paas.cli.find import table
    from paas.cli.forms import sort_key
    from paas.cli.rows import by_name, table_of

    whole = options.sort_by is not None
    answers = await asyncio.gather(
        *(table(cluster, kind, selection, whole=whole) for kind, selection in zip(kinds, chosen, strict=True))
    )
    groups: dict[Served, Manifest] = {}
    for kind, answer in zip(kinds, answers, strict=True):
        known = groups.setdefault(kind, {**answer, "rows": []})
        known["rows"].extend(answer["rows"])
    shown = {kind: found for kind, found in groups.items() if found["rows"]}
    for i, (kind, found) in enumerate(shown.items()):
        rows = sorted(found["rows"], key=by_name)
        if (where := options.sort_by) is not None:
            rows.sort(key=lambda row: sort_key(where, row["object"]))
        if i:
            session.print()
        made = table_of(
            found["columnDefinitions"],
            rows,
            namespaces=options.everywhere and kind.resource.namespaced,
            labels=options.labels,
            prefix=f"{kind.singular}/" if len(groups) > 1 else "",
        )
        session.show(made, wide=options.wide, headings=options.headings)
    return bool(shown)


async def _objects(
    session: Session,
    cluster: Cluster,
    kinds: Sequence[Served],
    chosen: Sequence[Selection],
    options: _Options,
) -> bool:
    """Print the objects themselves in some form; whether there was anything to say."""
    from paas.cli.find import objects
    from paas.cli.forms import printed, sort_key
    from paas.cli.rows import by_name

    found = await asyncio.gather(
        *(objects(cluster, kind, selection) for kind, selection in zip(kinds, chosen, strict=True))
    )
    listed = [obj for part in found for obj in sorted(part, key=lambda each: by_name({"object": each}))]
    if (where := options.sort_by) is not None:
        listed.sort(key=lambda obj: sort_key(where, obj))
    single = len(chosen) == 1 and chosen[0].name is not None
    text = printed(listed, options.form, single=single, headings=options.headings)
    if options.form.template is not None:
        session.write(text)  # a template says itself where lines end
    elif text:
        session.print(text)
    return bool(listed) or options.form.format is not Format.NAME


async def _watch(
    session: Session, cluster: Cluster, kind: Served, selection: Selection, options: _Options
) -> ExitCode | None:
    """Print what is there, and every change, until it is interrupted."""
    from paas.cli.find import TABLE, changes, table
    from paas.cli.forms import printed
    from paas.cli.rows import by_name, table_of

    session.goes_on = interrupted()

    def lost(problem: Exception) -> None:
        session.say(f"warning: the cluster does not answer ({problem}); trying again")

    if not options.form.is_table:
        async for obj in changes(cluster, kind, selection, accept="application/json", lost=lost):
            text = printed([obj], options.form, single=True, headings=options.headings)
            (session.write if options.form.template is not None else session.print)(text)
        return None
    first = await table(cluster, kind, selection)
    columns, widths, headings = first["columnDefinitions"], list[int](), options.headings
    rows = sorted(first["rows"], key=by_name)

    def show() -> None:
        made = table_of(
            columns, rows, namespaces=options.everywhere and kind.resource.namespaced, labels=options.labels
        )
        session.show(made, wide=options.wide, headings=headings, widths=widths)

    if rows:
        show()
        headings = False
    async for obj in changes(cluster, kind, selection, accept=TABLE, since=first, lost=lost):
        rows = obj.get("rows") or []
        show()
        headings = False
    return None


async def _own_projects(
    session: Session, cluster: Cluster, kind: Served
) -> tuple[list[Served], list[Selection]]:
    """The projects that the kubeconfig names, as far as they may be seen: for who may not list all."""
    from paas.api.resources import NAMESPACE, Key
    from paas.cli.find import Selection
    from paas.kube.errors import ApiError
    from paas.terminal.kubeconfig import namespaces

    seen = []
    for name in sorted({await session.project(), *namespaces(session.kubeconfig, cluster.context)}):
        try:
            if await cluster.get(NAMESPACE, Key("", name)) is not None:
                seen.append(name)
        except ApiError:
            continue  # it is not ours to see
    session.say("You may not list all projects; these are those that your kubeconfig names.")
    return [kind] * len(seen), [Selection(None, name, None) for name in seen]


async def _say_nothing_found(session: Session, project: str | None, kinds: Sequence[Served]) -> None:
    """Say that there is nothing; raises Problem when there is no such project either."""
    if project is None or not any(kind.resource.namespaced for kind in kinds):
        session.say("No resources found.")
        return
    await session.must_exist(project)
    session.say(f'No resources found in project "{project}".')


async def _get_apps(
    session: Session, project: str | None, wanted: Sequence[str | None], form: Form, no_headers: bool
) -> ExitCode | None:
    from paas.apps.snapshot import own_objects, snapshot
    from paas.cli.forms import printed

    assert project is not None
    cluster = await session.cluster()
    seen = await snapshot(cluster, project)
    apps = [name for name in seen.apps() if wanted[0] is None or name in wanted]
    if not apps:
        await session.must_exist(project)
    for name in wanted:
        if name is not None and name not in apps:
            raise not_found(
                "application", name, project, hint=instead(name, seen.apps(), "paas get app", "apps", project)
            )
    if form.format is Format.NAME:
        for app in apps:
            session.print(f"app/{app}")
        return None
    if not form.is_table:
        objects = [obj for app in apps for obj in await own_objects(cluster, project, app)]
        session.print(printed(objects, form, single=False, headings=not no_headers))
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
    session.show(table, headings=not no_headers)
    return None
