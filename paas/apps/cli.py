"""Commands about applications: new-app, status, logs, get, delete."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from paas.terminal.output import Format, Table, document, plain, short_name
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import Output, Session, command

if TYPE_CHECKING:
    from paas.api.resources import Key, Manifest, Resource
    from paas.apps.objects import Named, Type
    from paas.kube.cluster import Cluster


def register(app: typer.Typer) -> None:
    command(app, "new-app")(new_app)
    command(app, "status")(status)
    command(app, "logs")(logs)
    command(app, "get")(get)
    command(app, "delete")(delete)


# -- new-app ---------------------------------------------------------------------------------------
async def new_app(
    session: Session,
    source: Annotated[
        str, typer.Argument(metavar="FOLDER|URL", help="Your clone, or an https git URL.")
    ] = ".",
    *,
    name: Annotated[str | None, typer.Option(help="Name; default the folder's or repository's.")] = None,
    ref: Annotated[
        str | None, typer.Option(help="Branch that deploys; default the first one pushed.")
    ] = None,
    context_dir: Annotated[str | None, typer.Option(help="Folder of the repository to build.")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME=VALUE", help="Environment of the application."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port it listens on; default as detected, else 8080.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="How to build; docker is the one there is.")] = "docker",
    remote: Annotated[str, typer.Option(help="Name of the git remote to add.")] = "paas",
    go_on: Annotated[
        bool, typer.Option("--continue", help="Keep what an attempt before has made, and make the rest.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing; with -o yaml print the objects.")
    ] = False,
    output: Output = Format.TABLE,
) -> ExitCode | None:
    """Make an application of a folder or an https git URL, ready for git push.

    Example: cd shop && paas new-app
    """
    from paas.api.resources import Key
    from paas.git import clone
    from paas.git.cli import connect
    from paas.templates import new_app as create
    from paas.templates.render import objects, render

    if strategy != "docker":
        raise usage(
            f'there is no strategy "{strategy}"', hint="leave --strategy out; docker is the one there is"
        )
    project = await session.project()
    wanted = create.Wanted(source, name, ref, context_dir, tuple(env or ()), port, remote)
    found = await create.look(wanted, project)
    for line in create.explanation(found):
        session.say(line)
    if dry_run:
        text = render(found.app)
        if output is Format.YAML:
            session.print(text.rstrip("\n"))
        elif output in (Format.JSON, Format.NAME):
            session.print(document(objects(text), output, single=False))
        else:
            for manifest in objects(text):
                session.print(f"{short_name(manifest)} would be created (dry run)")
        return None
    await create.check_project(session, project)
    platform = await session.platform()
    if found.clone is not None:
        clone.check_remote(found.clone, remote, platform.repository(project, found.app.name))
    session.say("--> Creating")
    made = await create.create(session, found, go_on=go_on)
    if output in (Format.TABLE, Format.WIDE):
        for manifest, new in made:
            session.print(f"{short_name(manifest)} {'created' if new else 'kept'}")
    else:
        session.print(document([manifest for manifest, _ in made], output, single=False))
    session.say("--> Success")
    if found.clone is not None:
        await connect(session, found.clone, Key(project, found.app.name), remote)
    for line in create.next_steps(found, remote=remote, server=platform.url):
        session.say(f"    {line}")
    return None


# -- status ----------------------------------------------------------------------------------------
async def status(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="Default: all of the project.")] = None,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all projects.")] = False,
) -> ExitCode | None:
    """Show applications at one look, and what to do next.

    Example: paas status shop
    """
    from paas.apps.objects import APP_WORDS
    from paas.apps.snapshot import snapshots
    from paas.apps.summary import describe
    from paas.terminal.naming import plain_name

    project = await session.project()
    seen = await snapshots(await session.cluster(), None if everywhere else project)
    shown = [(snapshot, app) for snapshot in seen for app in snapshot.apps()]
    if name is not None:
        wanted = plain_name(name, (*APP_WORDS, "dc", "bc", "app"))
        shown = [(snapshot, app) for snapshot, app in shown if app == wanted]
        if not shown:
            raise not_found("application", wanted, project, hint=f"paas get apps -n {project}")
    if not shown:
        session.say("No applications." if everywhere else f'No applications in project "{project}".')
        session.say("next: cd your-app && paas new-app" + (f" -n {project}" if session.namespace else ""))
        return None
    now = datetime.now(UTC)
    for i, (snapshot, app) in enumerate(shown):
        if i:
            session.print()
        lines = describe(snapshot, app, now=now)
        session.print(
            plain("\n".join([f"{snapshot.project}/{lines[0]}", *lines[1:]] if everywhere else lines))
        )
    return None


# -- logs ------------------------------------------------------------------------------------------
async def logs(
    session: Session,
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="shop, dc/shop, build/shop-7, bc/shop or pod/NAME.")
    ],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many of the last lines.")] = None,
    timestamps: Annotated[bool, typer.Option(help="The time before each line.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the run before a restart.")] = False,
    container: Annotated[str | None, typer.Option("--container", "-c", help="Only this container.")] = None,
) -> ExitCode | None:
    """Print the log of a build, or of an application's pods.

    With -f a build's log ends with the build, and the exit code is 1 if it failed.

    Example: paas logs -f build/shop-7
    """
    from paas.api import resources as r
    from paas.api.resources import Key

    project = await session.project()
    word, _, name = what.rpartition("/")
    word = word.lower().partition(".")[0]
    if follow and previous:
        raise usage("--follow and --previous exclude each other", hint="leave --follow out")
    options = _LogOptions(follow, tail, timestamps, previous, container)
    cluster = await session.cluster()
    if word in ("build", "builds"):
        return await _build_logs(
            session, cluster, await _required(cluster, r.BUILD, Key(project, name)), options
        )
    if word in ("bc", "buildconfig", "buildconfigs"):
        await _required(cluster, r.BUILDCONFIG, Key(project, name))
        newest = await _newest_build(cluster, project, name)
        if newest is None:
            raise Problem(
                f'"{name}" has no builds yet', hint=f"git push paas HEAD, or paas start-build {name}"
            )
        return await _build_logs(session, cluster, newest, options)
    if word in ("pod", "pods", "po"):
        await _required(cluster, r.POD, Key(project, name))
        return await _pod_logs(session, cluster, project, name, None, options)
    if word not in ("", "dc", "deploymentconfig", "deploymentconfigs", "app", "apps"):
        raise usage(f'"{what}" has no log', hint=f"paas logs {name}, or build/…, bc/…, dc/…, pod/…")
    config = await _required(cluster, r.DEPLOYMENTCONFIG, Key(project, name))
    return await _pod_logs(session, cluster, project, None, config, options)


@dataclass(frozen=True)
class _LogOptions:
    follow: bool
    tail: int | None
    timestamps: bool
    previous: bool
    container: str | None


async def _required(cluster: Cluster, resource: Resource, key: Key) -> Manifest:
    found = await cluster.get(resource, key)
    if found is None:
        kind = resource.kind.lower()
        raise not_found(kind, key.name, key.namespace, hint=f"paas get {resource.plural} -n {key.namespace}")
    return found


async def _newest_build(cluster: Cluster, project: str, name: str) -> Manifest | None:
    from paas.api import names
    from paas.api.resources import BUILD

    builds = await cluster.list(BUILD, project, labels=f"{names.LABEL_BUILDCONFIG}={name}")
    return max(builds, key=lambda build: int(build["spec"]["number"]), default=None)


async def _build_logs(
    session: Session, cluster: Cluster, build: Manifest, options: _LogOptions
) -> ExitCode | None:
    from paas.api.resources import BUILD, POD, Key
    from paas.apps import progress
    from paas.apps.follow import LogLine, Trouble, build_log
    from paas.apps.logs import containers_with_log, lines_of
    from paas.kube.observe import observe

    name, project = progress.name_of(build), build["metadata"]["namespace"]
    if options.follow and not progress.is_over(build):
        said = False
        pods = ""
        async for found in observe(cluster, BUILD, project, name=name):
            if name not in found:
                raise not_found("build", name, project, hint="it was deleted meanwhile")
            build = found[name]
            pods = (build.get("status") or {}).get("pod") or ""
            if pods or progress.is_over(build):
                break
            if not said:
                said = True
                session.say(f"build {name} is {progress.phase_of(build)}; waiting for its pod")
        if pods:
            async for item in build_log(cluster, Key(project, pods)):
                if isinstance(item, LogLine):
                    session.print(plain(item.text))
                elif isinstance(item, Trouble):
                    session.say(f"warning: the build pod does not start yet: {item.text}")
        async for found in observe(cluster, BUILD, project, name=name):
            build = found.get(name, build)
            if name not in found or progress.is_over(build):
                break
    else:
        pod_name = (build.get("status") or {}).get("pod")
        pod = await cluster.get(POD, Key(project, pod_name)) if pod_name else None
        if pod is None:
            snippet = (build.get("status") or {}).get("logSnippet")
            if snippet:
                session.say("the pod is gone; this is the end of its log:")
                session.print(plain(str(snippet)))
            else:
                session.say(f"build {name} is {progress.phase_of(build)} and has no log" + _why(build))
        else:
            for container in containers_with_log(pod, options.container):
                async for line in lines_of(
                    cluster, pod, container,
                    tail=options.tail, timestamps=options.timestamps, previous=options.previous,
                ):  # fmt: skip
                    session.print(plain(line))
    if not options.follow:
        return None
    return _exit_code(session, build)


def _why(build: Manifest) -> str:
    message = (build.get("status") or {}).get("message")
    return f": {message}" if message else ""


def _exit_code(session: Session, build: Manifest) -> ExitCode:
    """The exit code of a build that is over; says so when it is not Complete."""
    from paas.apps import progress

    phase = progress.phase_of(build)
    if phase == "Complete":
        return ExitCode.OK
    session.say(f"error: build {progress.name_of(build)} is {phase}{_why(build)}")
    return ExitCode.FAILED


async def _pod_logs(
    session: Session,
    cluster: Cluster,
    project: str,
    name: str | None,
    config: Manifest | None,
    options: _LogOptions,
) -> ExitCode | None:
    from paas.api.resources import POD
    from paas.apps import progress
    from paas.apps.logs import containers_with_log, follow_pods, lines_of, pods_selector

    selector = pods_selector(config) if config is not None else None
    fields = f"metadata.name={name}" if name else None
    pods = await cluster.list(POD, project, labels=selector, fields=fields)
    if not pods and not options.follow:
        of = progress.name_of(config) if config is not None else name
        raise Problem(f'"{of}" has no pods', hint=f"paas status {of} -n {project}")
    for pod in pods:
        if options.container and options.container not in [c["name"] for c in pod["spec"]["containers"]]:
            listed = ", ".join(c["name"] for c in pod["spec"]["containers"])
            raise not_found("container", options.container, project, hint=f"one of: {listed}")
    if options.follow:
        async for source, line in follow_pods(
            cluster, project, name=name, labels=selector, container=options.container, tail=options.tail
        ):
            session.print(plain(f"[{source}] {line}" if config is not None else line))
        return None
    sources = [(pod, each) for pod in pods for each in containers_with_log(pod, options.container)]
    if not sources:
        for pod in pods:
            session.say(
                f"pod {progress.name_of(pod)} has no log yet: {progress.pod_trouble(pod) or 'it is starting'}"
            )
    for pod, each in sources:
        prefix = f"[{progress.name_of(pod)}/{each}] " if len(sources) > 1 else ""
        async for line in lines_of(
            cluster, pod, each, tail=options.tail, timestamps=options.timestamps, previous=options.previous
        ):
            session.print(plain(prefix + line))
    return None


# -- get -------------------------------------------------------------------------------------------
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
    """List objects: app, bc, build, is, dc, route, project, and kinds of Kubernetes.

    Example: paas get builds -o wide
    """
    from paas.api.names import LABEL_PROJECT
    from paas.apps.objects import PROJECT_WORDS, parse

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
    found = await asyncio.gather(*(_find(cluster, n, project, selector) for n in named))
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


async def _find(cluster: Cluster, named: Named, project: str | None, selector: str | None) -> list[Manifest]:
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


# -- delete ----------------------------------------------------------------------------------------
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
    """Delete applications or objects; says what goes with them.

    Example: paas delete app shop
    """
    from paas.apps.objects import parse
    from paas.apps.snapshot import own_objects, snapshot

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
            found = await _find(cluster, n, project, None)
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
