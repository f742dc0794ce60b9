"""The platform's settings: one typed object, read at the edge and handed down.

They are stored in a ConfigMap `paas-<hash>` of paas-system (key `settings.yaml`, mounted into every process);
each field says its unit and why one would change it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field

from paas.api.base import Model

SETTINGS_ENV = "PAAS_SETTINGS"
DEFAULT_PATH = Path("/etc/paas/settings.yaml")


def _network(text: str) -> str:
    """Raises ValueError, which says what is wrong with it."""
    ipaddress.ip_network(text, strict=False)
    return text


Cidr = Annotated[str, AfterValidator(_network)]


class SourceSettings(Model):
    """Where external sources may come from."""

    allowed_addresses: tuple[Cidr, ...] = ()
    """CIDRs of private addresses that external https sources may nevertheless resolve to (a git host
    inside the company's network); everything private is refused otherwise."""
    push_limit_bytes: int = 512 * 2**20
    """Largest pack that one push may send."""
    repository_limit_bytes: int = Field(default=2 * 2**30, ge=0)
    """Largest repository of one application, with its whole history; 0 is no limit."""
    project_limit_bytes: int = Field(default=6 * 2**30, ge=0)
    """Bytes of all repositories of a project together, so that one does not fill the disk for all others; 0
    is no limit."""
    request_timeout_seconds: int = 3600
    """Longest time that one push may take to arrive."""


class BuildSettings(Model):
    """How build pods run."""

    kaniko_image: str = "registry.paas.internal:5000/paas/kaniko:latest"
    runtime_registry: str = "registry.paas.internal:5000/paas"
    """Prefix of the runtime images that buildpacks start from."""
    deadline_seconds: int = 3600
    """For builds that set no completionDeadlineSeconds."""
    host_users: Literal["auto", "on", "off"] = "auto"
    """`auto`: builds run in a user namespace when every schedulable node says that it can."""
    cpu_request: str = "100m"
    memory_request: str = "256Mi"
    memory_limit: str = "4Gi"
    ephemeral_storage_limit: str = "20Gi"
    stop_wait_seconds: int = 900
    """How long a push is followed before the pusher is told how to go on following its build."""


class Settings(Model):
    """Everything a cluster's administrator may set."""

    domain: str = "apps.localhost"
    """Routes get `<route>-<project>.<domain>`; `paas.<domain>` is the platform itself."""
    http_port: int = Field(default=80, ge=1, le=65535)
    https_port: int = Field(default=443, ge=1, le=65535)
    """Ports under which the ingress controller is reached from outside."""
    ingress_class: str = "traefik"
    dialect: Literal["ingress"] = "ingress"
    redirect_middleware: str = "paas-redirect@file"
    """Traefik's name of the middleware that sends plain http to https on the external port."""
    retry_middleware: str = ""
    """Traefik's name of a middleware that asks again when a pod of the platform does not take a connection,
    for example because it has just died; empty: none. A name that Traefik does not know makes the platform's
    address answer 404."""
    custom_hosts: Literal["edit", "granted"] = "edit"
    """Who may choose the host of a Route: all who may edit its project, or only whom an administrator gives
    `create` of routes/custom-host (ClusterRole paas-custom-host); then nobody can wait for another's host."""
    ingress_namespaces: tuple[str, ...] = ("kube-system", "traefik")
    """Where the ingress controller may run: pods of projects and of the platform are reached from there."""
    ingress_networks: tuple[Cidr, ...] = ()
    """CIDRs of the nodes that the ingress controller runs on, if its pods use the node's network
    (`hostNetwork`): a NetworkPolicy then knows its requests by their address only."""
    build_networks: tuple[Cidr, ...] = ()
    """CIDRs of private addresses that builds may reach besides the internet (a registry, a git host)."""
    registry_push: str = "registry.paas.internal:5000"
    """Address under which build pods reach the registry."""
    registry_pull: str = "registry.paas.internal:5000"
    """Address under which nodes reach the registry."""
    repositories_by_name_until: str = Field(default="", pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?$")
    """Projects that were made up to this time (2026-11-26T10:00:00Z) keep their images in repositories named
    by the project alone; of all others the name contains a part of the Namespace's UID. `paas install` and
    `paas up` set it when they upgrade a version that had only names, and keep it; empty: there are none."""
    registry_service: str = "registry.paas.internal:5000"
    """`service` of the registry's token authentication."""
    server_url: str = "https://paas.paas.internal"
    """The server as seen from inside the cluster."""
    ca_file: Path = Path("/etc/paas/ca.crt")
    """PEM of the platform's CA, by which registry and server are verified."""
    credentials_key_file: Path = Path("/etc/paas-keys/credentials.key")
    """Key of which credentials of builds and projects are derived (HMAC-SHA256); every process."""
    registry_token_key_file: Path = Path("/etc/paas-keys/registry-token.key")
    """PEM of the private key that signs registry tokens; front only."""
    ca_key_file: Path = Path("/etc/paas-keys/ca.key")
    """PEM of the platform CA's private key, for certificates of custom hosts; operator only."""
    platform_image: str = "registry.paas.internal:5000/paas/platform:latest"
    """This software's own image; `fetch` runs in it."""
    repositories: Path = Path("/var/lib/paas/repositories")
    """Where the server keeps git repositories (one writer)."""
    resync_seconds: int = 600
    """How often every object is looked at though nothing was seen to change (plus up to 10 %)."""
    sources: SourceSettings = SourceSettings()
    builds: BuildSettings = BuildSettings()

    @property
    def server_host(self) -> str:
        """The platform's own host name outside."""
        return f"paas.{self.domain}"

    def external_url(self, host: str) -> str:
        """https URL of a host as people type it, with the port when it is not the usual one."""
        return f"https://{host}" if self.https_port == 443 else f"https://{host}:{self.https_port}"

    def external_http_url(self, host: str) -> str:
        return f"http://{host}" if self.http_port == 80 else f"http://{host}:{self.http_port}"


def settings_file(environment: Mapping[str, str]) -> Path:
    """Where the settings are: $PAAS_SETTINGS, else the mounted ConfigMap."""
    return Path(environment.get(SETTINGS_ENV) or DEFAULT_PATH)


def parse(text: str) -> Settings:
    """The settings that a YAML file says. Raises pydantic.ValidationError naming the field that is wrong."""
    return Settings.model_validate(yaml.safe_load(text) or {})
