"""The resources the platform reads and writes, and the URL paths of their objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from paas.api.names import GROUP, VERSION

Manifest = dict[str, Any]
"""One API object as plain JSON data."""


@dataclass(frozen=True, order=True)
class Key:
    """Identity of an object within its resource; `namespace` is empty for cluster-scoped ones."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class Resource:
    """One kind of API object: group ('' is core), version, kind, plural, and whether it is namespaced."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """URL path below the API server's root; without a namespace, of the whole cluster."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(quote(part, safe=":") for part in parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


BUILDCONFIG: Final = Resource(GROUP, VERSION, "BuildConfig", "buildconfigs")
BUILD: Final = Resource(GROUP, VERSION, "Build", "builds")
IMAGESTREAM: Final = Resource(GROUP, VERSION, "ImageStream", "imagestreams")
DEPLOYMENTCONFIG: Final = Resource(GROUP, VERSION, "DeploymentConfig", "deploymentconfigs")
ROUTE: Final = Resource(GROUP, VERSION, "Route", "routes")

NAMESPACE: Final = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
NODE: Final = Resource("", "v1", "Node", "nodes", namespaced=False)
POD: Final = Resource("", "v1", "Pod", "pods")
SERVICE: Final = Resource("", "v1", "Service", "services")
SECRET: Final = Resource("", "v1", "Secret", "secrets")
CONFIGMAP: Final = Resource("", "v1", "ConfigMap", "configmaps")
SERVICEACCOUNT: Final = Resource("", "v1", "ServiceAccount", "serviceaccounts")
LIMITRANGE: Final = Resource("", "v1", "LimitRange", "limitranges")
PERSISTENTVOLUME: Final = Resource("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
PERSISTENTVOLUMECLAIM: Final = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT: Final = Resource("", "v1", "Event", "events")
JOB: Final = Resource("batch", "v1", "Job", "jobs")
CRONJOB: Final = Resource("batch", "v1", "CronJob", "cronjobs")
DEPLOYMENT: Final = Resource("apps", "v1", "Deployment", "deployments")
REPLICASET: Final = Resource("apps", "v1", "ReplicaSet", "replicasets")
REPLICATIONCONTROLLER: Final = Resource("", "v1", "ReplicationController", "replicationcontrollers")
STATEFULSET: Final = Resource("apps", "v1", "StatefulSet", "statefulsets")
DAEMONSET: Final = Resource("apps", "v1", "DaemonSet", "daemonsets")
CONTROLLERREVISION: Final = Resource("apps", "v1", "ControllerRevision", "controllerrevisions")
INGRESS: Final = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
INGRESSCLASS: Final = Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False)
NETWORKPOLICY: Final = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
PODDISRUPTIONBUDGET: Final = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
HPA: Final = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE: Final = Resource("coordination.k8s.io", "v1", "Lease", "leases")
ROLE: Final = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLEBINDING: Final = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
CLUSTERROLE: Final = Resource(
    "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False
)
CLUSTERROLEBINDING: Final = Resource(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
CRD: Final = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
ADMISSIONPOLICY: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
)
ADMISSIONPOLICYBINDING: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
TOKENREVIEW: Final = Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False)
SUBJECTACCESSREVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False
)
SELFSUBJECTACCESSREVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)

ALL: Final[tuple[Resource, ...]] = tuple(value for value in globals().values() if isinstance(value, Resource))
BY_KIND: Final[dict[tuple[str, str], Resource]] = {(r.api_version, r.kind): r for r in ALL}


def resource_of(manifest: Manifest) -> Resource:
    """The resource of a manifest; KeyError names apiVersion and kind when the platform does not know it."""
    return BY_KIND[(manifest["apiVersion"], manifest["kind"])]


def key_of(manifest: Manifest) -> Key:
    return Key(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
