"""Who owns a host: the oldest Route that names it, and with it its namespace.

Routes of the owner's namespace may publish other paths of the host; the same path belongs to the oldest of
them. All others wait as `HostAlreadyClaimed`, and the next in line takes over when the owner goes. The
platform's own names are nobody's. Age is creationTimestamp, then UID; nothing is remembered, so a restart
decides the same.

Every Route that exists is judged, also one that may own nothing: it is being deleted, or its namespace is no
project. Left out, it would keep what it has published while another project is given the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from paas.api.names import LABEL_PROJECT, Reason
from paas.api.project import is_labelled, is_project
from paas.api.resources import Key, Manifest, key_of
from paas.reconcile.meta import fit
from paas.settings import Settings

INTERNAL: Final = "paas.internal"
"""Names below it are the platform's own, inside the cluster."""

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Verdict:
    """Whether a Route is admitted, why not, and what to do about it."""

    admitted: bool
    reason: Reason
    message: str


@dataclass(frozen=True)
class Claim:
    """That a Route asks for a host and a path of it."""

    key: Key
    uid: str
    created: str
    """creationTimestamp: RFC 3339 texts of the API server compare like times."""
    path: str
    """Without a final slash; empty is the whole host."""
    barred: Verdict | None = None
    """Why the Route may own no host at all, whoever else asks for it."""

    @property
    def age(self) -> tuple[str, str]:
        """Sorts the oldest first."""
        return self.created, self.uid


def host_of(route: Mapping[str, Any], settings: Settings) -> str:
    """The host that a Route (JSON data) wants: its own word, or `<route>-<project>.<domain>`."""
    named = (route.get("spec") or {}).get("host")
    if isinstance(named, str) and named:
        return named
    return generated_host(key_of(dict(route)), settings)


def generated_host(key: Key, settings: Settings) -> str:
    """A label over 63 characters is cut and ends in a hash of the whole."""
    return f"{fit(f'{key.name}-{key.namespace}')}.{settings.domain}"


def claim_of(route: Manifest, namespace: Manifest | None) -> Claim:
    """The claim of a Route on the host that it wants; `namespace` is the Route's, None when it is gone."""
    metadata = route["metadata"]
    path = (route.get("spec") or {}).get("path") or ""
    created = str(metadata.get("creationTimestamp") or "")
    return Claim(key_of(route), metadata["uid"], created, path.rstrip("/"), _barred(route, namespace))


def _barred(route: Manifest, namespace: Manifest | None) -> Verdict | None:
    metadata = route["metadata"]
    name, project = metadata["name"], metadata["namespace"]
    if metadata.get("deletionTimestamp"):
        held = ", ".join(metadata.get("finalizers") or ()) or "none"
        text = (
            f"the Route is being deleted, so its host is free; it is gone when its finalizers are ({held}): "
            f"kubectl edit route {name} -n {project}"
        )
        return Verdict(False, Reason.BEING_DELETED, text)
    if is_project(namespace):
        return None
    if is_labelled(namespace):
        text = f"{project} is a reserved name and no project; move the Route to a project"
    else:
        text = (
            f"namespace {project} is not a project; an administrator makes it one with: "
            f"kubectl label namespace {project} {LABEL_PROJECT}=true"
        )
    return Verdict(False, Reason.NOT_A_PROJECT, text)


def judge(host: str, claims: Iterable[Claim], settings: Settings) -> dict[str, Verdict]:
    """The verdict on every claim to `host`, by the UID of its Route."""
    known = list(claims)
    verdicts = {claim.uid: claim.barred for claim in known if claim.barred is not None}
    ordered = sorted((claim for claim in known if claim.barred is None), key=lambda claim: claim.age)
    refused = _refused(host, settings)
    if refused is not None:
        return verdicts | {claim.uid: refused for claim in ordered}
    owners: dict[str, Claim] = {}
    for claim in ordered:
        owner = ordered[0]
        if claim.key.namespace != owner.key.namespace:
            verdicts[claim.uid] = Verdict(
                False,
                Reason.HOST_ALREADY_CLAIMED,
                # Not by whom: a user who may not see the other project must not learn of it here.
                f"{host} belongs to an older Route of another project; choose another host (spec.host)",
            )
        elif claim.path in owners:
            verdicts[claim.uid] = Verdict(
                False,
                Reason.HOST_ALREADY_CLAIMED,
                f"{host}{claim.path or '/'} belongs to Route {owners[claim.path].key.name}, which is older; "
                f"choose another host or path, or: kubectl delete route {owners[claim.path].key.name}",
            )
        else:
            owners[claim.path] = claim
            verdicts[claim.uid] = Verdict(
                True, Reason.ADMITTED, f"{host}{claim.path or '/'} belongs to this Route"
            )
    return verdicts


def is_platform_name(host: str, settings: Settings) -> bool:
    """Whether a host is the platform's own: outside, inside, or the registry's."""
    own = {
        settings.domain,
        settings.server_host,
        urlsplit(settings.server_url).hostname or "",
        settings.registry_push.rpartition(":")[0] or settings.registry_push,
        settings.registry_pull.rpartition(":")[0] or settings.registry_pull,
    }
    inside = (INTERNAL, "svc", "cluster.local", "localhost")
    return host in own or host in inside or host.endswith((f".{INTERNAL}", ".svc", ".cluster.local"))


def _refused(host: str, settings: Settings) -> Verdict | None:
    if len(host) > 253 or _HOST.fullmatch(host) is None:
        return Verdict(
            False,
            Reason.INVALID_HOST,
            f"{host} is no host name: at most 253 characters, labels of a-z, 0-9 and '-'; change spec.host",
        )
    if is_platform_name(host, settings):
        return Verdict(
            False,
            Reason.HOST_RESERVED,
            f"{host} is the platform's own; choose another host, for example under {settings.domain}",
        )
    return None
