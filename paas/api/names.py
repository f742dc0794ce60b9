"""Every label, annotation, condition and reason that the platform writes: once, one doc line each.

Other rooms import these constants; a string literal of one of them elsewhere is a mistake.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

GROUP: Final = "paas.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

SYSTEM_NAMESPACE: Final = "paas-system"
"""Where operator, server and registry live."""
TOKEN_AUDIENCE: Final = "paas.dev"
"""Audience of the tokens that git clients present to the server."""

# -- labels ----------------------------------------------------------------------------------------
LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
"""The application an object belongs to."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "paas"
LABEL_PROJECT: Final = "paas.dev/project"
"""On a Namespace: `true` makes it a project."""
LABEL_BUILDCONFIG: Final = "paas.dev/buildconfig"
LABEL_BUILD: Final = "paas.dev/build"
LABEL_BUILD_NUMBER: Final = "paas.dev/build-number"
LABEL_DEPLOYMENTCONFIG: Final = "paas.dev/deploymentconfig"
LABEL_REVISION: Final = "paas.dev/revision"
LABEL_ROUTE: Final = "paas.dev/route"

# -- annotations -----------------------------------------------------------------------------------
ANNOTATION_DESIRED: Final = "paas.dev/desired"
"""Hash of the manifest that was last applied to a child; see `reconcile.meta.desired`."""
ANNOTATION_CAUSE: Final = "paas.dev/cause"
"""Why a child exists, JSON: what changed, from, to, by whom."""
ANNOTATION_DISPLAY_NAME: Final = "paas.dev/display-name"
ANNOTATION_DESCRIPTION: Final = "paas.dev/description"
ANNOTATION_REQUESTER: Final = "paas.dev/requester"

# -- service accounts and objects a project is given -------------------------------------------------
SERVICE_ACCOUNT_BUILDER: Final = "builder"
SERVICE_ACCOUNT_PUSHER: Final = "pusher"
PULL_SECRET: Final = "paas-registry"
"""Secret of type kubernetes.io/dockerconfigjson by which a project's pods pull its images."""


class Condition(StrEnum):
    """Condition types; the comment says what True means."""

    READY = "Ready"  # everything this object promises is so
    RECONCILING = "Reconciling"  # work is under way towards the spec (absent when not)
    STALLED = "Stalled"  # no progress without a change by a person (absent when not)
    SUCCEEDED = "Succeeded"  # Build: ended well (True), badly (False), not yet (Unknown)
    SOURCE_RESOLVED = "SourceResolved"  # BuildConfig: where the source comes from is known
    AVAILABLE = "Available"  # DeploymentConfig: enough pods of some revision serve
    PROGRESSING = "Progressing"  # DeploymentConfig: a rollout is under way or complete
    ADMITTED = "Admitted"  # Route: its host is its own and it is published
    CERTIFICATE_READY = "CertificateReady"  # Route: TLS material is in place


class Reason(StrEnum):
    """Reasons of conditions and events; the comment says when."""

    # shared
    RECONCILED = "Reconciled"  # as the spec says
    IN_PROGRESS = "InProgress"  # on the way there
    NAME_TAKEN = "NameTaken"  # a child's name belongs to an object that is not ours
    INVALID_SPEC = "InvalidSpec"  # the spec cannot be carried out as written
    # BuildConfig
    HOSTED = "Hosted"  # source is the repository on this platform
    EXTERNAL = "External"  # source is a repository elsewhere
    # Build (OpenShift's names where it has one)
    BUILD_QUEUED = "BuildQueued"  # waits for builds with lower numbers
    BUILD_PENDING = "BuildPending"  # Job made, pod not running yet
    BUILD_RUNNING = "BuildRunning"
    BUILD_COMPLETE = "BuildComplete"
    CANCELLED_BUILD = "CancelledBuild"
    FETCH_SOURCE_FAILED = "FetchSourceFailed"
    INVALID_CONTEXT_DIRECTORY = "InvalidContextDirectory"
    INVALID_OUTPUT_REFERENCE = "InvalidOutputReference"  # stays New until the ImageStream exists
    MANAGE_DOCKERFILE_FAILED = "ManageDockerfileFailed"
    NO_BUILDPACK = "NoBuildpack"  # neither a Dockerfile nor a buildpack that fits
    DOCKERFILE_PARSE_ERROR = "DockerfileParseError"
    DOCKER_BUILD_FAILED = "DockerBuildFailed"
    BASE_IMAGE_NOT_FOUND = "BaseImageNotFound"
    PUSH_IMAGE_FAILED = "PushImageToRegistryFailed"
    OUT_OF_MEMORY_KILLED = "OutOfMemoryKilled"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    BUILD_POD_DELETED = "BuildPodDeleted"
    BUILD_POD_EVICTED = "BuildPodEvicted"
    CANNOT_CREATE_BUILD_POD = "CannotCreateBuildPod"
    BUILDER_IMAGE_PULL_FAILED = "PullBuilderImageFailed"
    IMAGE_UNVERIFIED = "ImageUnverified"  # the registry does not have what the pod claims
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    GENERIC_BUILD_FAILED = "GenericBuildFailed"
    # ImageStream
    TAG_UPDATED = "TagUpdated"
    NO_IMAGES = "NoImagesYet"
    # DeploymentConfig
    WAITING_FOR_IMAGE = "WaitingForImage"  # an image trigger's tag has no image yet
    WAITING_FOR_ROLLOUT = "WaitingForRollout"  # no trigger starts it: a person must (rollout latest)
    ROLLOUT_STARTED = "RolloutStarted"
    ROLLOUT_COMPLETE = "RolloutComplete"
    ROLLOUT_FAILED = "RolloutFailed"
    ROLLED_BACK = "RolledBack"
    ROLLBACK_HELD = "RollbackHeld"  # pinned to a revision by spec.rollback
    PIN_RELEASED = "PinReleased"
    PAUSED = "Paused"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    FOREIGN_AUTOSCALER = "ForeignAutoscaler"  # an HPA targets the Deployment instead of the DC
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"
    # Route
    ADMITTED = "Admitted"
    HOST_ALREADY_CLAIMED = "HostAlreadyClaimed"
    HOST_RESERVED = "HostReserved"
    INVALID_HOST = "InvalidHost"
    ADDRESS_PENDING = "AddressPending"
    SERVICE_NOT_FOUND = "ServiceNotFound"
    CERTIFICATE_ISSUED = "CertificateIssued"
    DEFAULT_CERTIFICATE = "DefaultCertificate"
    CERTIFICATE_PENDING = "CertificatePending"  # being made by the platform's authority
    CERTIFICATE_UNAVAILABLE = "CertificateUnavailable"  # the platform's authority may not sign for the host
    NO_TLS = "NoTLS"  # the Route asks for plain http
    PORT_NOT_FOUND = "PortNotFound"  # the Service has no such port
