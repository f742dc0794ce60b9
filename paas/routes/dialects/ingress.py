"""Intent → Ingress, in Traefik's words.

Each entry point has an Ingress of its own. Were one Ingress served on both, a redirect would have to tell
https from http by what the client says, and a client that leaves the external port out of its Host header
would be redirected in circles.

    <route>        https (or, without TLS, http) ─▶ Service
    <route>.http   http ─▶ Service (Allow), or ─▶ the redirect to the external https port (Redirect)
"""

from __future__ import annotations

from typing import Final

from paas.api import names
from paas.api.resources import INGRESS, Manifest
from paas.api.route import InsecurePolicy
from paas.reconcile.meta import labels, owner_reference, part_of
from paas.routes.intent import Intent
from paas.settings import Settings

_ROUTER: Final = "traefik.ingress.kubernetes.io/router"
ANNOTATIONS: Final = frozenset({f"{_ROUTER}.entrypoints", f"{_ROUTER}.tls", f"{_ROUTER}.middlewares"})
"""All annotations that are ever rendered; none of them holds a word of the user's."""


def child_names(route: str) -> tuple[str, str]:
    """Names of the Ingresses that a Route may have. Names of Routes hold no dot, so no two meet."""
    return route, f"{route}.http"


def render(route: Manifest, intent: Intent, settings: Settings) -> list[Manifest]:
    """The Ingresses of a Route, the one that carries its address first."""
    main, plain = child_names(route["metadata"]["name"])
    if not intent.tls:
        return [_ingress(route, main, intent, settings, {f"{_ROUTER}.entrypoints": "web"})]
    secure = _ingress(
        route, main, intent, settings, {f"{_ROUTER}.entrypoints": "websecure", f"{_ROUTER}.tls": "true"}
    )
    section: Manifest = {"hosts": [intent.host]}
    if intent.secret is not None:
        section["secretName"] = intent.secret
    secure["spec"]["tls"] = [section]
    annotations = {f"{_ROUTER}.entrypoints": "web"}
    match intent.insecure:
        case InsecurePolicy.ALLOW:
            return [secure, _ingress(route, plain, intent, settings, annotations)]
        case InsecurePolicy.REDIRECT:
            annotations[f"{_ROUTER}.middlewares"] = settings.redirect_middleware
            return [secure, _ingress(route, plain, intent, settings, annotations)]
        case _:
            return [secure]


def address(ingress: Manifest | None) -> str:
    """Where the ingress controller says that it serves an Ingress; empty when it has not said so yet."""
    balancer = ((ingress or {}).get("status") or {}).get("loadBalancer") or {}
    for entry in balancer.get("ingress") or ():
        found = entry.get("hostname") or entry.get("ip")
        if found:
            return str(found)
    return ""


def _ingress(
    route: Manifest, name: str, intent: Intent, settings: Settings, annotations: dict[str, str]
) -> Manifest:
    backend = {"service": {"name": intent.service, "port": {"number": intent.port}}}
    path = {"path": intent.path, "pathType": "Prefix", "backend": backend}
    own = {names.LABEL_ROUTE: route["metadata"]["name"]}
    return {
        "apiVersion": INGRESS.api_version,
        "kind": INGRESS.kind,
        "metadata": {
            "namespace": route["metadata"]["namespace"],
            "name": name,
            "labels": labels(part_of=part_of(route), **own),
            "annotations": annotations,
            "ownerReferences": [owner_reference(route)],
        },
        "spec": {
            "ingressClassName": settings.ingress_class,
            "rules": [{"host": intent.host, "http": {"paths": [path]}}],
        },
    }
