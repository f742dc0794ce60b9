"""BuildConfig and Build as people and controllers write them, with OpenShift's field names.

A BuildConfig says where source is, how to build it and where the image goes. A Build is one frozen
run of it: everything the build depends on is copied into its spec when it is made, so that a later
change of the BuildConfig changes nothing about it. OpenShift's fields that are not built yet are in
the schema and refused by CEL with a message that names them; unknown ones would be pruned in silence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from paas.api.base import Column, ConditionModel, Kind, Model, Opaque, unsupported
from paas.api.resources import BUILD, BUILDCONFIG

TRIGGERS_KEPT: Final = 50
"""How many trigger ids a BuildConfig remembers, so that a repeated trigger finds its Build even after
the Build was pruned."""

# -- bounded scalars -------------------------------------------------------------------------------
ObjectName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ShortName = Annotated[str, Field(max_length=63)]
Text = Annotated[str, Field(max_length=1024)]
LongText = Annotated[str, Field(max_length=8192)]
Commit = Annotated[str, Field(max_length=64, pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
ContentKey = Annotated[str, Field(max_length=80)]
RelativePath = Annotated[str, Field(max_length=512, pattern=r"^([^/\x00-\x1f-][^\x00-\x1f]*)?$")]
"""A path below the source: not absolute, not starting like an option; `..` is ruled out by `_below`."""
Quantity = Annotated[Any, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]
EnvName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
OptimizationPolicy = Annotated[
    str, Field(json_schema_extra={"enum": ["None", "SkipLayers", "SkipLayersAndWarn"]}, max_length=32)
]
StreamTag = Annotated[
    str, Field(max_length=190, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
]
ANNOTATION_PAUSED: Final = "paas.dev/paused"
"""On a BuildConfig: `true` means that no Build of it is made."""


def _below(field: str) -> tuple[str, str]:
    """The CEL rule that a path does not leave the source."""
    return (
        f"!has(self.{field}) || !self.{field}.split('/').exists(part, part == '..')",
        f"{field} must stay inside the source: remove '..'",
    )


class Phase(StrEnum):
    """Phases of a Build. The last four are final."""

    NEW = "New"
    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"
    ERROR = "Error"
    CANCELLED = "Cancelled"


TERMINAL: Final = frozenset({Phase.COMPLETE, Phase.FAILED, Phase.ERROR, Phase.CANCELLED})


class TriggerType(StrEnum):
    """Why a Build was made."""

    PUSH = "Push"  # a branch of the hosted repository moved
    WEBHOOK = "WebHook"  # a git host told of a push
    MANUAL = "Manual"  # a person asked
    CONFIG_CHANGE = "ConfigChange"  # the first build of a new BuildConfig
    IMAGE_CHANGE = "ImageChange"  # a base image moved
    RETRY = "Retry"  # the build before was lost with its node or pod


SOURCE_CHANGES: Final = frozenset({TriggerType.PUSH, TriggerType.WEBHOOK})
"""Triggers that bring new source: only these release a held rollback."""


class SourceType(StrEnum):
    """Where the source of a Build comes from."""

    HOSTED = "Hosted"  # the repository on this platform
    EXTERNAL = "External"  # an https repository elsewhere


# -- parts both kinds share ------------------------------------------------------------------------
class LocalReference(Model):
    """An object in the same namespace."""

    name: ObjectName


class EnvVar(Model):
    """A name and a literal value; OpenShift's `valueFrom` is refused."""

    name: EnvName
    value: Annotated[str, Field(max_length=4096)] = ""
    value_from: Opaque | None = None
    cel = unsupported("valueFrom")


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
        _below("dockerfilePath"),
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


class Person(Model):
    """Author or committer of a commit."""

    name: Text = ""
    email: Text = ""


class GitRevision(Model):
    """One commit. `commit` is absent only when an external BuildConfig is built at the head of its
    branch, which `fetch` resolves."""

    commit: Commit | None = None
    ref: Text | None = None
    author: Person | None = None
    committer: Person | None = None
    message: LongText | None = None


class Revision(Model):
    type: Annotated[str, Field(max_length=32)] = "Git"
    git: GitRevision = GitRevision()


# -- BuildConfig -----------------------------------------------------------------------------------
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
        _below("contextDir"),
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


class BuildConfigStatus(Model):
    observed_generation: int | None = None
    last_version: int = 0
    """Highest number any Build of this BuildConfig ever had."""
    repository: Annotated[str, Field(max_length=2048)] | None = None
    """Where to push, when the source is hosted here."""
    branch: Text | None = None
    """The branch that deploys, once known."""
    last_build: LastBuild | None = None
    triggers: list[TriggerRecord] | None = Field(default=None, max_length=TRIGGERS_KEPT)
    deliveries: list[Delivery] | None = Field(default=None, max_length=20)
    conditions: list[ConditionModel] | None = Field(default=None, max_length=16)


# -- Build -----------------------------------------------------------------------------------------
class FrozenGit(Model):
    uri: Annotated[str, Field(max_length=2048)] | None = None
    ref: Text | None = None


class FrozenSource(Model):
    """The source as it was when the Build was made."""

    type: Annotated[str, Field(json_schema_extra={"enum": ["Hosted", "External"]}, max_length=32)]
    git: FrozenGit = FrozenGit()
    context_dir: RelativePath | None = None
    dockerfile: Annotated[str, Field(max_length=60000)] | None = None
    """Inline Dockerfile of the BuildConfig."""
    source_secret: LocalReference | None = None


class Trigger(Model):
    """What asked for this Build; the same id never makes two."""

    id: Text
    type: Annotated[
        str,
        Field(
            json_schema_extra={"enum": ["Push", "WebHook", "Manual", "ConfigChange", "ImageChange", "Retry"]},
            max_length=32,
        ),
    ]
    message: Text = ""
    user: Text | None = None


class InvalidSource(Model):
    """What is wrong with the source of a Build, found when it was made."""

    reason: ShortName
    message: LongText


class BuildSpec(Model):
    """One frozen build. Nothing of it can change but `cancelled`, from false to true."""

    number: int = Field(ge=1, le=2147483647)
    build_config: Annotated[str, Field(max_length=52)]
    build_config_uid: ShortName
    trigger: Trigger
    source: FrozenSource
    revision: Revision = Revision()
    strategy: Strategy = Strategy()
    dockerfile: Annotated[str, Field(max_length=65536)] | None = None
    """Frozen Dockerfile, rendered or the repository's own; absent when the source is external."""
    buildpack: ShortName | None = None
    """Name of the buildpack that rendered the Dockerfile, if one did."""
    content_key: ContentKey | None = None
    """Hash of everything that goes into the image; see `source.content_key`."""
    invalid: InvalidSource | None = None
    """Why the source cannot be built: such a Build fails at once and says so."""
    output: Output
    run_policy: Annotated[str, Field(max_length=32)] = "Serial"
    resources: Resources | None = None
    completion_deadline_seconds: int | None = Field(default=None, ge=1, le=604800)
    node_selector: Annotated[dict[str, ShortName], Field(max_length=32)] | None = None
    retry_of: ObjectName | None = None
    """The lost Build that this one repeats; a repeat is never repeated."""
    cancelled: bool = False
    """Set to true to end the build; it cannot be taken back."""


class BuildOutputTo(Model):
    image_digest: Annotated[str, Field(max_length=80)]


class BuildOutputStatus(Model):
    to: BuildOutputTo


class BuildStatus(Model):
    observed_generation: int | None = None
    phase: ShortName = Phase.NEW
    reason: ShortName | None = None
    message: LongText | None = None
    start_timestamp: ShortName | None = None
    completion_timestamp: ShortName | None = None
    duration: int | None = None
    """Seconds from start to completion."""
    output: BuildOutputStatus | None = None
    output_docker_image_reference: Text | None = None
    """By digest, at the address that nodes pull from."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that was built, also when the spec left it to the head of the branch."""
    content_key: ContentKey | None = None
    buildpack: ShortName | None = None
    log_snippet: LongText | None = None
    """The last lines of what failed."""
    job: ObjectName | None = None
    pod: ObjectName | None = None
    user_namespace: bool | None = None
    """Whether the build pod's root was mapped to an unprivileged user of the node."""
    conditions: list[ConditionModel] | None = Field(default=None, max_length=16)


def _frozen_rules() -> tuple[tuple[str, str], ...]:
    """One rule a field of Build.spec, so that the message can name the one that was touched."""
    rules = []
    for name, info in BuildSpec.model_fields.items():
        wire = info.alias or name
        if wire == "cancelled":
            continue
        same = f"has(self.spec.{wire}) == has(oldSelf.spec.{wire})"
        if info.is_required():
            same = f"self.spec.{wire} == oldSelf.spec.{wire}"
        else:
            same += f" && (!has(self.spec.{wire}) || self.spec.{wire} == oldSelf.spec.{wire})"
        rules.append((same, f"spec.{wire} of a Build cannot change; start another with paas start-build"))
    return tuple(rules)


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
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
        name_limit=52,
    ),
    Kind(
        resource=BUILD,
        singular="build",
        short_names=(),
        spec=BuildSpec,
        status=BuildStatus,
        columns=(
            Column("From", ".spec.trigger.type"),
            Column("Commit", ".spec.revision.git.commit"),
            Column("Status", ".status.phase"),
            Column("Reason", ".status.reason"),
            Column("Started", ".status.startTimestamp", "date"),
            Column("Duration", ".status.duration", "integer"),
            Column("Image", ".status.output.to.imageDigest", priority=1),
            Column("Message", ".status.message", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
        rules=(
            (
                "self.metadata.name.startsWith(self.spec.buildConfig + '-') && "
                "self.metadata.name.substring(self.spec.buildConfig.size() + 1) == string(self.spec.number)",
                "metadata.name must be <spec.buildConfig>-<spec.number>; make builds with paas start-build",
            ),
            (
                "!(has(oldSelf.spec.cancelled) && oldSelf.spec.cancelled) || "
                "(has(self.spec.cancelled) && self.spec.cancelled)",
                "spec.cancelled cannot go back to false; start another build with paas start-build",
            ),
            *_frozen_rules(),
        ),
        name_limit=63,
    ),
)
