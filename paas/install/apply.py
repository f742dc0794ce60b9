"""Installs the platform on a cluster, and removes it: applies `manifests` and crds/, and waits.

`paas up` and `paas install` both come through here, so that an embedded cluster is nothing special.
CRDs go first and are waited for; then everything else is applied and the processes are waited for. Rights are
given before the processes that need them, and taken when nothing that needs them is left.
A Secret of keys that exists is kept: new keys would make every credential in use worthless.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import yaml

from paas.api import names
from paas.api.project import SECRETS_ROLE, WEBHOOKS_ROLE
from paas.api.resources import (
    BUILDCONFIG,
    CLUSTERROLE,
    CONFIGMAP,
    CRD,
    DEPLOYMENT,
    DEPLOYMENTCONFIG,
    NAMESPACE,
    REPLICASET,
    ROLE,
    ROLEBINDING,
    ROUTE,
    SECRET,
    Key,
    Manifest,
    key_of,
    resource_of,
)
from paas.install.manifests import (
    REPOSITORIES_MARK,
    SETTINGS_LABEL,
    Keys,
    binds_repositories,
    by_name_until,
    manifests,
    mounted_settings,
    repositories_mark,
    widened,
)
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, ApiError, ClusterUnreachable
from paas.settings import Settings
from paas.shipped import shipped

MANAGER: Final = "paas-install"
WITHIN: Final = 180.0
"""Seconds that the processes may take to become available."""
BOUND_WITHIN: Final = 30.0
"""Seconds that the operator may take, for all projects together, to give the processes their rights."""
_BOUND: Final = {SECRETS_ROLE: "builds wait", WEBHOOKS_ROLE: "webhooks are refused"}
"""Roles that are bound in each project, and what a project without waits for."""


class InstallFailed(Exception):
    """What went wrong, and what to do next."""


async def install(
    cluster: Cluster, settings: Settings, keys: Keys, *, say: Callable[[str], None] = lambda _: None
) -> None:
    """Bring the cluster to this version of the platform; also an upgrade in place.

    Raises InstallFailed with what to do next; what was applied stays, and a second call goes on.
    """
    try:
        say("applying CustomResourceDefinitions")
        await apply_crds(cluster)
        kept = await cluster.get(SECRET, Key(names.SYSTEM_NAMESPACE, "operator-keys"))
        since = await repositories_by_name_until(cluster)
        settings = settings.model_copy(update={"repositories_by_name_until": since})
        wanted = manifests(
            shipped_manifests("deploy"),
            settings,
            keys,
            credentials_key=_kept_key(kept) or secrets.token_hex(32),
        )
        say(f"applying {len(wanted)} objects to namespace {names.SYSTEM_NAMESPACE}")
        awaited: list[Key] = []
        narrowed: list[Manifest] = []
        for manifest in wanted:
            if manifest["kind"] == "Ingress" and awaited:  # the address leads only to what is there
                await _wait_for(cluster, awaited, say)
                await _wait_bound(cluster, say)
            given = manifest
            if resource_of(manifest) in (CLUSTERROLE, ROLE):
                given = widened(manifest, await cluster.get(resource_of(manifest), key_of(manifest)))
                narrowed += [manifest] if given is not manifest else []
            await cluster.apply(given, manager=MANAGER)
            if manifest["kind"] == "Deployment":
                awaited.append(key_of(manifest))
        await _wait_for(cluster, awaited, say)
        for manifest in narrowed:
            await cluster.apply(manifest, manager=MANAGER)
        await _prune_settings(cluster)
    except ApiError as problem:
        raise InstallFailed(f"the cluster refused: {problem.message}") from problem
    except ClusterUnreachable as problem:
        raise InstallFailed(str(problem)) from problem


async def apply_crds(cluster: Cluster, *, seconds: float = 30) -> None:
    """Apply crds/ and wait until the API server serves each of them."""
    crds = shipped_manifests("crds")
    for manifest in crds:
        await cluster.apply(manifest, manager=MANAGER)
    deadline = asyncio.get_running_loop().time() + seconds
    for manifest in crds:
        while not _established(await cluster.get(CRD, key_of(manifest))):
            if asyncio.get_running_loop().time() > deadline:
                raise InstallFailed(
                    f"CRD {manifest['metadata']['name']} was not established in {seconds:.0f} s"
                )
            await asyncio.sleep(0.1)


async def uninstall(cluster: Cluster, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Remove the platform. Raises InstallFailed while applications exist: the CRDs would take them along."""
    left = []
    for resource in (BUILDCONFIG, DEPLOYMENTCONFIG, ROUTE):
        try:
            left += [f"{resource.plural} {key_of(obj)}" for obj in await cluster.list(resource)]
        except ApiError as problem:
            if problem.status != 404:
                raise
    if left:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        raise InstallFailed(
            f"applications still exist: {shown}. Delete them first: paas delete app NAME -n PROJECT"
        )
    empty = Keys("", "", "")
    for manifest in reversed(manifests(shipped_manifests("deploy"), Settings(), empty, credentials_key="")):
        if manifest["kind"] not in ("Namespace", "ConfigMap", "Secret"):  # these go with the namespace
            await cluster.delete(resource_of(manifest), key_of(manifest))
    say(f"deleting namespace {names.SYSTEM_NAMESPACE}")
    await cluster.delete(NAMESPACE, Key("", names.SYSTEM_NAMESPACE))
    for manifest in shipped_manifests("crds"):
        await cluster.delete(CRD, key_of(manifest))
    if await cluster.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is None:
        return
    async for event, _ in cluster.watch(NAMESPACE, name=names.SYSTEM_NAMESPACE, timeout=WITHIN):
        if event == "DELETED":
            return
    if await cluster.get(NAMESPACE, Key("", names.SYSTEM_NAMESPACE)) is not None:
        raise InstallFailed(
            f"namespace {names.SYSTEM_NAMESPACE} is still being deleted after {WITHIN:.0f} s; "
            f"see: kubectl get namespace {names.SYSTEM_NAMESPACE} -o yaml"
        )


async def repositories_by_name_until(cluster: Cluster) -> str:
    """Up to when projects of this cluster have repositories by their name. The mark is made before anything
    else when a version that has only names is upgraded. It is made again when such a version was installed
    over this one, as after a downgrade: the projects made meanwhile have their images by name, too."""
    key = Key(names.SYSTEM_NAMESPACE, REPOSITORIES_MARK)
    mark = await cluster.get(CONFIGMAP, key)
    operator = await cluster.get(DEPLOYMENT, Key(names.SYSTEM_NAMESPACE, "operator"))
    if operator is None:
        return by_name_until(mark)
    if mark is not None and not binds_repositories(operator):
        await cluster.delete(CONFIGMAP, key, uid=mark["metadata"]["uid"])
        mark = None
    if mark is None:
        try:
            mark = await cluster.create(repositories_mark(by_name=True), manager=MANAGER)
        except AlreadyExists:  # another installer, at the same time
            mark = await cluster.get(CONFIGMAP, key)
    return by_name_until(mark)


def shipped_manifests(folder: str) -> list[Manifest]:
    """The manifests in a folder that comes with the code: `deploy` or `crds`."""
    found: list[Manifest] = []
    for path in sorted(shipped(folder).glob("*.yaml")):
        if path.name != "kustomization.yaml":
            found += [document for document in yaml.safe_load_all(path.read_text()) if document]
    return found


def _kept_key(secret: Manifest | None) -> str | None:
    encoded = ((secret or {}).get("data") or {}).get("credentials.key")
    return base64.b64decode(encoded).decode() if encoded else None


def _established(crd: Manifest | None) -> bool:
    conditions: Iterable[Mapping[str, Any]] = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _prune_settings(cluster: Cluster) -> None:
    """Remove the settings of earlier versions that nothing goes back to: a ReplicaSet without pods is what
    `kubectl rollout undo` takes, and its pods would wait for their settings for ever."""
    mounted = mounted_settings(await cluster.list(REPLICASET, names.SYSTEM_NAMESPACE))
    for config in await cluster.list(CONFIGMAP, names.SYSTEM_NAMESPACE, labels=f"{SETTINGS_LABEL}=true"):
        if config["metadata"]["name"] not in mounted:
            await cluster.delete(CONFIGMAP, key_of(config), uid=config["metadata"]["uid"])


async def _wait_for(cluster: Cluster, deployments: list[Key], say: Callable[[str], None]) -> None:
    """Wait for each of them, and take them from the list."""
    while deployments:
        say(f"waiting for {deployments[0].name}")
        await _wait_available(cluster, deployments.pop(0))


async def _wait_bound(cluster: Cluster, say: Callable[[str], None]) -> None:
    """Wait until operator and front may read the Secrets of each project; where they may not, builds wait and
    every delivery is refused. A project that the operator cannot bring there does not hold up the others."""
    deadline = asyncio.get_running_loop().time() + BOUND_WITHIN
    projects = await cluster.list(NAMESPACE, labels=f"{names.LABEL_PROJECT}=true")
    for name in (p["metadata"]["name"] for p in projects if not p["metadata"].get("deletionTimestamp")):
        for role, lack in _BOUND.items():
            while await cluster.get(ROLEBINDING, Key(name, role)) is None:
                if asyncio.get_running_loop().time() > deadline:
                    say(f"project {name} lacks RoleBinding {role}: until then its {lack}")
                    break
                await asyncio.sleep(0.2)


async def _wait_available(cluster: Cluster, key: Key) -> None:
    """Wait until the newest generation of a Deployment is the only one and available."""
    deadline = asyncio.get_running_loop().time() + WITHIN
    while True:
        deployment = await cluster.get(DEPLOYMENT, key)
        if deployment is not None and _available(deployment):
            return
        if asyncio.get_running_loop().time() > deadline:
            raise InstallFailed(
                f"{key.name} did not become available in {WITHIN:.0f} s; "
                f"see: kubectl -n {key.namespace} describe pod -l app.kubernetes.io/name={key.name}, and "
                f"kubectl -n {key.namespace} logs deploy/{key.name}"
            )
        await asyncio.sleep(0.2)


def _available(deployment: Manifest) -> bool:
    status, spec = deployment.get("status") or {}, deployment["spec"]
    replicas = spec.get("replicas", 1)
    return bool(
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == replicas
        and status.get("availableReplicas") == replicas
        and status.get("replicas") == replicas
    )
