"""Where git hosts send deliveries for a BuildConfig. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from paas.api.resources import Manifest

SECRET_KEY: Final = "WebHookSecretKey"
"""The entry of a trigger's Secret, as in OpenShift."""


@dataclass(frozen=True)
class Hook:
    """One address, and the command that prints the secret to give to the git host."""

    host: str
    """Last part of the address: which kind of sender it is for."""
    address: str
    secret_command: str


def hook(server: str, project: str, name: str, host: str, *, secret: str) -> Hook:
    """The webhook that a BuildConfig takes from a kind of `host`; `server` is the platform's URL."""
    template = f"{{{{.data.{SECRET_KEY} | base64decode}}}}"
    command = f"kubectl get secret {secret} -n {project} -o go-template='{template}'"
    return Hook(host, f"{server}/webhooks/{project}/{name}/{host}", command)


def hooks(config: Manifest, server: str) -> list[Hook]:
    """The webhooks that a BuildConfig's triggers take; `server` is the platform's URL."""
    project, name = config["metadata"]["namespace"], config["metadata"]["name"]
    found = []
    for trigger in config["spec"].get("triggers") or ():
        host = str(trigger.get("type") or "").lower()
        secret = ((trigger.get(host) or {}).get("secretReference") or {}).get("name")
        if secret:
            found.append(hook(server, project, name, host, secret=secret))
    return found
