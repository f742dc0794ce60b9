"""The command webhooks: where a git host sends its deliveries, and with which secret."""

from __future__ import annotations

from typing import Annotated

import typer

from paas.api.resources import BUILDCONFIG, Key
from paas.terminal.naming import BUILDCONFIG_WORDS, plain_name
from paas.terminal.problem import ExitCode, Problem, not_found
from paas.terminal.session import Session, command


def register(app: typer.Typer) -> None:
    command(app, "webhooks")(webhooks)


async def webhooks(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="BuildConfig: shop or bc/shop.")],
) -> ExitCode | None:
    """Print the webhook addresses of an application, and how to read their secrets.

    Example: paas webhooks shop
    """
    from paas.api.webhook_addresses import hooks

    key = Key(await session.project(), plain_name(name, BUILDCONFIG_WORDS))
    found = await (await session.cluster()).get(BUILDCONFIG, key)
    if found is None:
        raise not_found("buildconfig", key.name, key.namespace, hint=f"paas get bc -n {key.namespace}")
    listed = hooks(found, (await session.platform()).url)
    if not listed:
        raise Problem(
            f'"{key.name}" takes no webhooks',
            why="its spec.triggers has none",
            hint=f"kubectl explain bc.spec.triggers; kubectl edit bc/{key.name} -n {key.namespace}",
        )
    for hook in listed:
        session.print(hook.address)
        session.say(f"  secret: {hook.secret_command}")
        if hook.host == "generic":
            session.say(f"  to build: curl -X POST -H 'Authorization: Bearer SECRET' {hook.address}")
        else:
            session.say("  content type: application/json; events: push")
    return None
