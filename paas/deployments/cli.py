"""Commands about rollouts: rollout {latest,status,history,undo}, unpin, set env."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from paas.api.resources import CONTROLLERREVISION, DEPLOYMENTCONFIG, IMAGESTREAM, Key, Manifest
from paas.deployments.environment import changed_env, changes_of, listed, refuse_port
from paas.deployments.history import failed_because, history_table, target_revision, verdict
from paas.terminal.durations import seconds
from paas.terminal.group import group
from paas.terminal.naming import DEPLOYMENTCONFIG_WORDS, plain_name
from paas.terminal.output import Format, document
from paas.terminal.problem import ExitCode, Problem, not_found, usage
from paas.terminal.session import MANAGER, Output, Session, command, interrupted

Name = Annotated[str, typer.Argument(metavar="NAME", help="DeploymentConfig: shop or dc/shop.")]
ATTEMPTS = 5
SET_ENV = "paas-set-env"
"""Field manager of `set env`: it owns the variables that it wrote, and nothing else of the template."""


def register(app: typer.Typer) -> None:
    rollout = group(app, "rollout", "Start, watch, list and undo rollouts.")
    command(rollout, "latest")(latest)
    command(rollout, "status")(status)
    command(rollout, "history")(history)
    command(rollout, "undo")(undo)
    command(app, "unpin")(unpin)
    setting = group(app, "set", "Change a part of an application.")
    command(setting, "env")(set_env)


async def _get(session: Session, given: str) -> tuple[Key, Manifest]:
    name = plain_name(given, DEPLOYMENTCONFIG_WORDS)
    key = Key(await session.project(), name)
    found = await (await session.cluster()).get(DEPLOYMENTCONFIG, key)
    if found is None:
        raise not_found("deploymentconfig", key.name, key.namespace, hint=f"paas get dc -n {key.namespace}")
    return key, found


def _token() -> str:
    """Text not used before, by which the controller knows a new request from an old one."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def latest(session: Session, name: Name) -> ExitCode | None:
    """Roll out the newest template and images now, whatever the triggers say.

    Example: paas rollout latest shop
    """
    from paas.api.deployment import latest_patch

    key, _ = await _get(session, name)
    await (await session.cluster()).patch(DEPLOYMENTCONFIG, key, latest_patch(_token()), manager=MANAGER)
    session.print(f'deploymentconfig "{key.name}" rolls out its newest template and images')
    session.say(f"next: paas rollout status {key.name} -n {key.namespace}")
    return None


async def status(
    session: Session,
    name: Name,
    *,
    watch: Annotated[bool, typer.Option(help="Wait until the rollout is over.")] = True,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait; exit 124 after; 0: no limit.")
    ] = "15m",
) -> ExitCode | None:
    """Tell how the current rollout is going; exit 1 when it failed.

    Example: paas rollout status shop
    """
    from paas.kube.observe import observe

    limit = seconds(timeout, option="--timeout")
    key, config = await _get(session, name)
    if watch:
        session.goes_on = interrupted(
            f'the rollout of "{key.name}" goes on', f"paas rollout status {key.name} -n {key.namespace}"
        )
    said = ""
    try:
        async with asyncio.timeout(limit):
            async for found in observe(
                await session.cluster(), DEPLOYMENTCONFIG, key.namespace, name=key.name
            ):
                if key.name not in found:
                    raise not_found("deploymentconfig", key.name, key.namespace)
                config = found[key.name]
                line, code = verdict(config)
                if line != said:
                    said = line
                    (session.say if code is None else session.print)(line)
                if code is not None or not watch:
                    return _after(session, key, config, code)
    except TimeoutError:
        raise Problem(
            f'the rollout of "{key.name}" is not over after {timeout}',
            why=said,
            hint=f"paas status {key.name} -n {key.namespace}",
            code=ExitCode.TIMEOUT,
        ) from None
    return None


def _after(session: Session, key: Key, config: Manifest, code: ExitCode | None) -> ExitCode | None:
    state = config.get("status") or {}
    if hold := state.get("hold"):
        count = int(hold.get("withheld") or 0)
        images = f" ({count} newer image{'' if count == 1 else 's'} withheld)" if count else ""
        session.say(
            f"held at revision {hold['revision']}{images}; a push of new source ends the hold, and so does: "
            f"paas unpin {key.name} -n {key.namespace}"
        )
    if code is ExitCode.FAILED:
        active = state.get("activeRevision")
        session.say(f"revision {active} keeps serving" if active else "nothing serves yet")
        failed = (state.get("rollout") or {}).get("revision")
        session.say(
            f"hint: paas logs {key.name} --revision {failed} -n {key.namespace};"
            f" kubectl get events -n {key.namespace}"
        )
    return code


async def history(
    session: Session,
    name: Name,
    *,
    revision: Annotated[int | None, typer.Option(help="Show this revision's template.")] = None,
    output: Output = Format.TABLE,
) -> ExitCode | None:
    """List the revisions that can be gone back to, and how their rollouts ended.

    Example: paas rollout history shop
    """
    key, config = await _get(session, name)
    revisions = await _revisions(session, key, config)
    if revision is not None:
        revisions = [r for r in revisions if r.get("revision") == revision]
        if not revisions:
            raise not_found("revision", str(revision), key.namespace, hint=f"paas rollout history {key.name}")
        if output is Format.TABLE:
            output = Format.YAML
    if output in (Format.TABLE, Format.WIDE):
        session.show(history_table(config, revisions, datetime.now(UTC)), wide=output is Format.WIDE)
    else:
        session.print(document(revisions, output, single=revision is not None))
    return None


async def _revisions(session: Session, key: Key, config: Manifest) -> list[Manifest]:
    """The ControllerRevisions of a DeploymentConfig, oldest first."""
    selector = f"paas.dev/deploymentconfig={key.name}"
    found = await (await session.cluster()).list(CONTROLLERREVISION, key.namespace, labels=selector)
    uid = config["metadata"]["uid"]
    own = [r for r in found if any(o["uid"] == uid for o in r["metadata"].get("ownerReferences") or ())]
    return sorted(own, key=lambda r: int(r.get("revision") or 0))


async def undo(
    session: Session,
    name: Name,
    *,
    to_revision: Annotated[
        int | None, typer.Option(help="Revision to go back to; default the one before.")
    ] = None,
) -> ExitCode | None:
    """Go back to a revision and hold it there, until new source comes or `unpin`.

    Example: paas rollout undo shop --to-revision 11
    """
    from paas.api.deployment import DeploymentConfigSpec, rollback_patch
    from paas.deployments.hold import baseline

    key, config = await _get(session, name)
    revisions = await _revisions(session, key, config)
    target = target_revision(config, revisions, to_revision, key)
    cluster = await session.cluster()
    streams = {s["metadata"]["name"]: s for s in await cluster.list(IMAGESTREAM, key.namespace)}
    newest = baseline(DeploymentConfigSpec.model_validate(config["spec"]), streams=streams)
    patch = rollback_patch(to_revision=target, baseline=newest, requested_at=_token())
    await cluster.patch(DEPLOYMENTCONFIG, key, patch, manager=MANAGER)
    if to_revision is not None and (reason := failed_because(config, target)) is not None:
        session.say(f"warning: the rollout of revision {target} failed: {reason}")
    session.print(f'deploymentconfig "{key.name}" goes back to revision {target} and is held there')
    session.say("a push of new source, or an edited template, ends the hold; other new images are withheld")
    session.say(f"next: paas rollout status {key.name} -n {key.namespace}")
    session.say("      fix the source and push it: that is rolled out and ends the hold")
    session.say(f"      paas unpin {key.name} -n {key.namespace}, to roll out what is newest without a push")
    return None


async def unpin(session: Session, name: Name) -> ExitCode | None:
    """End the hold of a rollback: triggers roll out again what was withheld.

    Example: paas unpin shop
    """
    from paas.api.deployment import unpin_patch

    key, config = await _get(session, name)
    if not config["spec"].get("rollback"):
        session.print(f'deploymentconfig "{key.name}" is not held')
        return None
    await (await session.cluster()).patch(DEPLOYMENTCONFIG, key, unpin_patch(), manager=MANAGER)
    session.print(f'deploymentconfig "{key.name}" is no longer held')
    session.say(f"next: paas rollout status {key.name} -n {key.namespace}")
    return None


async def set_env(
    session: Session,
    name: Name,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE | NAME-]...", help="Set, or remove with '-'.")
    ] = None,
    *,
    container: Annotated[
        str | None, typer.Option("--container", "-c", help="Default: all containers.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the variables.")] = False,
) -> ExitCode | None:
    """Set environment variables of an application; this rolls out a new revision.

    Example: paas set env shop GREETING=hello OLD-
    """
    from paas.kube.errors import Conflict

    wanted = changes_of(changes or ())
    if list_ and wanted:
        raise usage("--list and changes exclude each other", hint="leave --list out, or the changes")
    cluster = await session.cluster()
    for attempt in range(1, ATTEMPTS + 1):
        key, config = await _get(session, name)
        containers = config["spec"]["template"]["spec"].get("containers") or []
        chosen = [c for c in containers if container in (None, c["name"])]
        if not chosen:
            raise not_found(
                "container", container or "", hint=f"one of: {', '.join(c['name'] for c in containers)}"
            )
        if list_ or not wanted:
            for line in listed(chosen):
                session.print(line)
            return None
        changed = [
            {**c, "env": changed_env(c.get("env") or [], wanted)} if c in chosen else c for c in containers
        ]
        for each in chosen:
            refuse_port(key, containers.index(each), each, wanted)
        if changed == containers:
            session.print(f'deploymentconfig "{key.name}" unchanged')
            return None
        # the version makes the API server refuse when somebody changed the list since we read it
        patch = {
            "metadata": {"resourceVersion": config["metadata"]["resourceVersion"]},
            "spec": {"template": {"spec": {"containers": changed}}},
        }
        try:
            await cluster.patch(DEPLOYMENTCONFIG, key, patch, manager=SET_ENV)
        except Conflict:
            if attempt == ATTEMPTS:
                raise
            continue
        session.print(f'deploymentconfig "{key.name}" updated')
        triggers = [t.get("type") for t in config["spec"].get("triggers") or ()]
        follow = "status" if "ConfigChange" in triggers else "latest"
        session.say(f"next: paas rollout {follow} {key.name} -n {key.namespace}")
        return None
    return None
