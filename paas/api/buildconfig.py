"""BuildConfig as people and controllers write it, with OpenShift's field names.

A BuildConfig says where source is, how to build it and where the image goes. OpenShift's fields that are
not built yet are in the schema and refused by CEL with a message that names them; unknown ones would be
pruned in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, ConditionType, Kind, Model, NameRule, Opaque, Status, unsupported
from paas.api.common import (
    EnvVar,
    LocalReference,
    ObjectName,
    Quantities,
    RelativePath,
    ShortName,
    Text,
    below,
)
from paas.api.names import Condition, Reason
from paas.api.resources import BUILDCONFIG

DELIVERIES_KEPT: Final = 20
"""How many deliveries of webhooks a BuildConfig shows."""
TRIGGERS_KEPT: Final = 50
"""How many trigger ids a BuildConfig remembers, so that a repeated trigger finds its Build even after
the Build was pruned."""
ANNOTATION_PAUSED: Final = "paas.dev/paused"
"""On a BuildConfig: `true` means that no Build of it is made."""

OptimizationPolicy = Annotated[
    str, Field(json_schema_extra={"enum": ["None", "SkipLayers", "SkipLayersAndWarn"]}, max_length=32)
]
StreamTag = Annotated[
    str, Field(max_length=190, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
]


class SourceType(StrEnum):
    """Where the source of a Build comes from."""

    HOSTED = "Hosted"
    """The repository on this platform."""
    EXTERNAL = "External"
    """An https repository elsewhere."""


class ImageLabel(Model):
    """A label that is put on the image."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    """Name of the label."""
    value: Annotated[str, Field(max_length=1024)] = ""
    """Its value."""


class Resources(Model):
    """Requests and limits of the build container; quantities as in a pod."""

    limits: Quantities | None = None
    """The most that the build container may use, such as `memory: 2Gi`; over its memory it is killed."""
    requests: Quantities | None = None
    """What the node must have free for the build container, such as `cpu: 500m`."""
    claims: list[Opaque] | None = Field(default=None, max_length=16)
    """Devices that the container claims."""
    cel = unsupported("claims")


class DockerStrategy(Model):
    """Build by a Dockerfile: the repository's own, or one that a buildpack renders."""

    dockerfile_path: RelativePath | None = None
    """Relative to contextDir; absent means `Dockerfile`, and a buildpack when there is none."""
    no_cache: bool = False
    """True builds every step, without layers that earlier builds left in the cache."""
    force_pull: bool = False
    """Base images are always resolved at the registry, so both values mean the same."""
    build_args: list[EnvVar] | None = Field(default=None, max_length=64)
    """Values for the ARG lines of the Dockerfile."""
    image_optimization_policy: OptimizationPolicy | None = None
    """SkipLayers makes one layer of all steps, None (the default) a layer a step."""
    from_: Opaque | None = Field(default=None, alias="from")
    """An image that replaces the one in the last FROM line."""
    pull_secret: LocalReference | None = None
    """Secret with a password for the registry of base images."""
    env: list[EnvVar] | None = Field(default=None, max_length=64)
    """Environment of every step; use `buildArgs` for the time of the build."""
    volumes: list[Opaque] | None = Field(default=None, max_length=16)
    """Volumes that are mounted during the build."""
    cel = (
        *unsupported("from", "pullSecret", "env", "volumes"),
        below("dockerfilePath"),
        (
            "!has(self.imageOptimizationPolicy) || self.imageOptimizationPolicy != 'SkipLayersAndWarn'",
            "imageOptimizationPolicy SkipLayersAndWarn is not supported yet; use SkipLayers or None",
        ),
    )


class Strategy(Model):
    """How to build: dockerStrategy."""

    type: Annotated[str, Field(max_length=32)] | None = None
    """Docker, the one there is; leave it out."""
    docker_strategy: DockerStrategy = DockerStrategy()
    """Build by a Dockerfile, the repository's own or a buildpack's."""
    source_strategy: Opaque | None = None
    """Source-to-image."""
    custom_strategy: Opaque | None = None
    """A builder image of your own."""
    jenkins_pipeline_strategy: Opaque | None = None
    """A Jenkins pipeline."""
    cel = (
        *unsupported("sourceStrategy", "customStrategy", "jenkinsPipelineStrategy"),
        ("!has(self.type) || self.type == 'Docker'", "type is not supported yet other than Docker"),
    )


class ImageTarget(Model):
    """The stream tag that gets the image: `shop:latest` of the same namespace."""

    kind: Annotated[str, Field(max_length=32)] = "ImageStreamTag"
    """ImageStreamTag."""
    name: StreamTag
    """`<stream>:<tag>`, such as `shop:latest`; the ImageStream must exist before the first build."""
    namespace: ShortName | None = None
    """Project of the stream."""
    cel = (
        ("self.kind == 'ImageStreamTag'", "kind is not supported yet other than ImageStreamTag"),
        ("!has(self.__namespace__)", "namespace is not supported yet; the stream is in the same project"),
    )

    @property
    def stream(self) -> str:
        """Name of the ImageStream."""
        return self.name.partition(":")[0]

    @property
    def tag(self) -> str:
        return self.name.partition(":")[2]


class Output(Model):
    """Where the image goes; without `to` the build is a test only and nothing is pushed in OpenShift,
    which is not supported yet."""

    to: ImageTarget
    """The stream tag that gets the image."""
    image_labels: list[ImageLabel] | None = Field(default=None, max_length=64)
    """Labels for the image, besides those that say which commit and Build it is from."""
    push_secret: LocalReference | None = None
    """Secret with a password for another registry."""
    cel = unsupported("pushSecret")


class GitSource(Model):
    """A git repository. Without `uri` it is the one hosted here; its address is in status.repository."""

    uri: Annotated[str, Field(max_length=2048)] | None = None
    """Address of an external repository, such as `https://git.example/team/shop.git`. Absent: the platform
    hosts the repository."""
    ref: Annotated[str, Field(max_length=250, pattern=r"^[^-\s~^:?*\[\\][^\s~^:?*\[\\]*$")] | None = None
    """Branch (or, for an external repository, tag or commit); absent means the repository's HEAD."""
    poll_interval_seconds: int | None = Field(default=None, ge=60, le=86400)
    """How often the git host is asked whether the branch moved, for deliveries of its webhook that got lost;
    absent means never, and every 10 minutes where there is a Generic trigger."""
    http_proxy: Text | None = None
    """Proxy for http."""
    https_proxy: Text | None = None
    """Proxy for https."""
    no_proxy: Text | None = None
    """Hosts that are reached without a proxy."""
    cel = (
        *unsupported("httpProxy", "httpsProxy", "noProxy"),
        (
            r"!has(self.uri) || self.uri.matches('^https://[A-Za-z0-9.\\[\\]:-]+/[^\\s#?]*[^\\s#?/]$')",
            "uri must be an https address without user, query or fragment, as https://host/team/repo.git; "
            "leave it out to host the repository here (ssh and git are not supported yet)",
        ),
        ("!has(self.uri) || !self.uri.contains('@')", "uri must not contain a user; use sourceSecret"),
        (
            "!has(self.pollIntervalSeconds) || has(self.uri)",
            "pollIntervalSeconds is for an external repository: set uri, or leave pollIntervalSeconds out",
        ),
    )


class BuildSource(Model):
    """Where source comes from. An empty one is the repository hosted here."""

    type: Annotated[str, Field(max_length=32)] | None = None
    """Git, the one there is; leave it out."""
    git: GitSource = GitSource()
    """The repository and the branch that is built."""
    context_dir: RelativePath | None = None
    """The folder of the repository that is built; absent means its root."""
    dockerfile: Annotated[str, Field(max_length=60000)] | None = None
    """A Dockerfile written here, which replaces the one of the source."""
    source_secret: LocalReference | None = None
    """Secret with `username` and `password` of an external repository."""
    binary: Opaque | None = None
    """Source that is uploaded with the request."""
    images: list[Opaque] | None = Field(default=None, max_length=16)
    """Files that are copied out of other images."""
    secrets: list[Opaque] | None = Field(default=None, max_length=16)
    """Secrets that are copied into the source."""
    config_maps: list[Opaque] | None = Field(default=None, max_length=16)
    """ConfigMaps that are copied into the source."""
    cel = (
        *unsupported("binary", "images", "secrets", "configMaps"),
        below("contextDir"),
        ("!has(self.type) || self.type == 'Git'", "type is not supported yet other than Git"),
        (
            "!has(self.sourceSecret) || has(self.git.uri)",
            "sourceSecret is for an external repository: set git.uri, or leave sourceSecret out",
        ),
    )

    @property
    def kind(self) -> SourceType:
        return SourceType.EXTERNAL if self.git.uri else SourceType.HOSTED


class WebHookTrigger(Model):
    """Which Secret's key `WebHookSecretKey` a git host signs with, or a generic webhook is sent with."""

    secret_reference: LocalReference | None = None
    """The Secret whose key `WebHookSecretKey` a git host signs with, or a generic webhook is sent with."""
    secret: Text | None = None
    """The key in plain text."""
    allow_env: bool | None = None
    """Whether the webhook may set the environment of the build."""
    cel = (
        *unsupported("allowEnv"),
        (
            "!has(self.secret)",
            "secret in plain text is not supported yet; put it in a Secret under the key WebHookSecretKey "
            "and name that in secretReference",
        ),
        (
            "has(self.secretReference)",
            "secretReference is missing: name a Secret with the key WebHookSecretKey",
        ),
    )


class BuildTrigger(Model):
    """What makes a Build by itself, besides a push to the hosted repository."""

    type: Annotated[str, Field(max_length=32)]
    """GitHub: a webhook of GitHub starts a build. Generic: a POST of anybody who has the secret does.
    ConfigChange: one build when the BuildConfig is created."""
    github: WebHookTrigger | None = None
    """Who may send GitHub's webhooks; needed with type GitHub."""
    gitlab: Opaque | None = None
    """GitLab's webhooks."""
    gitea: Opaque | None = None
    """Gitea's webhooks."""
    bitbucket: Opaque | None = None
    """Bitbucket's webhooks."""
    generic: WebHookTrigger | None = None
    """Who may send webhooks of anything else; needed with type Generic."""
    image_change: Opaque | None = None
    """A build when a base image's tag moves."""
    cel = (
        (
            "self.type in ['GitHub', 'Generic', 'ConfigChange']",
            "type is not supported yet other than GitHub, Generic and ConfigChange; leave the trigger out",
        ),
        *unsupported("gitlab", "gitea", "bitbucket", "imageChange"),
        (
            "self.type != 'Generic' || has(self.generic)",
            "generic is missing: a Generic trigger needs generic.secretReference",
        ),
        (
            "self.type != 'GitHub' || has(self.github)",
            "github is missing: a GitHub trigger needs github.secretReference",
        ),
    )


class BuildConfigSpec(Model):
    """Where the source is, how it becomes an image, and where the image goes."""

    source: BuildSource = BuildSource()
    """Where the source comes from."""
    strategy: Strategy = Strategy()
    """How the source becomes an image."""
    output: Output
    """Where the image goes."""
    triggers: list[BuildTrigger] = Field(default=[], max_length=20)
    """What starts a build, besides a push to the hosted repository and `paas start-build`."""
    run_policy: Annotated[str, Field(max_length=32)] = "Serial"
    """Serial: the builds run one after the other, in the order of their numbers."""
    successful_builds_history_limit: int | None = Field(default=None, ge=0, le=1000)
    """How many Builds that completed are kept. Absent: all; `new-app` writes 5."""
    failed_builds_history_limit: int | None = Field(default=None, ge=0, le=1000)
    """How many Builds that failed or were cancelled are kept. Absent: all; `new-app` writes 5."""
    resources: Resources | None = None
    """Requests and limits of the build container."""
    completion_deadline_seconds: int | None = Field(default=None, ge=1, le=604800)
    """A build that takes longer fails; absent means the platform's limit."""
    service_account: ObjectName | None = None
    """builder, the one there is; leave it out."""
    node_selector: Annotated[dict[str, ShortName], Field(max_length=32)] | None = None
    """Labels of the nodes on which builds may run."""
    mount_trusted_ca: bool | None = Field(default=None, alias="mountTrustedCA")
    """Whether the cluster's trusted certificates are mounted into the build."""
    post_commit: Opaque | None = None
    """A test that runs in the finished image before it is pushed."""
    revision: Opaque | None = None
    """A commit that is built instead of the branch's newest; use `paas start-build --commit`."""
    cel = (
        *unsupported("mountTrustedCA", "postCommit", "revision"),
        ("self.runPolicy == 'Serial'", "runPolicy is not supported yet other than Serial"),
        (
            "!has(self.serviceAccount) || self.serviceAccount == 'builder'",
            "serviceAccount is not supported yet other than builder; build pods have no API token",
        ),
    )


class TriggerRecord(Model):
    """A trigger and the Build it made."""

    id: Text
    """Identity of the trigger, such as that of a push or of a webhook delivery."""
    build: ObjectName
    """Name of the Build it made."""


class LastBuild(Model):
    """The Build with the highest number."""

    name: ObjectName
    """Its name."""
    phase: ShortName
    """Its phase."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that it builds or has built."""


class Delivery(Model):
    """What a git host delivered, or a poll found, and what came of it."""

    id: Text
    """The host's id of the delivery."""
    time: ShortName
    """When it arrived."""
    event: ShortName
    """What it was about in the host's words, such as push; poll when the platform looked itself."""
    ref: Text | None = None
    """The branch that it was about."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that it was about."""
    decision: ShortName
    """build, ignored, refused or retry."""
    reason: Text
    """The same in words."""
    cause: ShortName | None = None
    """Why the cluster refuses the Build: Quota, Policy, Rights or Invalid; absent when it does not."""
    build: ObjectName | None = None
    """The Build that it made, or that had been made before."""


class SourceHead(Model):
    """The newest commit of the branch that a webhook or a poll made a Build of."""

    uri: Annotated[str, Field(max_length=2048)]
    """Address of the repository."""
    ref: Text
    """The branch."""
    commit: Annotated[str, Field(max_length=64)]
    """The commit."""
    before: Annotated[str, Field(max_length=64)] | None = None
    """Where the branch was before, as the host said."""
    pushed_at: int = 0
    """When it was pushed, in seconds since 1970 as the host said; 0 when it did not."""
    build: ObjectName
    """Its Build."""


class WaitingPush(Model):
    """A push to the hosted repository of which the cluster lets no Build be made; it is tried again."""

    ref: Text
    """The branch."""
    commit: Annotated[str, Field(max_length=64)]
    """The commit."""
    since: ShortName
    """When it was first refused."""
    cause: ShortName
    """Quota, Policy, Rights or Invalid."""
    message: Text
    """What the API server says."""


class BuildConfigStatus(Status):
    """What the platform knows about a BuildConfig."""

    last_version: int = 0
    """Highest number that any Build of this BuildConfig ever had."""
    repository: Annotated[str, Field(max_length=2048)] | None = None
    """Where to push, when the source is hosted here."""
    last_build: LastBuild | None = None
    """The Build with the highest number."""
    triggers: list[TriggerRecord] | None = Field(default=None, max_length=TRIGGERS_KEPT)
    """The last triggers and the Builds they made, so that a repeated trigger makes none."""
    deliveries: list[Delivery] | None = Field(default=None, max_length=DELIVERIES_KEPT)
    """The last deliveries of webhooks, newest first."""
    head: SourceHead | None = None
    """The newest commit that a webhook or a poll made a Build of: what is older is not built again."""
    waiting_push: WaitingPush | None = None
    """The push that waits because the cluster refuses its Build; later pushes wait behind it."""


KIND: Final = Kind(
    resource=BUILDCONFIG,
    singular="buildconfig",
    short_names=("bc",),
    spec=BuildConfigSpec,
    status=BuildConfigStatus,
    columns=(
        Column("Latest", ".status.lastVersion", "integer"),
        Column("Status", ".status.lastBuild.phase"),
        Column("Commit", ".status.lastBuild.commit"),
        Column("Repository", ".status.repository", priority=1),
        Column("Source", ".spec.source.git.uri", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    conditions=(
        ConditionType(
            Condition.READY,
            "Builds can start.",
            (
                Reason.RECONCILED,
                Reason.INVALID_SPEC,
                Reason.REFUSED,
                Reason.RECONCILE_FAILED,
                Reason.FETCH_SOURCE_FAILED,
                Reason.INVALID_OUTPUT_REFERENCE,
            ),
        ),
        ConditionType(
            Condition.SOURCE_RESOLVED,
            "It is known where the source comes from.",
            (Reason.HOSTED, Reason.EXTERNAL, Reason.FETCH_SOURCE_FAILED),
        ),
        ConditionType(
            Condition.STALLED,
            "No build can start until a person changes something (absent when not).",
            (Reason.INVALID_SPEC, Reason.REFUSED),
        ),
    ),
    example="""\
apiVersion: paas.dev/v1
kind: BuildConfig
metadata:
  name: shop
spec:
  source:
    git:
      uri: https://git.example/team/shop.git
      ref: main
  output:
    to:
      name: shop:latest
  triggers:
    - type: ConfigChange
    - type: GitHub
      github:
        secretReference:
          name: shop-webhook
""",
    name_rule=NameRule(limit=52),
    server_status=frozenset({"deliveries", "head", "waitingPush"}),
)
