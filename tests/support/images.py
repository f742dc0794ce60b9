"""Image streams and completed Builds on a real API server."""

from __future__ import annotations

from paas.api.resources import Manifest
from paas.kube.cluster import Cluster
from tests.support.completed_builds import build as build_of
from tests.support.rooms import set_status


def stream(project: str, **spec: object) -> Manifest:
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "ImageStream",
        "metadata": {"name": "shop", "namespace": project},
        "spec": spec,
    }


async def make_build(api: Cluster, project: str, number: int, **more: object) -> Manifest:
    """A completed Build, as the builds controller leaves it."""
    wanted = build_of(number, project=project, **more)  # type: ignore[arg-type]
    status = wanted.pop("status")
    wanted["metadata"] = {"namespace": project, "name": wanted["metadata"]["name"]}
    wanted["spec"]["trigger"]["id"] = f"test-{number}"
    wanted["spec"]["source"] = {"type": "Hosted"}
    wanted["spec"]["strategy"] = {"type": "Docker", "dockerStrategy": {}}
    made = await api.create(wanted, manager="test")
    return await set_status(api, made, status)
