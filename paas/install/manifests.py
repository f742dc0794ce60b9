"""The platform's manifests: those of deploy/, with settings, keys, image and hosts put in. Pure."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from paas.api import names
from paas.api.resources import Manifest
from paas.kube.network_peers import peers
from paas.settings import Settings

SETTINGS_LABEL: Final = "paas.dev/settings"
"""Of the ConfigMaps that have the settings, of this version and of those before."""
MIDDLEWARES: Final = "traefik.ingress.kubernetes.io/router.middlewares"
REPOSITORIES_MARK: Final = "paas-registry-repositories"
"""ConfigMap that is made once and stays: since it exists, repositories in the registry are bound to UIDs."""
BY_NAME: Final = "byName"
"""Its entry: whether projects that are older than it have repositories by their name."""
BOUND: Final = "paas.dev/repositories-by-uid"
"""Annotation of the operator's Deployment: its version binds repositories to UIDs."""
HTTP_POLICY: Final = "paas-http"
"""NetworkPolicy that lets the ingress controller reach the processes that answer requests."""
CUSTOM_HOST_ROLE: Final = "paas-custom-host"
"""ClusterRole with the right to choose the host of a Route."""


@dataclass(frozen=True)
class Keys:
    """What the platform signs and proves itself with (PEM text)."""

    ca_cert: str
    ca_key: str
    registry_token_key: str


HELD: Final = (("Secret", "server-keys"),)
"""Kinds and names of what is applied only when the server is."""


def manifests(
    templates: Iterable[Manifest], settings: Settings, keys: Keys, *, credentials_key: str
) -> list[Manifest]:
    """Everything but the CRDs, in the order in which it is applied; `templates` are those of
    deploy/."""
    config = _config(settings, keys)
    given = [_with(config["metadata"]["name"], settings, manifest) for manifest in templates]
    credentials = {"credentials.key": credentials_key}
    extra = [
        config,
        _info(settings, keys),
        repositories_mark(by_name=bool(settings.repositories_by_name_until)),
        _secret("operator-keys", credentials | {"ca.key": keys.ca_key}),
        _secret("server-keys", credentials),
        _secret("front-keys", credentials | {"registry-token.key": keys.registry_token_key}),
    ]
    namespaces = [manifest for manifest in given if manifest["kind"] == "Namespace"]
    processes = {m["metadata"]["name"]: m for m in given if m["kind"] == "Deployment"}
    ingresses = [manifest for manifest in given if manifest["kind"] == "Ingress"]
    rest = [m for m in given if m["kind"] not in ("Namespace", "Deployment", "Ingress")]
    # What an older server works by, as it hands out tokens and takes webhooks itself, stays until it goes.
    held = [m for m in (*extra, *rest) if (m["kind"], m["metadata"]["name"]) in HELD]
    extra, rest = ([m for m in some if m not in held] for some in (extra, rest))
    # The server comes last, since it is away for a moment when it is replaced: by then the front hands out
    # the tokens without which no node can pull an image, also that of the server.
    server = processes.pop("server")
    return [*namespaces, *extra, *rest, *processes.values(), *ingresses, *held, server]


def widened(role: Manifest, live: Manifest | None) -> Manifest:
    """A Role or ClusterRole with the rules that it has now as well: those of an older process stay until the
    newer one has taken its place."""
    wanted = role.get("rules") or []
    before = [rule for rule in (live or {}).get("rules") or () if rule not in wanted]
    return {**role, "rules": [*wanted, *before]} if before else role


def mounted_settings(replica_sets: Iterable[Manifest]) -> set[str]:
    """Names of the ConfigMaps that the pods of these ReplicaSets mount, also of those that have none now."""
    return {
        str(volume["configMap"]["name"])
        for replica_set in replica_sets
        for volume in replica_set["spec"]["template"]["spec"].get("volumes") or ()
        if volume.get("configMap")
    }


def _with(config_name: str, settings: Settings, manifest: Manifest) -> Manifest:
    """A manifest of deploy/ with the image, the settings' name, the hosts and who may choose hosts put in."""
    changed = copy.deepcopy(manifest)
    if changed["kind"] == "Deployment":
        pod = changed["spec"]["template"]["spec"]
        for container in pod["containers"]:
            container["image"] = settings.platform_image
        for volume in pod["volumes"]:
            if "configMap" in volume:
                volume["configMap"]["name"] = config_name
    if changed["kind"] == "Ingress":
        _put_hosts(changed, settings)
    if changed["kind"] == "ValidatingAdmissionPolicy":
        for variable in changed["spec"].get("variables") or ():
            if variable["name"] == "domain":
                variable["expression"] = json.dumps(settings.domain)  # a string of CEL, too
    if (changed["kind"], changed["metadata"]["name"]) == ("NetworkPolicy", HTTP_POLICY):
        (rule,) = changed["spec"]["ingress"]
        rule["from"] = peers(namespaces=settings.ingress_namespaces, networks=settings.ingress_networks)
        if not rule["from"]:  # which would mean everybody
            changed["spec"]["ingress"] = []
    if (changed["kind"], changed["metadata"]["name"]) == ("ClusterRole", CUSTOM_HOST_ROLE):
        aggregated = str(settings.custom_hosts == "edit").lower()
        for label in changed["metadata"]["labels"]:
            # Not left out: what an earlier installation said is said otherwise.
            changed["metadata"]["labels"][label] = aggregated
    return changed


def _put_hosts(ingress: Manifest, settings: Settings) -> None:
    """deploy/ names the hosts of the default settings; the same ones of these settings take their place."""
    hosts = dict(zip(_hosts(Settings()), _hosts(settings), strict=True))
    spec, annotations = ingress["spec"], ingress["metadata"]["annotations"]
    spec["ingressClassName"] = settings.ingress_class
    for section in spec.get("tls", ()):
        section["hosts"] = [hosts[host] for host in section["hosts"]]
    for rule in spec["rules"]:
        rule["host"] = hosts[rule["host"]]
    if MIDDLEWARES in annotations:
        annotations[MIDDLEWARES] = settings.redirect_middleware
    elif settings.retry_middleware:
        annotations[MIDDLEWARES] = settings.retry_middleware


def _hosts(settings: Settings) -> tuple[str, str]:
    """The platform's own host outside, and inside the cluster."""
    return settings.server_host, settings.server_url.removeprefix("https://")


def _config(settings: Settings, keys: Keys) -> Manifest:
    data = {
        "settings.yaml": yaml.safe_dump(settings.model_dump(mode="json", by_alias=True), sort_keys=True),
        "ca.crt": keys.ca_cert,
    }
    digest = hashlib.sha256(repr(sorted(data.items())).encode()).hexdigest()[:10]
    # The name changes with the content, so that a change of settings rolls the processes.
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _system(f"paas-{digest}", {SETTINGS_LABEL: "true"}),
        "data": data,
    }


def _info(settings: Settings, keys: Keys) -> Manifest:
    data = {
        "url": settings.external_url(settings.server_host),
        "ca.crt": keys.ca_cert,
        "domain": settings.domain,
        "http-port": str(settings.http_port),
        "https-port": str(settings.https_port),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _system("paas-info"), "data": data}


def repositories_mark(*, by_name: bool) -> Manifest:
    """The mark. Its creationTimestamp, which nobody can set, divides projects into older and later ones."""
    data = {BY_NAME: str(by_name).lower()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _system(REPOSITORIES_MARK), "data": data}


def binds_repositories(operator: Manifest) -> bool:
    """Whether this operator's version binds repositories to UIDs. The annotation is the installer's: one of a
    version without it takes it away."""
    return BOUND in (operator["metadata"].get("annotations") or {})


def by_name_until(mark: Manifest | None) -> str:
    """`Settings.repositories_by_name_until` of a cluster with this mark."""
    if mark is None or (mark.get("data") or {}).get(BY_NAME) != "true":
        return ""
    return str(mark["metadata"]["creationTimestamp"])


def _secret(name: str, data: Mapping[str, str]) -> Manifest:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": _system(name),
        "data": encoded,
    }


def _system(name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": names.SYSTEM_NAMESPACE,
        "labels": {names.LABEL_PART_OF: names.SYSTEM_NAMESPACE, **(labels or {})},
    }
