"""What deploy/ says about who may do what, put on a real API server of the tests."""

from __future__ import annotations

from pathlib import Path

from paas.api.resources import CRD, INGRESS, ROUTE, Key, Manifest, Resource
from paas.install.apply import shipped_manifests
from paas.install.manifests import Keys, manifests
from paas.kube.cluster import Cluster
from paas.kube.errors import DeniedByPolicy, Forbidden
from paas.node.apiserver import ApiServer
from paas.settings import Settings
from tests.support.people import kubeconfig_of, make_account
from tests.support.rooms import connect, eventually, make_project

_KINDS = (
    "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


async def install_policies(cluster: ApiServer, settings: Settings, folder: Path) -> None:
    """Roles and policies as `paas install` applies them; waits until they are in force."""
    async with await connect(cluster.kubeconfig) as api:
        for manifest in manifests(
            shipped_manifests("deploy"), settings, Keys("", "", ""), credentials_key=""
        ):
            if manifest["kind"] in _KINDS:
                await api.apply(manifest, manager="paas-install")
        someone = Key(await make_project(api, "policies"), "developer")
        async with await editor(api, cluster, someone, folder / "probe.kubeconfig") as door:

            async def in_force() -> bool:
                try:
                    probe = ingress("probe", someone.namespace, "x.example")
                    await door.create(probe, manager="test", dry_run=True)
                except DeniedByPolicy:
                    return True
                except Forbidden:
                    return False
                return False

            await eventually(in_force)


async def editor(api: Cluster, cluster: ApiServer, who: Key, kubeconfig: Path) -> Cluster:
    """The API server as somebody sees it who holds `edit` in one project and nothing else; the kubeconfig
    is written to this path."""
    await make_account(api, who, cluster_role="edit")
    await kubeconfig_of(api, cluster, who, kubeconfig)
    await rights_in_force(kubeconfig, who.namespace, INGRESS, ROUTE)
    return await Cluster.connect(kubeconfig)


async def rights_in_force(kubeconfig: Path, namespace: str, *resources: Resource) -> None:
    """Wait until the API server knows that the person of a kubeconfig may read these."""
    async with await Cluster.connect(kubeconfig) as door:

        async def may_read() -> bool:
            try:
                for resource in resources:
                    await door.list(resource, namespace)
            except Forbidden:
                return False
            return True

        await eventually(may_read)


def ingress(
    name: str,
    namespace: str,
    host: str | None,
    path: str = "/",
    *,
    class_name: str = "traefik",
    port: int = 80,
    **metadata: object,
) -> Manifest:
    """To Service `shop`."""
    backend = {"service": {"name": "shop", "port": {"number": port}}}
    rule: Manifest = {"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    if host is not None:
        rule["host"] = host
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"ingressClassName": class_name, "rules": [rule]},
    }


def of_kind(
    kind: Resource, namespace: str, spec: Manifest, name: str = "mine", **metadata: object
) -> Manifest:
    """An object of a kind, with this spec."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def definition(kind: Resource) -> Manifest:
    """A kind of an ingress controller, as far as the API server must know it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()}
    annotations = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": f"{kind.plural}.{kind.group}", "annotations": annotations},
        "spec": {"group": kind.group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
