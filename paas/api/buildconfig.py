"""BuildConfig as people and controllers write it, with OpenShift's field names.

A BuildConfig says where source is, how to build it and where the image goes. OpenShift's fields that are
not built yet are in the schema and refused by CEL with a message that names them; unknown ones would be
pruned in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, Kind, Model, NameRule, Opaque, Status, unsupported
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
from paas.api.resources import BUILDCONFIG

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

    HOSTED = "Hosted"  # the repository on this platform
    EXTERNAL = "External"  # an https repository elsewhere


class ImageLabel(Model):
    """A label that is put on the image."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    value: Annotated[str, Field(max_length=1024)] = ""


class Resources(Model):
    """Requests and limits of the build container; quantities as in a pod."""

    limits: Quantities | None = None
    requests: Quantities | None = None
    claims: list[Opaque] | None = Field(default=None, max_length=16)
    cel = unsupported("claims")


class DockerStrategy(Model):
    """Build by a Dockerfile: the repository's own, or one that a buildpack renders."""

    dockerfile_path: RelativePath | None = None
    """Relative to contextDir; absent means `Dockerfile`, and a buildpack when there is none."""
    no_cache: bool = False
    force_pull: bool = False
    """Base images are always resolved at the registry, so both values mean the same."""
    build_args: list[EnvVar] | None = Field(default=None, max_length=64)
    image_optimization_policy: OptimizationPolicy | None = None
    from_: Opaque | None = Field(default=None, alias="from")
    pull_secret: LocalReference | None = None
    env: list[EnvVar] | None = Field(default=None, max_length=64)
    volumes: list[Opaque] | None = Field(default=None, max_length=16)
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
    docker_strategy: DockerStrategy = DockerStrategy()
    source_strategy: Opaque | None = None
    custom_strategy: Opaque | None = None
    jenkins_pipeline_strategy: Opaque | None = None
    cel = (
        *unsupported("sourceStrategy", "customStrategy", "jenkinsPipelineStrategy"),
        ("!has(self.type) || self.type == 'Docker'", "type is not supported yet other than Docker"),
    )


class ImageTarget(Model):
    """The stream tag that gets the image: `shop:latest` of the same namespace."""

    kind: Annotated[str, Field(max_length=32)] = "ImageStreamTag"
    name: StreamTag
    namespace: ShortName | None = None
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
    image_labels: list[ImageLabel] | None = Field(default=None, max_length=64)
    push_secret: LocalReference | None = None
    cel = unsupported("pushSecret")


class GitSource(Model):
    """A git repository. Without `uri` it is the one hosted here; its address is in status.repository."""

    uri: Annotated[str, Field(max_length=2048)] | None = None
    ref: Annotated[str, Field(max_length=250, pattern=r"^[^-\s~^:?*\[\\][^\s~^:?*\[\\]*$")] | None = None
    """Branch (or, for an external repository, tag or commit); absent means the repository's HEAD."""
    http_proxy: Text | None = None
    https_proxy: Text | None = None
    no_proxy: Text | None = None
    cel = (
        *unsupported("httpProxy", "httpsProxy", "noProxy"),
        (
            r"!has(self.uri) || self.uri.matches('^https://[A-Za-z0-9.\\[\\]:-]+/[^\\s#?]*[^\\s#?/]$')",
            "uri must be an https address without user, query or fragment, as https://host/team/repo.git; "
            "leave it out to host the repository here (ssh and git are not supported yet)",
        ),
        ("!has(self.uri) || !self.uri.contains('@')", "uri must not contain a user; use sourceSecret"),
    )


class BuildSource(Model):
    """Where source comes from. An empty one is the repository hosted here."""

    type: Annotated[str, Field(max_length=32)] | None = None
    git: GitSource = GitSource()
    context_dir: RelativePath | None = None
    dockerfile: Annotated[str, Field(max_length=60000)] | None = None
    """Replaces the Dockerfile of the source."""
    source_secret: LocalReference | None = None
    """Secret with `username` and `password` for an external repository."""
    binary: Opaque | None = None
    images: list[Opaque] | None = Field(default=None, max_length=16)
    secrets: list[Opaque] | None = Field(default=None, max_length=16)
    config_maps: list[Opaque] | None = Field(default=None, max_length=16)
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
    """Which Secret's key `WebHookSecretKey` a git host signs with."""

    secret_reference: LocalReference | None = None
    secret: Text | None = None
    allow_env: bool | None = None
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
    github: WebHookTrigger | None = None
    gitlab: Opaque | None = None
    gitea: Opaque | None = None
    bitbucket: Opaque | None = None
    generic: Opaque | None = None
    image_change: Opaque | None = None
    cel = (
        (
            "self.type in ['GitHub', 'ConfigChange']",
            "type is not supported yet other than GitHub and ConfigChange; leave the trigger out",
        ),
        *unsupported("gitlab", "gitea", "bitbucket", "generic", "imageChange"),
        (
            "self.type != 'GitHub' || has(self.github)",
            "github is missing: a GitHub trigger needs github.secretReference",
        ),
    )


class BuildConfigSpec(Model):
    """Intent. Defaults are OpenShift's."""

    source: BuildSource = BuildSource()
    strategy: Strategy = Strategy()
    output: Output
    triggers: list[BuildTrigger] = Field(default=[], max_length=20)
    run_policy: Annotated[str, Field(max_length=32)] = "Serial"
    successful_builds_history_limit: int = Field(default=5, ge=0, le=1000)
    failed_builds_history_limit: int = Field(default=5, ge=0, le=1000)
    resources: Resources | None = None
    completion_deadline_seconds: int | None = Field(default=None, ge=1, le=604800)
    service_account: ObjectName | None = None
    node_selector: Annotated[dict[str, ShortName], Field(max_length=32)] | None = None
    mount_trusted_ca: bool | None = Field(default=None, alias="mountTrustedCA")
    post_commit: Opaque | None = None
    revision: Opaque | None = None
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
    build: ObjectName


class LastBuild(Model):
    """The Build with the highest number."""

    name: ObjectName
    phase: ShortName
    commit: Annotated[str, Field(max_length=64)] | None = None


class Delivery(Model):
    """A webhook delivery and what was decided; written by the server."""

    id: Text
    event: Text | None = None
    decision: ShortName
    reason: Text
    build: ObjectName | None = None
    received_at: ShortName | None = None


class BuildConfigStatus(Status):
    last_version: int = 0
    """Highest number any Build of this BuildConfig ever had."""
    repository: Annotated[str, Field(max_length=2048)] | None = None
    """Where to push, when the source is hosted here."""
    branch: Text | None = None
    """The branch that deploys, once known."""
    last_build: LastBuild | None = None
    triggers: list[TriggerRecord] | None = Field(default=None, max_length=TRIGGERS_KEPT)
    deliveries: list[Delivery] | None = Field(default=None, max_length=20)


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
    name_rule=NameRule(limit=52),
)
