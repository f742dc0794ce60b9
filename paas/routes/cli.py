"""Commands about addresses: open and expose."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from paas.api import names
from paas.api.resources import DEPLOYMENTCONFIG, ROUTE, SERVICE, Key, Manifest
from paas.terminal.naming import plain_name
from paas.terminal.problem import ExitCode, Problem, not_found
from paas.terminal.session import MANAGER, Session, command

if TYPE_CHECKING:
    from paas.kube.cluster import Cluster


def register(app: typer.Typer) -> None:
    command(app, "open")(open_)
    command(app, "expose")(expose)


async def open_(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Application or Route: shop or route/shop.")],
    *,
    browser: Annotated[bool, typer.Option(help="Also open a browser, where there is one.")] = True,
) -> ExitCode | None:
    """Print an application's address, and open it in a browser where there is one.

    Example: paas open shop
    """
    wanted = plain_name(name, ("route", "routes", "rt", "app"))
    project, cluster = await session.project(), await session.cluster()
    found = [r for r in await cluster.list(ROUTE, project) if wanted in (_app(r), r["metadata"]["name"])]
    if not found:
        raise not_found("route", wanted, project, hint=f"paas expose {wanted} -n {project}")
    found.sort(key=lambda r: (r["metadata"]["name"] != wanted, r["metadata"]["name"]))
    urls = [url for r in found if (url := (r.get("status") or {}).get("url"))]
    if not urls:
        raise Problem(
            f'route "{found[0]["metadata"]["name"]}" has no address yet',
            hint=f"paas get route {found[0]['metadata']['name']} -n {project} -o wide",
        )
    for url in urls:
        session.print(url)
    for config, scaled in await _without_pods(cluster, project, _app(found[0])):
        if scaled:
            session.say(f"warning: nothing answers there now: dc/{config} is scaled to 0")
            session.say(f"hint: kubectl scale dc/{config} --replicas 1 -n {project}")
        else:
            session.say(f"warning: nothing answers there now: no pod of dc/{config} is ready")
            session.say(f"hint: paas status -n {project}")
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    if browser and sys.stdout.isatty() and graphical:
        webbrowser.open(urls[0])
    return None


async def _without_pods(cluster: Cluster, project: str, app: str | None) -> list[tuple[str, bool]]:
    """The DeploymentConfigs of an application when none of them has a pod that answers; with each, whether it
    is scaled to 0."""
    from paas.kube.errors import ApiError

    if app is None:
        return []
    try:
        configs = await cluster.list(DEPLOYMENTCONFIG, project, labels=f"{names.LABEL_PART_OF}={app}")
    except ApiError:
        return []  # who may see addresses only still gets them
    if any((config.get("status") or {}).get("readyReplicas") for config in configs):
        return []
    return [(str(each["metadata"]["name"]), not each["spec"].get("replicas", 1)) for each in configs]


def _app(route: Manifest) -> str | None:
    return (route["metadata"].get("labels") or {}).get(names.LABEL_PART_OF)


async def expose(
    session: Session,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="shop or svc/shop.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the Route; default the Service's.")] = None,
    hostname: Annotated[str | None, typer.Option(help="Host; default <route>-<project>.<domain>.")] = None,
    path: Annotated[str | None, typer.Option(help="Only this path and below.")] = None,
    port: Annotated[str | None, typer.Option(help="Port of the Service, by name or number.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is published, or refused.")] = True,
) -> ExitCode | None:
    """Publish a Service under an https address, with a redirect from http.

    Example: paas expose shop --hostname shop.example.com
    """
    from paas.routes.backend import service_port

    target = plain_name(service, ("svc", "services", "service"))
    project, cluster = await session.project(), await session.cluster()
    found = await cluster.get(SERVICE, Key(project, target))
    if found is None:
        raise not_found("service", target, project, hint=f"paas get svc -n {project}")
    if service_port(found, port) is None:
        raise _without_port(found, port, project)
    first = found["spec"]["ports"][0]
    chosen = port or first.get("name") or first.get("targetPort") or first["port"]
    spec: Manifest = {
        "to": {"kind": "Service", "name": target},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
    }
    spec["port"] = {"targetPort": int(chosen) if str(chosen).isdigit() else chosen}
    if hostname:
        spec["host"] = hostname
    if path:
        spec["path"] = path
    inherited = found["metadata"].get("labels") or {}
    labels = {k: v for k, v in inherited.items() if k in (names.LABEL_PART_OF, names.LABEL_NAME)}
    metadata = {"name": name or target, "namespace": project, "labels": labels}
    manifest = {"apiVersion": ROUTE.api_version, "kind": ROUTE.kind, "metadata": metadata, "spec": spec}
    await cluster.create(manifest, manager=MANAGER)
    session.print(f'route.paas.dev "{name or target}" created')
    return await _published(session, Key(project, name or target)) if wait else None


PUBLISHED_WITHIN = 30.0
"""Seconds that the platform may take to publish a Route or to refuse it."""


async def _published(session: Session, key: Key) -> ExitCode | None:
    """Wait until the platform has decided about a new Route, and say what it decided."""
    from paas.kube.observe import observe
    from paas.routes.published import Published, Refused, decision

    route = f"route/{key.name} -n {key.namespace}"
    state = None
    try:
        async with asyncio.timeout(PUBLISHED_WITHIN):
            async for found in observe(await session.cluster(), ROUTE, key.namespace, name=key.name):
                state = decision(found.get(key.name))
                if isinstance(state, Published | Refused):
                    break
    except TimeoutError:
        pass
    match state:
        case Published(url, warning):
            session.say(f"published at {url}")
            if warning:
                session.say(f"warning: {warning}")
            session.say(f"next: paas open route/{key.name} -n {key.namespace}")
            return None
        case Refused(reason, message):
            raise Problem(
                f'route "{key.name}" exists, but is not published',
                why=f"{reason}: {message}",
                hint=f"correct it with: kubectl edit {route}; or take it back: paas delete {route}",
            )
        case _:
            session.say(f"warning: it is not published yet: {state or 'the platform has not looked at it'}")
            session.say(f"next: paas get {route} -o wide")
            return None


def _without_port(service: Manifest, port: str | None, project: str) -> Problem:
    """The Service has no such port, or none at all."""
    name = service["metadata"]["name"]
    known = [str(each.get("name") or each["port"]) for each in service["spec"].get("ports") or ()]
    if port is None or not known:
        return Problem(
            f'service "{name}" has no ports',
            why="so nothing can be sent to it",
            hint=f"kubectl edit svc/{name} -n {project}",
        )
    return Problem(
        f'service "{name}" has no port {port}',
        hint=f"--port {' or '.join(known)}; to add one: kubectl edit svc/{name} -n {project}",
        code=ExitCode.NOT_FOUND,
    )
