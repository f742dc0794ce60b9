"""Build as people and controllers write it, with OpenShift's field names.

A Build is one frozen run of a BuildConfig: everything that it depends on is copied into its spec when it
is made, so that a later change of the BuildConfig changes nothing about it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, ConditionType, Kind, Model, Status
from paas.api.build_strategy import Output, Resources, Strategy
from paas.api.common import (
    Commit,
    ContentKey,
    LocalReference,
    LongText,
    ObjectName,
    RelativePath,
    ShortName,
    Text,
)
from paas.api.names import Condition, Reason
from paas.api.resources import BUILD


class Phase(StrEnum):
    """Phases of a Build. The last four are final."""

    NEW = "New"
    """Waits: for the build before it, or for its ImageStream."""
    PENDING = "Pending"
    """Its Job exists; the pod does not run yet."""
    RUNNING = "Running"
    """Its pod runs."""
    COMPLETE = "Complete"
    """The image is in the registry."""
    FAILED = "Failed"
    """The source or the Dockerfile is at fault, or a limit was reached; the same would fail again."""
    ERROR = "Error"
    """Something outside the build is at fault, such as a lost node or a registry that does not answer."""
    CANCELLED = "Cancelled"
    """Ended on request."""


TERMINAL: Final = frozenset({Phase.COMPLETE, Phase.FAILED, Phase.ERROR, Phase.CANCELLED})


class TriggerType(StrEnum):
    """Why a Build was made."""

    PUSH = "Push"
    """A branch of the hosted repository moved."""
    WEBHOOK = "WebHook"
    """A git host told of a push."""
    POLL = "Poll"
    """The branch at the git host was found moved."""
    MANUAL = "Manual"
    """A person asked."""
    CONFIG_CHANGE = "ConfigChange"
    """The first build of a new BuildConfig."""
    IMAGE_CHANGE = "ImageChange"
    """A base image's tag moved."""
    RETRY = "Retry"
    """The build before was lost with its node or pod."""


SOURCE_CHANGES: Final = frozenset({TriggerType.PUSH, TriggerType.WEBHOOK, TriggerType.POLL})
"""Triggers that bring new source: only these release a held rollback."""


class Person(Model):
    """Author or committer of a commit."""

    name: Text = ""
    """Name."""
    email: Text = ""
    """Address."""


class GitRevision(Model):
    """One commit. `commit` is absent only when an external BuildConfig is built at the head of its
    branch, which `fetch` resolves."""

    commit: Commit | None = None
    """Full hash of the commit."""
    ref: Text | None = None
    """The branch or tag it was taken from."""
    author: Person | None = None
    """Who wrote it."""
    committer: Person | None = None
    """Who committed it."""
    message: LongText | None = None
    """First line of its message."""


class Revision(Model):
    """The commit that is built."""

    type: Annotated[str, Field(max_length=32)] = "Git"
    """Git, the one there is."""
    git: GitRevision = GitRevision()
    """The commit."""


class FrozenGit(Model):
    """The repository as it was when the Build was made."""

    uri: Annotated[str, Field(max_length=2048)] | None = None
    """Address of an external repository; absent for a hosted one."""
    ref: Text | None = None
    """The branch, tag or commit that was asked for."""


class FrozenSource(Model):
    """The source as it was when the Build was made."""

    type: Annotated[str, Field(json_schema_extra={"enum": ["Hosted", "External"]}, max_length=32)]
    """Hosted or External."""
    git: FrozenGit = FrozenGit()
    """The repository."""
    context_dir: RelativePath | None = None
    """The folder of the repository that is built."""
    dockerfile: Annotated[str, Field(max_length=60000)] | None = None
    """Inline Dockerfile of the BuildConfig."""
    source_secret: LocalReference | None = None
    """Secret with `username` and `password` of an external repository."""


class Trigger(Model):
    """What asked for this Build; the same id never makes two."""

    id: Text
    """Identity of the trigger."""
    type: Annotated[
        str,
        Field(
            json_schema_extra={
                "enum": ["Push", "WebHook", "Poll", "Manual", "ConfigChange", "ImageChange", "Retry"]
            },
            max_length=32,
        ),
    ]
    """Why the Build was made."""
    message: Text = ""
    """The same in words."""
    user: Text | None = None
    """Who asked, when a person did."""


class InvalidSource(Model):
    """What is wrong with the source of a Build, found when it was made."""

    reason: ShortName
    """The reason that the Build will end with."""
    message: LongText
    """What is wrong and what to change."""


class BuildSpec(Model):
    """One frozen run of a BuildConfig: nothing of its spec can change but `cancelled`, from false to true."""

    number: int = Field(ge=1, le=2147483647)
    """Counts the Builds of one BuildConfig; it is the end of the Build's name."""
    build_config: Annotated[str, Field(max_length=52)]
    """Name of the BuildConfig."""
    build_config_uid: ShortName
    """UID of the BuildConfig: one that is made again under the same name is another."""
    trigger: Trigger
    """What asked for this Build."""
    source: FrozenSource
    """Where the source comes from."""
    revision: Revision = Revision()
    """The commit that is built."""
    strategy: Strategy = Strategy()
    """How the source becomes an image."""
    dockerfile: Annotated[str, Field(max_length=65536)] | None = None
    """Frozen Dockerfile, rendered or the repository's own; absent when the source is external."""
    buildpack: ShortName | None = None
    """Name of the buildpack that rendered the Dockerfile, if one did."""
    content_key: ContentKey | None = None
    """Hash of everything that goes into the image; see `source.content_key`."""
    invalid: InvalidSource | None = None
    """Why the source cannot be built: such a Build fails at once and says so."""
    output: Output
    """Where the image goes."""
    run_policy: Annotated[str, Field(max_length=32)] = "Serial"
    """Serial: waits until the Builds with lower numbers have ended."""
    resources: Resources | None = None
    """Requests and limits of the build container."""
    completion_deadline_seconds: int | None = Field(default=None, ge=1, le=604800)
    """The build fails when it takes longer; absent means the platform's limit."""
    node_selector: Annotated[dict[str, ShortName], Field(max_length=32)] | None = None
    """Labels of the nodes on which the build may run."""
    retry_of: ObjectName | None = None
    """The lost Build that this one repeats; a repeat is never repeated."""
    cancelled: bool = False
    """Set to true to end the build; it cannot be taken back."""


class BuildOutputTo(Model):
    """The image that was pushed."""

    image_digest: Annotated[str, Field(max_length=80)]
    """Its digest, as the registry confirmed it."""


class BuildOutputStatus(Model):
    """What came out of a Build."""

    to: BuildOutputTo
    """The image that was pushed."""


class BuildStatus(Status):
    """How a Build goes, and how it ended."""

    phase: ShortName = Phase.NEW
    """How far the Build is."""
    reason: ShortName | None = None
    """Why it is there, in one word; see the reasons below."""
    message: LongText | None = None
    """The same in a sentence, with what to do next when it failed."""
    start_timestamp: ShortName | None = None
    """When its pod started."""
    completion_timestamp: ShortName | None = None
    """When it ended."""
    duration: int | None = None
    """Seconds from start to completion."""
    output: BuildOutputStatus | None = None
    """The image that was pushed."""
    output_docker_image_reference: Text | None = None
    """By digest, at the address that nodes pull from."""
    commit: Annotated[str, Field(max_length=64)] | None = None
    """The commit that was built, also when the spec left it to the head of the branch."""
    content_key: ContentKey | None = None
    """Hash of everything that went into the image: the same key again needs no build."""
    buildpack: ShortName | None = None
    """Name of the buildpack that made the Dockerfile, if one did."""
    log_snippet: LongText | None = None
    """The last lines of what failed."""
    job: ObjectName | None = None
    """Name of the Job that runs it."""
    pod: ObjectName | None = None
    """Name of the pod that runs it."""
    blocked_since: ShortName | None = None
    """Since when it waits for something that only a person can bring: room in a quota, a Secret, an
    ImageStream. After ten minutes it ends, and the builds behind it go on."""
    user_namespace: bool | None = None
    """Whether the build pod's root was mapped to an unprivileged user of the node."""


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


KIND: Final = Kind(
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
    conditions=(
        ConditionType(
            Condition.SUCCEEDED,
            "The image is in the registry. False: the build ended without it. Unknown: it has not ended.",
            (
                Reason.BUILD_QUEUED,
                Reason.BUILD_PENDING,
                Reason.BUILD_RUNNING,
                Reason.BUILD_COMPLETE,
                Reason.CANCELLED_BUILD,
                Reason.INVALID_SPEC,
                Reason.INVALID_OUTPUT_REFERENCE,
                Reason.NAME_TAKEN,
                Reason.FETCH_SOURCE_FAILED,
                Reason.INVALID_CONTEXT_DIRECTORY,
                Reason.MANAGE_DOCKERFILE_FAILED,
                Reason.NO_BUILDPACK,
                Reason.INCOMPLETE_SOURCE,
                Reason.DOCKERFILE_PARSE_ERROR,
                Reason.DOCKER_BUILD_FAILED,
                Reason.BASE_IMAGE_NOT_FOUND,
                Reason.PUSH_IMAGE_FAILED,
                Reason.OUT_OF_MEMORY_KILLED,
                Reason.DEADLINE_EXCEEDED,
                Reason.BUILD_POD_DELETED,
                Reason.BUILD_POD_EVICTED,
                Reason.PLATFORM_UNREACHABLE,
                Reason.CANNOT_CREATE_BUILD_POD,
                Reason.BUILDER_IMAGE_PULL_FAILED,
                Reason.IMAGE_UNVERIFIED,
                Reason.REGISTRY_UNREACHABLE,
                Reason.GENERIC_BUILD_FAILED,
            ),
        ),
    ),
    example="""\
# Made by a push, a webhook or `paas start-build shop`; nobody writes one by hand.
apiVersion: paas.dev/v1
kind: Build
metadata:
  name: shop-7
spec:
  number: 7
  buildConfig: shop
  buildConfigUid: 5f0c9a4e-2f7b-4f57-9a38-6a1f2f1b7c11
  trigger:
    id: push-2c26b46b
    type: Push
    message: push to main
  source:
    type: Hosted
  revision:
    git:
      commit: 2c26b46b68ffc68ff99b453c1d30413413422d70
      ref: main
  output:
    to:
      name: shop:latest
""",
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
)
