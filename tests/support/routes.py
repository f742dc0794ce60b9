"""Routes, services and an edge's settings on a real API server."""

from __future__ import annotations

from uuid import uuid4

from paas.api.resources import Manifest
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.routes.controller import RoutesController
from paas.settings import Settings

REDIRECT = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}


def controllers(cluster: Cluster, view: View, chosen: Settings) -> list[RoutesController]:
    return [RoutesController(cluster=cluster, view=view, settings=chosen)]


def route(name: str, project: str, **spec: object) -> Manifest:
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "Route",
        "metadata": {"name": name, "namespace": project},
        "spec": {"to": {"kind": "Service", "name": "shop"}, **spec},
    }


def service(project: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": project},
        "spec": {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 80, "targetPort": 8080}]},
    }


def host() -> str:
    return f"h{uuid4().hex[:8]}.apps.test"
