"""Commands about projects: new-project, and project (which one is current)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from paas.api import names
from paas.api.names import SERVICE_ACCOUNT_PUSHER
from paas.api.resources import NAMESPACE, SERVICEACCOUNT, Key, Manifest
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import MANAGER, Session, command

if TYPE_CHECKING:
    from paas.kube.cluster import Cluster

READY_WITHIN = 30.0
"""Seconds that a new project may take to get its accounts."""


def register(app: typer.Typer) -> None:
    command(app, "new-project")(new_project)
    command(app, "project")(project)


async def new_project(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the project; it is in its addresses.")],
    *,
    display_name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    switch: Annotated[bool, typer.Option(help="Make it the project of the kubeconfig's context.")] = True,
) -> ExitCode | None:
    """Make a project: a namespace with what applications need, and switch to it.

    Example: paas new-project demo
    """
    from paas.api.project import is_project, is_reserved
    from paas.kube.errors import Forbidden

    _check(name, reserved=is_reserved(name))
    cluster = await session.cluster()
    try:
        existing = await cluster.get(NAMESPACE, Key("", name))
    except Forbidden:
        existing = None  # who may not look hears from the creation what is lacking: the right to that
    if existing is not None:
        what = "project" if is_project(existing) else "namespace"
        hint = (
            f"use it with: paas project {name}"
            if what == "project"
            else f"choose another name; or: kubectl label namespace {name} {names.LABEL_PROJECT}=true"
        )
        raise Problem(f'{what} "{name}" exists already', hint=hint)
    await session.platform()
    annotations = {
        names.ANNOTATION_DISPLAY_NAME: display_name,
        names.ANNOTATION_DESCRIPTION: description,
        names.ANNOTATION_REQUESTER: await session.user(),
    }
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {names.LABEL_PROJECT: "true"},
            "annotations": {key: value for key, value in annotations.items() if value},
        },
    }
    await cluster.create(manifest, manager=MANAGER)
    session.say(f"namespace/{name} created")
    ready = await _ready(cluster, name)
    if switch:
        _switch(session, name)
    if ready:
        session.print(f'Project "{name}" is ready.')
    else:
        session.print(f'Project "{name}" exists.')
        session.say(f"warning: it has no account {SERVICE_ACCOUNT_PUSHER} yet; does the operator run?")
        session.say("hint: kubectl get pods -n paas-system")
    session.say(f"next: cd your-app && paas new-app{'' if switch else f' -n {name}'}")
    return None


async def project(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="Project to switch to.")] = None,
) -> ExitCode | None:
    """Show the current project, or make another one current.

    Example: paas project demo
    """
    from paas.api.project import is_project

    cluster = await session.cluster()
    if name is None:
        session.print(await session.project())
        return None
    found = await cluster.get(NAMESPACE, Key("", name))
    if found is None:
        raise not_found("project", name, hint=f"paas new-project {name}")
    if not is_project(found):
        session.say(f'warning: namespace "{name}" is not a project (no label {names.LABEL_PROJECT}=true)')
    _switch(session, name)
    session.print(f'Now in project "{name}".')
    return None


def _check(name: str, *, reserved: bool) -> None:
    import re

    if reserved:
        raise usage(f'"{name}" cannot be a project', why="the name is reserved", hint="choose another name")
    # DNS-1123 label; a letter first, because it becomes part of host names and registry paths
    if len(name) > 63 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise usage(
            f'"{name}" cannot be a project\'s name',
            why="lower-case letters, digits and '-' only, a letter first, no '-' last, at most 63",
            hint="paas new-project my-project",
        )


async def _ready(cluster: Cluster, name: str) -> bool:
    """Whether the projects controller has given the project its accounts, within READY_WITHIN."""
    from paas.kube.observe import observe

    try:
        async with asyncio.timeout(READY_WITHIN):
            accounts = observe(cluster, SERVICEACCOUNT, name)
            async for found in accounts:
                if {SERVICE_ACCOUNT_PUSHER, "default"} <= found.keys():
                    return True
    except TimeoutError:
        pass
    return False


def _switch(session: Session, name: str) -> None:
    from paas.terminal import kubeconfig

    try:
        path = kubeconfig.set_namespace(name, session.kubeconfig, context=session.context)
    except kubeconfig.KubeconfigError as problem:
        session.say(f"warning: the kubeconfig's project is not changed: {problem}")
        session.say(f"hint: give -n {name} to every command")
    else:
        session.say(f"{path}: current project is {name}")
