"""What an API server with the platform says that it serves, shortened: aggregated and as lists."""

from __future__ import annotations

from paas.api.resources import Manifest

_KINDS: list[tuple[str, str, str, str, bool, list[str]]] = [
    ("", "v1", "Pod", "pods", True, ["po"]),
    ("", "v1", "Service", "services", True, ["svc"]),
    ("", "v1", "Node", "nodes", False, ["no"]),
    ("", "v1", "Namespace", "namespaces", False, ["ns"]),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ["pvc"]),
    ("", "v1", "Event", "events", True, ["ev"]),
    ("apps", "v1", "Deployment", "deployments", True, ["deploy"]),
    ("events.k8s.io", "v1", "Event", "events", True, ["ev"]),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ["hpa"]),
    ("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ["hpa"]),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", True, ["ing"]),
    ("build.openshift.io", "v1", "BuildConfig", "buildconfigs", True, ["bc"]),
    ("paas.dev", "v1", "BuildConfig", "buildconfigs", True, ["bc"]),
    ("paas.dev", "v1", "Build", "builds", True, []),
    ("paas.dev", "v1", "ImageStream", "imagestreams", True, ["is"]),
    ("paas.dev", "v1", "DeploymentConfig", "deploymentconfigs", True, ["dc"]),
    ("paas.dev", "v1", "Route", "routes", True, ["rt"]),
]
VERBS = ["create", "delete", "get", "list", "watch"]


def _versions() -> dict[str, dict[str, list[tuple[str, str, bool, list[str]]]]]:
    found: dict[str, dict[str, list[tuple[str, str, bool, list[str]]]]] = {}
    for group, version, kind, plural, namespaced, short in _KINDS:
        found.setdefault(group, {}).setdefault(version, []).append((kind, plural, namespaced, short))
    return found


def aggregated() -> tuple[Manifest, Manifest]:
    """The answers of /api and /apis."""
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"group": group, "version": version, "kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                            "singularResource": kind.lower(),
                            "shortNames": short,
                            "verbs": VERBS,
                        }
                        for kind, plural, namespaced, short in kinds
                    ],
                }
                for version, kinds in versions.items()
            ],
        }
        for group, versions in _versions().items()
    ]
    core, groups = (
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": part}
        for part in (items[:1], items[1:])
    )
    return core, groups


def lists() -> dict[str, Manifest]:
    """The answers of an API server that cannot aggregate, by path."""
    answers: dict[str, Manifest] = {"/api": {"kind": "APIVersions", "versions": ["v1"]}}
    groups = []
    for group, versions in _versions().items():
        named = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        if group:
            groups.append({"name": group, "versions": named, "preferredVersion": named[0]})
        for version, kinds in versions.items():
            resources = [
                {"name": plural, "singularName": kind.lower() if group else "", "namespaced": namespaced,
                 "kind": kind, "shortNames": short, "verbs": VERBS}
                for kind, plural, namespaced, short in kinds
            ] + [{"name": f"{kinds[0][1]}/status", "singularName": "", "namespaced": True,
                  "kind": kinds[0][0], "verbs": ["get"]}]  # fmt: skip
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            where = f"{group}/{version}" if group else version
            answers[path] = {"kind": "APIResourceList", "groupVersion": where, "resources": resources}
    answers["/apis"] = {"kind": "APIGroupList", "groups": groups}
    return answers
