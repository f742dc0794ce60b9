"""The command logs: of a build, of an application's pods, or of one pod."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from paas.terminal.naming import APP_WORDS, instead
from paas.terminal.output import plain
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import Session, interrupted

if TYPE_CHECKING:
    from paas.api.resources import Key, Manifest, Resource
    from paas.kube.cluster import Cluster


_BUILD: Final = ("build", "builds")
_BUILDCONFIG: Final = ("bc", "buildconfig", "buildconfigs")
_DEPLOYMENTCONFIG: Final = ("dc", "deploymentconfig", "deploymentconfigs")
_POD: Final = ("pod", "pods", "po")


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
    revision: Annotated[
        int | None, typer.Option(min=1, help="Of this revision's pods, or what was kept when it failed.")
    ] = None,
) -> ExitCode | None:
    """Print the log of a build, or of an application's pods.

    With -f a build's log ends with the build, and the exit code is 1 if it failed.

    Example: paas logs -f build/shop-7
    """
    from paas.api import resources as r
    from paas.api.resources import Key

    word, _, name = what.rpartition("/")
    word = word.lower().partition(".")[0]
    if follow and previous:
        raise usage("--follow and --previous exclude each other", hint="leave --follow out")
    if word not in ("", *_BUILD, *_BUILDCONFIG, *_POD, *_DEPLOYMENTCONFIG, *APP_WORDS):
        raise usage(f'"{what}" has no log', hint=f"paas logs {name}, or build/…, bc/…, dc/…, pod/…")
    if revision is not None and word in (*_BUILD, *_BUILDCONFIG, *_POD):
        raise usage(f'"{what}" has no revisions', hint="paas logs APP --revision N")
    options = _LogOptions(follow, tail, timestamps, previous, container, revision)
    project, cluster = await session.project(), await session.cluster()
    session.goes_on = interrupted()
    if word in _BUILD:
        return await _build_logs(
            session, cluster, await _required(cluster, r.BUILD, Key(project, name)), options
        )
    if word in _BUILDCONFIG:
        await _required(cluster, r.BUILDCONFIG, Key(project, name))
        newest = await _newest_build(cluster, project, name)
        if newest is None:
            raise Problem(
                f'"{name}" has no builds yet', hint=f"git push paas HEAD, or paas start-build {name}"
            )
        return await _build_logs(session, cluster, newest, options)
    if word in _POD:
        await _required(cluster, r.POD, Key(project, name))
        return await _pod_logs(session, cluster, project, name, None, options)
    if word in _DEPLOYMENTCONFIG:
        config = await _required(cluster, r.DEPLOYMENTCONFIG, Key(project, name))
    else:
        config = await _application(cluster, Key(project, name))
    return await _pod_logs(session, cluster, project, None, config, options)


@dataclass(frozen=True)
class _LogOptions:
    follow: bool
    tail: int | None
    timestamps: bool
    previous: bool
    container: str | None
    revision: int | None = None


async def _required(cluster: Cluster, resource: Resource, key: Key) -> Manifest:
    found = await cluster.get(resource, key)
    if found is None:
        kind = resource.kind.lower()
        raise not_found(kind, key.name, key.namespace, hint=f"paas get {resource.plural} -n {key.namespace}")
    return found


async def _application(cluster: Cluster, key: Key) -> Manifest:
    """The DeploymentConfig of an application. A name alone may also be a build's or a pod's: the problem
    says so."""
    from paas.api.resources import BUILD, DEPLOYMENTCONFIG, POD
    from paas.apps import builds

    found = await cluster.get(DEPLOYMENTCONFIG, key)
    if found is not None:
        return found
    where = f" -n {key.namespace}"
    for resource in (BUILD, POD):
        if await cluster.get(resource, key) is not None:
            kind = resource.kind.lower()
            hint = f"that is a {kind}: paas logs {kind}/{key.name}{where}"
            raise not_found("application", key.name, key.namespace, hint=hint)
    known = [builds.name_of(config) for config in await cluster.list(DEPLOYMENTCONFIG, key.namespace)]
    app, _, number = key.name.rpartition("-")
    if app in known and number.isdigit():
        raise not_found("build", key.name, key.namespace, hint=f"paas get builds{where}")
    hint = instead(key.name, known, "paas logs", "apps", key.namespace)
    raise not_found("application", key.name, key.namespace, hint=hint)


async def _newest_build(cluster: Cluster, project: str, name: str) -> Manifest | None:
    from paas.api import names
    from paas.api.resources import BUILD

    builds = await cluster.list(BUILD, project, labels=f"{names.LABEL_BUILDCONFIG}={name}")
    return max(builds, key=lambda build: int(build["spec"]["number"]), default=None)


async def _build_logs(
    session: Session, cluster: Cluster, build: Manifest, options: _LogOptions
) -> ExitCode | None:
    from paas.api.resources import POD, Key
    from paas.apps import builds
    from paas.apps.follow import follow_to_its_end
    from paas.apps.logs import containers_with_log, lines_of
    from paas.apps.progress import BuildDeleted, BuildPodWaits, LogLine
    from paas.apps.render_progress import problem_text

    name, project = builds.name_of(build), build["metadata"]["namespace"]
    if options.follow and not builds.is_over(build):
        session.goes_on = interrupted(f'build "{name}" goes on', f"paas logs -f build/{name} -n {project}")
        if not (build.get("status") or {}).get("pod"):
            session.say(f"build {name} is {builds.phase_of(build)}; waiting for its pod")
        async with aclosing(follow_to_its_end(cluster, build)) as following:
            async for item in following:
                if isinstance(item, LogLine):
                    session.print(_build_line(item.text, item.container, raw=options.timestamps))
                elif isinstance(item, BuildPodWaits):
                    session.say(f"warning: the build pod does not start yet: {problem_text(item.problem)}")
                elif isinstance(item, BuildDeleted):
                    raise not_found("build", name, project, hint="it was deleted meanwhile")
                elif isinstance(item, dict):
                    build = item
    else:
        pod_name = (build.get("status") or {}).get("pod")
        pod = await cluster.get(POD, Key(project, pod_name)) if pod_name else None
        if pod is None:
            snippet = (build.get("status") or {}).get("logSnippet")
            if snippet:
                session.say("the pod is gone; this is the end of its log:")
                session.print(plain(str(snippet)))
            else:
                session.say(f"build {name} is {builds.phase_of(build)} and has no log" + _why(build))
        else:
            shown = containers_with_log(pod, options.container, previous=options.previous)
            if options.previous and not shown:
                raise Problem(
                    f'no container of build "{name}" was ever restarted',
                    why="so there is no log of a run before",
                    hint=f"paas logs build/{name} -n {project}",
                )
            for container in shown:
                async for line in lines_of(
                    cluster, pod, container,
                    tail=options.tail, timestamps=options.timestamps, previous=options.previous,
                ):  # fmt: skip
                    session.print(_build_line(line, container, raw=options.timestamps))
    if not options.follow:
        return None
    return _exit_code(session, build)


def _build_line(text: str, container: str, *, raw: bool) -> str:
    """A line of a build's log in the words that a push shows, with all that a push leaves out; `raw`: as the
    container wrote it."""
    from paas.apps import kaniko
    from paas.builds.job import KANIKO

    return plain(text if raw or container != KANIKO else kaniko.message(text))


def _why(build: Manifest) -> str:
    message = (build.get("status") or {}).get("message")
    return f": {message}" if message else ""


def _exit_code(session: Session, build: Manifest) -> ExitCode:
    """The exit code of a build that is over; says so when it is not Complete."""
    from paas.apps import builds

    phase = builds.phase_of(build)
    if phase == "Complete":
        return ExitCode.OK
    session.say(f"error: build {builds.name_of(build)} is {phase}{_why(build)}")
    return ExitCode.FAILED


def _has_log(pod: Manifest) -> bool:
    from paas.kube.pods import containers

    return any(container.has_run for container in containers(pod))


def _kept_log(session: Session, config: Manifest, revision: int, tail: int | None) -> None:
    """What was kept of a revision that failed and whose pods are gone."""
    from paas.apps import builds, rollouts

    name, project = builds.name_of(config), config["metadata"]["namespace"]
    past = (config.get("status") or {}).get("history") or ()
    row = next((row for row in past if row.get("revision") == revision), None)
    history = f"paas rollout history {name} -n {project}"
    if row is None:
        raise not_found("revision", str(revision), project, hint=history)
    kept = rollouts.kept_log(config, revision)
    if not kept:
        raise Problem(
            f'revision {revision} of "{name}" has no pods, and no log of it was kept',
            why="only of a revision that failed by itself the end of the log is kept, of the last five",
            hint=history,
        )
    session.say(f"the pods of revision {revision} are gone; this is the end of its log:")
    for line in kept if tail is None else kept[len(kept) - min(tail, len(kept)) :]:
        session.print(plain(line))


async def _pod_logs(
    session: Session,
    cluster: Cluster,
    project: str,
    name: str | None,
    config: Manifest | None,
    options: _LogOptions,
) -> ExitCode | None:
    from paas.api.resources import POD
    from paas.apps import builds
    from paas.apps.logs import containers_with_log, follow_pods, lines_of, pods_selector
    from paas.apps.render_progress import problem_text
    from paas.kube.pods import why_not_running

    selector = pods_selector(config, options.revision) if config is not None else None
    fields = f"metadata.name={name}" if name else None
    pods = await cluster.list(POD, project, labels=selector, fields=fields)
    if config is not None and options.revision is not None and not any(map(_has_log, pods)):
        _kept_log(session, config, options.revision, options.tail)
        return None
    if not pods and not options.follow:
        of = builds.name_of(config) if config is not None else name
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
    sources = [
        (pod, each)
        for pod in pods
        for each in containers_with_log(pod, options.container, previous=options.previous)
    ]
    if not sources and options.previous:
        what = builds.name_of(config) if config is not None else f"pod/{name}"
        raise Problem(
            f'no container of "{what}" was ever restarted',
            why="so there is no log of a run before",
            hint=f"paas logs {what} -n {project}",
        )
    if not sources:
        for pod in pods:
            problem = why_not_running(pod)
            why = problem_text(problem) if problem is not None else "it is starting"
            session.say(f"pod {builds.name_of(pod)} has no log yet: {why}")
    for pod, each in sources:
        prefix = f"[{builds.name_of(pod)}/{each}] " if len(sources) > 1 else ""
        async for line in lines_of(
            cluster, pod, each, tail=options.tail, timestamps=options.timestamps, previous=options.previous
        ):
            session.print(plain(prefix + line))
    return None
