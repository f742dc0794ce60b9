"""Build as people and controllers write it, with OpenShift's field names.

A Build is one frozen run of a BuildConfig: everything that it depends on is copied into its spec when it
is made, so that a later change of the BuildConfig changes nothing about it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from paas.api.base import Column, Kind, Model, Status
from paas.api.buildconfig import Output, Resources, Strategy
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
from paas.api.resources import BUILD


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


class BuildStatus(Status):
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
