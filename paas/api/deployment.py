"""DeploymentConfig: what a person writes, and what the controller answers.

The fields are OpenShift's. Two of them are intents that OpenShift expresses by rewriting the object:
`spec.rollback` pins a revision, and `spec.rollout.latest` asks for one rollout of the newest template
and images. Only people and the CLI write a spec; the controller answers in the status alone, so the
image that a trigger resolved is never seen in the spec: it is in the revision and in the Deployment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from paas.api.base import Column, Kind, Model, NameRule, Opaque, Status
from paas.api.common import Text
from paas.api.resources import DEPLOYMENTCONFIG

NAME_LIMIT: Final = 52
"""Leaves room for `-<revision>` and the pod's suffixes within a label of 63 characters."""

IntOrString = Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


def _only(name: str, value: str) -> tuple[str, str]:
    """A rule that accepts what OpenShift writes into every exported manifest, and nothing else."""
    return (
        f"!has(self.{name}) || self.{name} == {value}",
        f"{name} other than {value} is not supported yet; leave it out",
    )


class TriggerType(StrEnum):
    CONFIG_CHANGE = "ConfigChange"
    IMAGE_CHANGE = "ImageChange"


class StrategyType(StrEnum):
    ROLLING = "Rolling"
    RECREATE = "Recreate"
    CUSTOM = "Custom"


class Phase(StrEnum):
    """Of a rollout."""

    NEW = "New"  # decided and recorded; the Deployment does not have it yet
    PENDING = "Pending"  # the Deployment has it, and its controller has not reported on it yet
    RUNNING = "Running"  # pods are being replaced
    COMPLETE = "Complete"  # all pods are of this revision and available
    FAILED = "Failed"  # not ready in time, or overtaken; see the reason


class RolloutReason(StrEnum):
    """Why a rollout Failed."""

    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"  # no pod became ready within timeoutSeconds
    SUPERSEDED = "Superseded"  # a newer rollout, or a rollback, took its place before it was over


class CauseType(StrEnum):
    CONFIG_CHANGE = "ConfigChange"
    IMAGE_CHANGE = "ImageChange"
    MANUAL = "Manual"


# -- spec --------------------------------------------------------------------------------------------
class TagReference(Model):
    kind: Annotated[str, Field(pattern="^ImageStreamTag$")] = "ImageStreamTag"
    name: Annotated[
        str,
        Field(max_length=320, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
    ]
    """`<stream>:<tag>`."""
    namespace: Name | None = None


class ImageChangeParams(Model):
    automatic: bool = False
    """False: the image is resolved by `rollout latest` alone."""
    container_names: Annotated[list[Name], Field(min_length=1, max_length=32)]
    """Containers or init containers of the template whose image this trigger sets."""
    from_: Annotated[TagReference, Field(alias="from")]
    last_triggered_image: Text | None = None
    """Ignored: OpenShift's controller writes it; ours is in the revision."""


class Trigger(Model):
    type: TriggerType
    image_change_params: ImageChangeParams | None = None

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "(self.type == 'ImageChange') == has(self.imageChangeParams)",
            "imageChangeParams belongs to a trigger of type ImageChange, which needs it",
        ),
    )


def _pods(name: str) -> tuple[str, str]:
    return (
        f"!has(self.{name}) || (type(self.{name}) == string"
        f" ? self.{name}.matches('^(100|[1-9]?[0-9])%$') : self.{name} >= 0)",
        f"{name} must be a number of pods, or a percentage such as 25%",
    )


class RollingParams(Model):
    update_period_seconds: NotNegative | None = None
    interval_seconds: NotNegative | None = None
    timeout_seconds: Positive = 600
    """Without progress for so long, a rollout fails and the last complete revision returns."""
    max_unavailable: IntOrString = "25%"
    max_surge: IntOrString = "25%"
    pre: Opaque | None = None
    post: Opaque | None = None

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        _only("updatePeriodSeconds", "1"),
        _only("intervalSeconds", "1"),
        ("!has(self.pre)", "lifecycle hooks (pre) are not supported yet; leave it out"),
        ("!has(self.post)", "lifecycle hooks (post) are not supported yet; leave it out"),
        _pods("maxSurge"),
        _pods("maxUnavailable"),
        (
            "!has(self.maxSurge) || !has(self.maxUnavailable)"
            " || !(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
            "maxSurge and maxUnavailable cannot both be 0: no pod could be replaced",
        ),
    )


class Strategy(Model):
    type: StrategyType = StrategyType.ROLLING
    rolling_params: Annotated[RollingParams, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=RollingParams
    )
    recreate_params: Opaque | None = None
    custom_params: Opaque | None = None
    resources: Opaque | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    active_deadline_seconds: NotNegative | None = None

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "!has(self.type) || self.type == 'Rolling'",
            "strategy types other than Rolling are not supported yet; use Rolling",
        ),
        ("!has(self.recreateParams)", "recreateParams is not supported yet; leave it out"),
        ("!has(self.customParams)", "customParams is not supported yet; leave it out"),
        ("!has(self.labels) || size(self.labels) == 0", "strategy.labels is not supported yet; leave it out"),
        (
            "!has(self.annotations) || size(self.annotations) == 0",
            "strategy.annotations is not supported yet; leave it out",
        ),
        _only("activeDeadlineSeconds", "21600"),
    )


class TemplateMeta(Model):
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class PodTemplate(Model):
    metadata: Annotated[TemplateMeta, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=TemplateMeta
    )
    spec: Opaque


class Rollback(Model):
    """Pin `toRevision`. A Build made from a source change whose number is above `baseline`, or an
    edited template, releases it; base-image rebuilds and older builds are withheld."""

    to_revision: Positive
    baseline: NotNegative = 0
    requested_at: Text | None = None
    """Any text; a new one makes this a new request, also when a release had ended the same one."""


class RolloutRequest(Model):
    latest: Text
    """Any text; changing it asks for one rollout of the newest template and images."""


class DeploymentConfigSpec(Model):
    replicas: NotNegative = 1
    selector: dict[str, str] | None = None
    """Absent: `paas.dev/deploymentconfig=<name>`. Cannot be changed afterwards."""
    template: PodTemplate
    min_ready_seconds: NotNegative = 0
    revision_history_limit: NotNegative = 10
    paused: bool = False
    test: bool = False
    triggers: Annotated[
        list[Trigger], Field(max_length=32, json_schema_extra={"default": [{"type": "ConfigChange"}]})
    ] = Field(default_factory=lambda: [Trigger(type=TriggerType.CONFIG_CHANGE)])
    """Absent: ConfigChange. Empty: manual rollouts only."""
    strategy: Annotated[Strategy, Field(json_schema_extra={"default": {}})] = Field(default_factory=Strategy)
    rollback: Rollback | None = None
    rollout: RolloutRequest | None = None

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "!has(self.selector) || (size(self.selector) > 0 && self.selector.all(k,"
            " has(self.template.metadata) && has(self.template.metadata.labels)"
            " && k in self.template.metadata.labels"
            " && self.template.metadata.labels[k] == self.selector[k]))",
            "selector must not be empty, and each of its labels must be in template.metadata.labels",
        ),
        (
            "!has(self.selector) || !('paas.dev/revision' in self.selector)",
            "selector must not contain paas.dev/revision, which differs from rollout to rollout",
        ),
        (
            "has(self.selector) == has(oldSelf.selector)"
            " && (!has(self.selector) || self.selector == oldSelf.selector)",
            "selector cannot be changed; make a new DeploymentConfig",
        ),
        (
            "self.triggers.filter(t, t.type == 'ConfigChange').size() <= 1",
            "one ConfigChange trigger is enough",
        ),
        ("!self.test", "test is not supported yet; leave it out"),
        (
            "self.strategy.rollingParams.timeoutSeconds > self.minReadySeconds",
            "strategy.rollingParams.timeoutSeconds must be greater than minReadySeconds",
        ),
    )


# -- status ------------------------------------------------------------------------------------------
class RolloutProblem(Model):
    """One reason why a rollout failed."""

    reason: str
    """A RolloutReason, or what Kubernetes calls the state of a pod or container (ImagePullBackOff)."""
    message: str


class Rollout(Model):
    """The current or last rollout."""

    revision: int
    phase: Phase
    reason: RolloutReason | None = None
    message: str | None = None
    problems: list[RolloutProblem] | None = None
    """What the message of a rollout that Failed is made of: the deadline first, then what was seen of
    its pods. If `activeRevision` is another revision, that one runs again."""
    started_at: str
    finished_at: str | None = None
    build: str | None = None
    """The Build whose image this revision runs, when it came from one."""


class Hold(Model):
    """A rollback in force."""

    revision: int
    baseline: int
    requested_at: str | None = None
    since: str
    template: str
    """Hash of spec.template when the hold began; another one releases it."""
    request: str | None = None
    """spec.rollout.latest when the hold began; another one releases it."""
    withheld: int = 0
    """Images that triggers would have rolled out since."""


class Released(Model):
    """A rollback still written in spec that holds no more."""

    to_revision: int
    baseline: int
    requested_at: str | None = None
    message: str
    at: str


class PastRollout(Model):
    """How the last rollout of a kept revision ended."""

    revision: int
    phase: Phase
    reason: RolloutReason | None = None
    message: str | None = None
    problems: list[RolloutProblem] | None = None
    started_at: str | None = None
    finished_at: str | None = None
    build: str | None = None
    cause: str | None = None


class Cause(Model):
    """Why a revision was made; `image*` only for ImageChange."""

    type: CauseType
    message: str | None = None
    container: str | None = None
    from_tag: str | None = None
    """`<stream>:<tag>`."""
    old_image: str | None = None
    new_image: str | None = None
    build: str | None = None
    build_number: int | None = None
    commit: str | None = None


class Tried(Model):
    """The Deployment looks different from what was applied, and was applied again at this generation:
    as long as it has it, the API server merely writes the same in another form."""

    uid: str
    generation: int


class Details(Model):
    message: str | None = None
    causes: list[Cause] = Field(default_factory=list)


class DeploymentConfigStatus(Status):
    latest_version: int | None = None
    """Number of the newest revision."""
    active_revision: int | None = None
    """The last revision whose rollout was Complete: it serves, and a failed rollout returns to it."""
    rollout: Rollout | None = None
    hold: Hold | None = None
    released: Released | None = None
    history: list[PastRollout] | None = None
    tried: Tried | None = None
    details: Details | None = None
    """Why the newest revision was made."""
    image: str | None = None
    """Of the first container of the revision being served or rolled out."""
    selector: str | None = None
    """In text form, for the scale subresource."""
    replicas: int | None = None
    updated_replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    unavailable_replicas: int | None = None


KIND: Final = Kind(
    resource=DEPLOYMENTCONFIG,
    singular="deploymentconfig",
    short_names=("dc",),
    spec=DeploymentConfigSpec,
    status=DeploymentConfigStatus,
    columns=(
        Column("Revision", ".status.activeRevision", "integer"),
        Column("Rollout", ".status.rollout.phase"),
        Column("Desired", ".spec.replicas", "integer"),
        Column("Ready", ".status.readyReplicas", "integer"),
        Column("Triggered-By", ".status.details.causes[0].type"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Build", ".status.rollout.build", priority=1),
        Column("Held", ".status.hold.revision", "integer", priority=1),
        Column("Image", ".status.image", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    ),
    name_rule=NameRule(limit=NAME_LIMIT),
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)


def latest_patch(token: str) -> dict[str, Any]:
    """Merge patch of `rollout latest`; `token` is any text not used before, such as the time."""
    return {"spec": {"rollout": {"latest": token}}}


def rollback_patch(*, to_revision: int, baseline: int, requested_at: str) -> dict[str, Any]:
    """Merge patch that pins a revision; `baseline` is the newest Build number of the image triggers'
    tags (`pin.baseline`), 0 when there is none; `requested_at` any text not used before."""
    return {
        "spec": {"rollback": {"toRevision": to_revision, "baseline": baseline, "requestedAt": requested_at}}
    }


def unpin_patch() -> dict[str, Any]:
    """Merge patch that lets triggers go on."""
    return {"spec": {"rollback": None}}
