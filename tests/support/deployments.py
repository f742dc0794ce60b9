"""A DeploymentConfig on a real API server, and a kubelet for its pods: it says which pods are ready and which
never will be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from paas.api.resources import (
    CONTROLLERREVISION,
    DEPLOYMENT,
    DEPLOYMENTCONFIG,
    EVENT,
    IMAGESTREAM,
    POD,
    Key,
    Manifest,
)
from paas.deployments.controller import DeploymentsController
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.view import View
from paas.reconcile.conditions import timestamp
from paas.reconcile.meta import short_hash
from paas.settings import Settings
from tests.support.rooms import eventually, set_status

LABELS = {"app": "shop"}


def make(cluster: Cluster, view: View, settings: Settings) -> list[DeploymentsController]:
    return [DeploymentsController(cluster=cluster, view=view, settings=settings)]


def digest(text: str) -> str:
    return "sha256:" + short_hash(text, length=64)


def config(project: str, *, name: str = "shop", pods: Manifest | None = None, **spec: Any) -> Manifest:
    source = {"kind": "ImageStreamTag", "name": "shop:latest"}
    params = {"automatic": True, "containerNames": ["web"], "from": source}
    return {
        "apiVersion": "paas.dev/v1",
        "kind": "DeploymentConfig",
        "metadata": {"name": name, "namespace": project},
        "spec": {
            "selector": LABELS,
            "replicas": 2,
            "template": {
                "metadata": {"labels": LABELS},
                "spec": pods or {"containers": [{"name": "web", "image": " "}]},
            },
            "triggers": [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChangeParams": params}],
            **spec,
        },
    }


class Project:
    """A project with one DeploymentConfig `shop`, its image stream, and a kubelet for its pods."""

    def __init__(self, api: Cluster, name: str) -> None:
        self.api, self.name, self.key = api, name, Key(name, "shop")
        self.items: list[Manifest] = []
        self.broken: set[str] = set()
        """Revisions whose pods cannot start."""
        self.crashing: set[str] = set()
        """Revisions whose container ends when its pod has become ready, and runs when started again."""

    async def create(self, **more: Any) -> Manifest:
        return await self.api.create(config(self.name, **more), manager="test")

    async def replace_template(self, template: Manifest) -> None:
        """All of spec.template at once: a merge would keep fields of the one before."""
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        path = DEPLOYMENTCONFIG.path(self.key.namespace, self.key.name)
        await self.api.request("PATCH", path, body=patch, content_type="application/json-patch+json")

    async def image(self, text: str, *, cause: str = "Push") -> None:
        number = len(self.items) + 1
        item = {
            "created": "2027-01-01T00:00:00Z",
            "dockerImageReference": f"registry.test/{self.name}/shop@{digest(text)}",
            "image": digest(text),
            "build": f"shop-{number}",
            "buildNumber": number,
            "buildConfigUid": "bc",
            "commit": text,
            "cause": cause,
        }
        self.items.insert(0, item)
        stream = await self.api.get(IMAGESTREAM, self.key)
        if stream is None:
            empty = {"apiVersion": "paas.dev/v1", "kind": "ImageStream", "spec": {}}
            meta = {"name": "shop", "namespace": self.name}
            stream = await self.api.create({**empty, "metadata": meta}, manager="test")
        await set_status(
            self.api, stream, {"tags": [{"tag": "latest", "items": self.items}]}, manager="images"
        )

    async def patch(self, patch: Manifest) -> Manifest:
        return await self.api.patch(DEPLOYMENTCONFIG, self.key, patch, manager="test")

    async def status(self) -> Manifest:
        obj = await self.api.get(DEPLOYMENTCONFIG, self.key)
        return (obj or {}).get("status") or {}

    async def kubelet(self) -> None:
        """One look at the pods: broken ones cannot pull, others become ready."""
        pods = await self.api.list(POD, self.name)
        # What runs goes first: else a pod could become ready while another that is to crash still serves, and
        # for a moment the rollout would be complete indeed.
        for pod in sorted(pods, key=lambda pod: (pod.get("status") or {}).get("phase") == "Pending"):
            revision = pod["metadata"]["labels"].get("paas.dev/revision")
            broken = revision in self.broken
            phase = (pod.get("status") or {}).get("phase")
            if pod["metadata"].get("deletionTimestamp"):
                path = POD.path(self.name, pod["metadata"]["name"])
                await _gone_is_fine(self.api.request("DELETE", path, body={"gracePeriodSeconds": 0}))
            elif broken and not (pod["status"].get("containerStatuses")):
                waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
                await self._report(pod, phase="Pending", ready="False", state=waiting)
            elif not broken and phase == "Pending":
                running = {"running": {"startedAt": "2027-01-01T00:00:00Z"}}
                await self._report(pod, phase="Running", ready="True", state=running)
            elif revision in self.crashing and not pod["status"]["containerStatuses"][0]["restartCount"]:
                ended = {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": _now()}}
                running = {"running": {"startedAt": _now()}}
                await self._report(pod, phase="Running", ready="False", state=running, last=ended)
            elif revision in self.crashing and not pod["status"]["containerStatuses"][0]["ready"]:
                found = pod["status"]["containerStatuses"][0]
                await self._report(
                    pod, phase="Running", ready="True", state=found["state"], last=found["lastState"]
                )

    async def _report(
        self, pod: Manifest, *, phase: str, ready: str, state: Manifest, last: Manifest | None = None
    ) -> None:
        statuses = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": ready == "True",
                "restartCount": 1 if last else 0,
                "state": state,
                **({"lastState": last} if last else {}),
            }
            for container in pod["spec"]["containers"]
        ]
        stamp = {"lastTransitionTime": _now()}  # minReadySeconds counts from here
        status = {
            "phase": phase,
            "conditions": [
                {"type": type_, "status": ready, **stamp} for type_ in ("Ready", "ContainersReady")
            ],
            "containerStatuses": statuses,
        }
        key = Key(self.name, pod["metadata"]["name"])
        await _gone_is_fine(
            self.api.patch(POD, key, {"status": status}, manager="kubelet", subresource="status")
        )

    async def until(self, check: Callable[[Manifest], Any], *, seconds: float = 30) -> Manifest:
        """Be the kubelet until the DeploymentConfig's status passes the check."""
        found: Manifest = {}

        async def passes() -> bool:
            nonlocal found
            await self.kubelet()
            found = await self.status()
            return bool(check(found))

        try:
            await eventually(passes, seconds)
        except AssertionError:
            raise AssertionError(f"it did not happen in {seconds} s; last seen: {found}") from None
        return found

    async def rolled_out(self, revision: int, phase: str = "Complete") -> Manifest:
        def there(status: Manifest) -> bool:
            rollout = status.get("rollout") or {}
            return (rollout.get("revision"), rollout.get("phase")) == (revision, phase)

        return await self.until(there)

    async def serving(self) -> tuple[str, str]:
        """Revision and image digest that the Deployment has."""
        live = await self.api.get(DEPLOYMENT, self.key)
        assert live is not None
        template = live["spec"]["template"]
        web = next(c for c in template["spec"]["containers"] if c["name"] == "web")
        return template["metadata"]["labels"]["paas.dev/revision"], web["image"].partition("@")[2]

    async def pods_of(self, revision: str) -> set[str]:
        """Names of the pods of a revision that are not on their way out."""
        found = await self.api.list(POD, self.name, labels=f"paas.dev/revision={revision}")
        return {p["metadata"]["name"] for p in found if not p["metadata"].get("deletionTimestamp")}

    async def versions(self) -> dict[str, str]:
        """resourceVersion of everything that the controller writes."""
        found = {}
        for resource in (DEPLOYMENTCONFIG, DEPLOYMENT, CONTROLLERREVISION, EVENT):
            for obj in await self.api.list(resource, self.name):
                found[f"{resource} {obj['metadata']['name']}"] = obj["metadata"]["resourceVersion"]
        return found


def _now() -> str:
    return timestamp(datetime.now(UTC))


async def _gone_is_fine(write: Awaitable[Any]) -> None:
    try:
        await write
    except ApiError as problem:
        if problem.status not in (404, 409):
            raise
