"""The pod that builds: init container `fetch` lays the exact commit down, then `kaniko` makes the image.

    Secret <build>-build ─┬─▶ fetch   request, password (source), ca.crt
                          └─▶ kaniko  config.json (registry), ca.crt
    emptyDir workspace:  fetch writes source/ and Dockerfile ──▶ kaniko reads them

Pure: the same Build gives the same manifests. Kaniko runs RUN steps in its own file system, so whatever
is mounted into its container can be read by them: only the registry's credential is, and that one is good
for this Build's own repository while the Build runs. Nothing of a user's is ever a flag of its own.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from paas.api import names
from paas.api.build import BuildSpec
from paas.api.buildconfig import SourceType
from paas.api.resources import JOB, SECRET, Manifest
from paas.auth import credentials
from paas.fetch import request
from paas.kube.expansion import literal
from paas.reconcile import meta
from paas.registry.repositories import CACHE_HOURS, Repositories
from paas.settings import Settings

FETCH: Final = "fetch"
KANIKO: Final = "kaniko"
CONTEXT: Final = "/kaniko/buildcontext"
"""The workspace as Kaniko sees it: below /kaniko, which never becomes part of an image, so that a
Dockerfile may use every other path."""
DOCKER_CONFIG: Final = "/kaniko/.docker"
CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SETFCAP", "KILL")
"""What RUN, COPY --chown and package managers need of root; all are in PodSecurity's baseline."""
START_SECONDS: Final = 900
"""Time for a pod to be scheduled and to start, on top of the build's own deadline."""


def job_name(build: Manifest) -> str:
    """Name of a Build's Job and Secret."""
    return meta.fit(f"{build['metadata']['name']}-build")


def secret(
    build: Manifest, spec: BuildSpec, *, settings: Settings, key: bytes, ca: str, repository_url: str
) -> Manifest:
    """What the Build's pod needs to know and must not show: its request and its two passwords.

    `key` is the platform's credential key, `ca` the PEM of its CA.
    """
    metadata = build["metadata"]
    user = credentials.build_user(metadata["namespace"], metadata["name"])
    registry_password = credentials.build_credential(key, metadata["uid"], credentials.REGISTRY)
    auth = base64.b64encode(f"{user}:{registry_password}".encode()).decode()
    entries = {
        request.REQUEST_FILE: fetch_request(build, spec, settings, repository_url).to_json(),
        request.PASSWORD_FILE: credentials.build_credential(key, metadata["uid"], credentials.SOURCE),
        request.CA_FILE: ca,
        "config.json": json.dumps({"auths": {settings.registry_push: {"auth": auth}}}),
    }
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {
            "name": job_name(build),
            "namespace": metadata["namespace"],
            "labels": _labels(build, spec),
        },
        "type": "Opaque",
        "immutable": True,
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in entries.items()},
    }


def fetch_request(
    build: Manifest, spec: BuildSpec, settings: Settings, repository_url: str
) -> request.FetchRequest:
    """What `fetch` is to do for this Build."""
    metadata, git = build["metadata"], spec.revision.git
    hosted = spec.source.type == SourceType.HOSTED
    location = repository_url if hosted else spec.source.git.uri
    reference = git.ref or spec.source.git.ref
    archive = None
    if hosted:
        path = request.archive_path(metadata["namespace"], spec.build_config, git.commit or "")
        archive = settings.server_url.rstrip("/") + path
    return request.FetchRequest(
        archive=archive,
        user=credentials.build_user(metadata["namespace"], metadata["name"]) if hosted else None,
        dockerfile=spec.dockerfile,
        uri=spec.source.git.uri,
        ref=reference,
        commit=git.commit,
        context_dir=spec.source.context_dir,
        dockerfile_path=spec.strategy.docker_strategy.dockerfile_path,
        inline=spec.source.dockerfile,
        build_args=_build_args(spec),
        runtime_registry=settings.builds.runtime_registry,
        allowed_addresses=settings.sources.allowed_addresses,
        environment={
            "PAAS_BUILD_NAME": metadata["name"],
            "PAAS_BUILD_NAMESPACE": metadata["namespace"],
            "PAAS_BUILD_SOURCE": location or "",
            "PAAS_BUILD_REFERENCE": reference or "",
        },
        labels={"org.opencontainers.image.source": location or ""},
        content_key=spec.content_key,
        buildpack=spec.buildpack,
    )


def job(
    build: Manifest,
    spec: BuildSpec,
    *,
    settings: Settings,
    repositories: Repositories,
    user_namespaces: bool,
) -> Manifest:
    """The Job. `user_namespaces`: the pod's root is mapped to an unprivileged user of the node."""
    deadline = spec.completion_deadline_seconds or settings.builds.deadline_seconds
    metadata = build["metadata"]
    labels = _labels(build, spec)
    pod: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": names.SERVICE_ACCOUNT_BUILDER,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": names.PULL_SECRET}],
        "activeDeadlineSeconds": deadline,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [_fetch_container(spec, settings)],
        "containers": [_kaniko_container(build, spec, settings, repositories)],
        "volumes": _volumes(build, spec, settings),
    }
    if user_namespaces:
        pod["hostUsers"] = False
    if spec.node_selector:
        pod["nodeSelector"] = dict(spec.node_selector)
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": job_name(build),
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {names.ANNOTATION_CAUSE: json.dumps(spec.trigger.dump(), sort_keys=True)},
        },
        "spec": {
            # One pod and never a second: whether a lost build runs again is decided by us, as a Build.
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            # The pod's own deadline keeps the pod and its log; the Job's is for one that never starts.
            "activeDeadlineSeconds": deadline + START_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def kaniko_args(
    build: Manifest, spec: BuildSpec, settings: Settings, repositories: Repositories
) -> list[str]:
    """Kaniko's argument list. Values of users stand behind a '=' of a flag of ours. The image's tag in the
    registry is the Build's UID."""
    metadata, docker = build["metadata"], spec.strategy.docker_strategy
    registry = settings.registry_push
    stream = spec.output.to.stream
    args = [
        f"--context=dir://{CONTEXT}/{request.SOURCE}",
        f"--dockerfile={CONTEXT}/{request.DOCKERFILE}",
        f"--destination={registry}/{repositories.images(stream)}:{metadata['uid']}",
        "--digest-file=/dev/termination-log",
        f"--registry-certificate={registry}={DOCKER_CONFIG}/{request.CA_FILE}",
        "--snapshot-mode=redo",
        "--push-retry=6",
        "--image-fs-extract-retry=1",
        "--log-format=text",
        "--verbosity=info",
    ]
    if docker.no_cache:
        args.append("--cache=false")
    else:
        args += [
            "--cache=true",
            f"--cache-repo={registry}/{repositories.cache(stream)}",
            "--cache-copy-layers=true",
            f"--cache-ttl={CACHE_HOURS}h",
        ]
    if spec.source.context_dir:
        args.append(f"--context-sub-path={spec.source.context_dir}")
    if docker.image_optimization_policy == "SkipLayers":
        args.append("--single-snapshot")
    args += [f"--build-arg={name}={value}" for name, value in _build_args(spec).items()]
    created = metadata.get("creationTimestamp")
    if created:
        args.append(f"--label=org.opencontainers.image.created={created}")
    args += [f"--label={label.name}={label.value}" for label in spec.output.image_labels or ()]
    return args


def _fetch_container(spec: BuildSpec, settings: Settings) -> Manifest:
    mounts = [
        {"name": "workspace", "mountPath": request.WORKSPACE},
        {"name": "order", "mountPath": request.REQUEST_FOLDER, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
    ]
    if spec.source.source_secret:
        mounts.append({"name": "source-secret", "mountPath": request.SECRET_FOLDER, "readOnly": True})
    return {
        "name": FETCH,
        "image": settings.platform_image,
        "command": ["python", "-m", "paas.fetch"],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 - in the container
        "resources": _resources(spec, settings),
        # Root without any capability: COPY keeps the owner of what it copies, and that is root.
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _kaniko_container(
    build: Manifest, spec: BuildSpec, settings: Settings, repositories: Repositories
) -> Manifest:
    return {
        "name": KANIKO,
        "image": settings.builds.kaniko_image,
        "args": [literal(argument) for argument in kaniko_args(build, spec, settings, repositories)],
        "resources": _resources(spec, settings),
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "workspace", "mountPath": CONTEXT},
            {"name": "registry", "mountPath": DOCKER_CONFIG, "readOnly": True},
        ],
    }


def _volumes(build: Manifest, spec: BuildSpec, settings: Settings) -> list[Manifest]:
    own = job_name(build)
    limit = settings.builds.ephemeral_storage_limit
    volumes: list[Manifest] = [
        {"name": "workspace", "emptyDir": {"sizeLimit": limit}},
        {"name": "tmp", "emptyDir": {"sizeLimit": limit}},
        {
            "name": "order",
            "secret": _projection(own, request.REQUEST_FILE, request.PASSWORD_FILE, request.CA_FILE),
        },
        {"name": "registry", "secret": _projection(own, "config.json", request.CA_FILE)},
    ]
    if spec.source.source_secret:
        volumes.append({"name": "source-secret", "secret": {"secretName": spec.source.source_secret.name}})
    return volumes


def _projection(name: str, *entries: str) -> Manifest:
    return {
        "secretName": name,
        "defaultMode": 0o400,
        "items": [{"key": entry, "path": entry} for entry in entries],
    }


def _resources(spec: BuildSpec, settings: Settings) -> Manifest:
    """The platform's, overridden by the BuildConfig's; a request never above the limit it comes with."""
    own = spec.resources
    limits: dict[str, Any] = {
        "memory": settings.builds.memory_limit,
        "ephemeral-storage": settings.builds.ephemeral_storage_limit,
    }
    requests: dict[str, Any] = {
        "cpu": settings.builds.cpu_request,
        "memory": settings.builds.memory_request,
    }
    if own is not None and own.limits:
        limits |= own.limits
        # Kubernetes sets a missing request to the limit; ours could be above it.
        requests = {name: value for name, value in requests.items() if name not in own.limits}
    if own is not None and own.requests:
        requests |= own.requests
    return {"limits": limits, "requests": requests}


def _build_args(spec: BuildSpec) -> dict[str, str]:
    return {arg.name: arg.value for arg in spec.strategy.docker_strategy.build_args or ()}


def _labels(build: Manifest, spec: BuildSpec) -> dict[str, str]:
    return meta.labels(
        part_of=meta.part_of(build),
        **{
            names.LABEL_BUILD: build["metadata"]["name"],
            names.LABEL_BUILDCONFIG: spec.build_config,
            names.LABEL_BUILD_NUMBER: str(spec.number),
        },
    )
