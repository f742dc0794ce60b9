"""networking.k8s.io/v1 Ingress as Traefik reads it, with its annotations for entry points and middlewares.

Each entry point has an Ingress of its own. Were one Ingress served on both, a redirect would have to tell
https from http by what the client says, and a client that leaves the external port out of its Host header
would be redirected in circles.

    <route>        https (or, without TLS, http) ─▶ Service
    <route>.http   http ─▶ Service (Allow), or ─▶ the redirect to the external https port (Redirect)
"""

from __future__ import annotations

from typing import ClassVar, Final

from paas.api import names
from paas.api.resources import INGRESS, Manifest, Resource
from paas.api.route import InsecurePolicy
from paas.reconcile.meta import labels, owner_reference, part_of
from paas.routes.capabilities import Feature
from paas.routes.dialects.base import Child, Children
from paas.routes.intent import Intent
from paas.settings import Settings

_ROUTER: Final = "traefik.ingress.kubernetes.io/router"
ANNOTATIONS: Final = frozenset({f"{_ROUTER}.entrypoints", f"{_ROUTER}.tls", f"{_ROUTER}.middlewares"})
"""All annotations that are ever rendered; none of them holds a word of the user's."""


class IngressDialect:
    """Ingresses for Traefik. Its Ingress provider takes one Service a path, so it has no weights."""

    name: ClassVar[str] = "ingress"
    resources: ClassVar[tuple[Resource, ...]] = (INGRESS,)
    capabilities: ClassVar[frozenset[Feature]] = frozenset(
        {
            Feature.EDGE,
            Feature.OWN_CERTIFICATE,
            Feature.INSECURE_ALLOW,
            Feature.INSECURE_REDIRECT,
            Feature.PATH,
        }
    )

    def children(self, route: str) -> tuple[Child, ...]:
        """Names of Routes hold no dot, so the names of two Routes' Ingresses never meet."""
        return (INGRESS, route), (INGRESS, f"{route}.http")

    def render(self, route: Manifest, intent: Intent, settings: Settings) -> Children:
        main, plain = self.children(route["metadata"]["name"])
        web = {f"{_ROUTER}.entrypoints": "web"}
        if intent.termination is None:
            return {main: _ingress(route, main, intent, settings, web)}
        annotations = {f"{_ROUTER}.entrypoints": "websecure", f"{_ROUTER}.tls": "true"}
        secure = _ingress(route, main, intent, settings, annotations)
        section: Manifest = {"hosts": [intent.host]}
        if intent.secret is not None:
            section["secretName"] = intent.secret
        secure["spec"]["tls"] = [section]
        match intent.insecure:
            case InsecurePolicy.ALLOW:
                return {main: secure, plain: _ingress(route, plain, intent, settings, web)}
            case InsecurePolicy.REDIRECT:
                web[f"{_ROUTER}.middlewares"] = settings.redirect_middleware
                return {main: secure, plain: _ingress(route, plain, intent, settings, web)}
            case _:
                return {main: secure}

    def hosts(self, child: Manifest) -> frozenset[str]:
        rules = (child.get("spec") or {}).get("rules") or ()
        return frozenset(str(rule["host"]) for rule in rules if rule.get("host"))

    def address(self, route: str, live: Children) -> str:
        main, _ = self.children(route)
        balancer = (live.get(main, {}).get("status") or {}).get("loadBalancer") or {}
        for entry in balancer.get("ingress") or ():
            found = entry.get("hostname") or entry.get("ip")
            if found:
                return str(found)
        return ""


def _ingress(
    route: Manifest, child: Child, intent: Intent, settings: Settings, annotations: dict[str, str]
) -> Manifest:
    (only,) = intent.backends
    backend = {"service": {"name": only.service, "port": {"number": only.port}}}
    path = {"path": intent.path, "pathType": "Prefix", "backend": backend}
    own = {names.LABEL_ROUTE: route["metadata"]["name"]}
    return {
        "apiVersion": INGRESS.api_version,
        "kind": INGRESS.kind,
        "metadata": {
            "namespace": route["metadata"]["namespace"],
            "name": child[1],
            "labels": labels(part_of=part_of(route), **own),
            "annotations": annotations,
            "ownerReferences": [owner_reference(route)],
        },
        "spec": {
            "ingressClassName": settings.ingress_class,
            "rules": [{"host": intent.host, "http": {"paths": [path]}}],
        },
    }
