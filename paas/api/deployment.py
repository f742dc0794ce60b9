"""DeploymentConfig: what a person writes, and what the controller answers.

The fields are OpenShift's. Two of them are intents that OpenShift expresses by rewriting the object:
`spec.rollback` holds a revision, and `spec.rollout.latest` asks for one rollout of the newest template
and images. Only people and the CLI write a spec; the controller answers in the status alone, so the
image that a trigger resolved is never seen in the spec: it is in the revision and in the Deployment.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from paas.api.base import Column, ConditionType, Kind, Model, NameRule, Opaque, Status
from paas.api.common import LongText, Text
from paas.api.names import Condition, Reason
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
    """What starts a rollout by itself."""

    CONFIG_CHANGE = "ConfigChange"
    """A change of the template."""
    IMAGE_CHANGE = "ImageChange"
    """A tag that moves to another image."""


class StrategyType(StrEnum):
    """How pods are replaced."""

    ROLLING = "Rolling"
    """A few at a time, so that the application answers throughout."""
    RECREATE = "Recreate"
    """All old ones first, then the new ones."""
    CUSTOM = "Custom"
    """By an image of your own."""


class Phase(StrEnum):
    """Of a rollout."""

    NEW = "New"
    """Decided and recorded; the Deployment does not have it yet."""
    PENDING = "Pending"
    """The Deployment has it, and Kubernetes has not reported on it yet."""
    RUNNING = "Running"
    """Pods are being replaced."""
    COMPLETE = "Complete"
    """All pods are of this revision and available."""
    FAILED = "Failed"
    """Not ready in time, or replaced by a newer rollout; see the reason."""


class RolloutReason(StrEnum):
    """Why a rollout Failed."""

    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """No pod became ready within timeoutSeconds."""
    CONTAINER_RESTARTED = "ContainerRestarted"
    """A container of the new revision ended by itself, which Kubernetes answers by starting it again."""
    SUPERSEDED = "Superseded"
    """A newer rollout, or a rollback, took its place before it was over."""


class CauseType(StrEnum):
    """Why a revision was made."""

    CONFIG_CHANGE = "ConfigChange"
    """The template was changed."""
    IMAGE_CHANGE = "ImageChange"
    """A tag moved to another image."""
    MANUAL = "Manual"
    """A person asked for a rollout."""


# -- spec --------------------------------------------------------------------------------------------
class TagReference(Model):
    """A tag of an ImageStream."""

    kind: Annotated[str, Field(pattern="^ImageStreamTag$")] = "ImageStreamTag"
    """ImageStreamTag."""
    name: Annotated[
        str,
        Field(max_length=320, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
    ]
    """`<stream>:<tag>`."""
    namespace: Name | None = None
    """Project of the stream; absent means the same one."""


class ImageChangeParams(Model):
    """Which tag sets the image of which containers."""

    automatic: bool = False
    """False: the image is resolved by `rollout latest` alone."""
    container_names: Annotated[list[Name], Field(min_length=1, max_length=32)]
    """Containers or init containers of the template whose image this trigger sets."""
    from_: Annotated[TagReference, Field(alias="from")]
    """The tag whose image the containers get."""
    last_triggered_image: Text | None = None
    """Ignored: OpenShift's controller writes it; ours is in the revision."""


class Trigger(Model):
    """What starts a rollout by itself."""

    type: TriggerType
    """ConfigChange: a change of the template starts a rollout. ImageChange: an image that a tag gets
    does."""
    image_change_params: ImageChangeParams | None = None
    """Which tag, and which containers; for type ImageChange."""

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
    """How pods are replaced a few at a time."""

    update_period_seconds: NotNegative | None = None
    """1, as OpenShift writes it; without effect."""
    interval_seconds: NotNegative | None = None
    """1, as OpenShift writes it; without effect."""
    timeout_seconds: Positive = 600
    """Without progress for so long, a rollout fails and the last complete revision returns."""
    max_unavailable: IntOrString = "25%"
    """How many pods may be missing during a rollout: a number, or a percentage of `replicas`."""
    max_surge: IntOrString = "25%"
    """How many pods more than `replicas` there may be during a rollout: a number, or a percentage."""
    pre: Opaque | None = None
    """A hook that runs before the rollout."""
    post: Opaque | None = None
    """A hook that runs after the rollout."""

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
    """How the pods of one revision are replaced by those of the next."""

    type: StrategyType = StrategyType.ROLLING
    """Rolling, the one there is."""
    rolling_params: Annotated[RollingParams, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=RollingParams
    )
    """How many pods are replaced at a time, and how long a rollout may stand still."""
    recreate_params: Opaque | None = None
    """Parameters of the strategy Recreate."""
    custom_params: Opaque | None = None
    """Parameters of the strategy Custom."""
    resources: Opaque | None = None
    """Resources of OpenShift's deployer pod. There is none here, so it has no effect."""
    labels: dict[str, str] | None = None
    """Labels of OpenShift's deployer pod."""
    annotations: dict[str, str] | None = None
    """Annotations of OpenShift's deployer pod."""
    active_deadline_seconds: NotNegative | None = None
    """21600, as OpenShift writes it; without effect."""

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
    """Metadata of the pods."""

    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the pods."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the pods."""


def _named(limit: int, **properties: Any) -> dict[str, Any]:
    """Schema of a list whose items server-side apply tells apart by their name: each has owners of its own,
    as in a Deployment."""
    item = {
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"name": {"type": "string", "description": "Its name."}, **properties},
        "required": ["name"],
    }
    return {
        "type": "array",
        "description": "As in any Deployment; the names differ.",
        "items": item,
        "maxItems": limit,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }


_CONTAINERS: Final = _named(64, env=_named(1000))
PodSpec = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"containers": _CONTAINERS, "initContainers": _CONTAINERS},
        }
    ),
]
"""A pod's spec, kept as it is. Only who owns which container and variable is known of it."""


class PodTemplate(Model):
    """What the pods are made from."""

    metadata: Annotated[TemplateMeta, Field(json_schema_extra={"default": {}})] = Field(
        default_factory=TemplateMeta
    )
    """Labels and annotations of the pods."""
    spec: PodSpec
    """The pod's spec, as in any Deployment; see `kubectl explain pod.spec`."""


class Rollback(Model):
    """Hold `toRevision`. A Build made from a source change whose number is above `baseline`, or an
    edited template, releases it; base-image rebuilds and older builds are withheld."""

    to_revision: Positive
    """The revision to go back to; `paas rollout history` lists them."""
    baseline: NotNegative = 0
    """Number of the newest Build at the moment of the rollback: only a Build with a higher number releases
    it."""
    requested_at: Text | None = None
    """Any text; a new one makes this a new request, also when a release had ended the same one."""


class RolloutRequest(Model):
    """A request for a rollout; `paas rollout latest` writes it."""

    latest: Text
    """Any text; changing it asks for one rollout of the newest template and images."""


class DeploymentConfigSpec(Model):
    """How an image runs, when a new one rolls out, and what to go back to."""

    replicas: NotNegative = 1
    """How many pods run."""
    selector: dict[str, str] | None = None
    """Labels by which the pods are found, a part of the template's. Absent:
    `paas.dev/deploymentconfig=<name>`. It cannot be changed."""
    template: PodTemplate
    """What the pods are made from. A change is a new revision."""
    min_ready_seconds: NotNegative = 0
    """How long a pod must be ready before it counts as available."""
    revision_history_limit: NotNegative | None = None
    """How many old revisions are kept for a rollback. Absent: all; `new-app` writes 10."""
    paused: bool = False
    """True: no rollout starts; scaling still works."""
    test: bool = False
    """Whether the pods run only during a rollout."""
    triggers: Annotated[
        list[Trigger], Field(max_length=32, json_schema_extra={"default": [{"type": "ConfigChange"}]})
    ] = Field(default_factory=lambda: [Trigger(type=TriggerType.CONFIG_CHANGE)])
    """Absent: ConfigChange. Empty: manual rollouts only."""
    strategy: Annotated[Strategy, Field(json_schema_extra={"default": {}})] = Field(default_factory=Strategy)
    """How pods are replaced."""
    rollback: Rollback | None = None
    """Goes back to a revision and stays there; `paas rollout undo` writes it, `paas unpin` removes it."""
    rollout: RolloutRequest | None = None
    """Asks for one rollout; `paas rollout latest` writes it."""

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
    """The same in a sentence."""


class Rollout(Model):
    """The current or last rollout."""

    revision: int
    """Its revision."""
    phase: Phase
    """How far it is."""
    reason: RolloutReason | None = None
    """Why it failed, in one word."""
    message: str | None = None
    """Why it failed, in a sentence."""
    step: str | None = None
    """The step of the strategy that the rollout is at, or was at when it was over."""
    problems: list[RolloutProblem] | None = None
    """What the message of a rollout that Failed is made of: what ended it first, then what was seen of its
    pods. While it goes on: the container that runs and does not answer. If `activeRevision` is
    another revision, that one runs again."""
    started_at: str
    """When it started."""
    finished_at: str | None = None
    """When it was complete or had failed."""
    build: str | None = None
    """The Build whose image this revision runs, when it came from one."""


class Hold(Model):
    """A rollback in force."""

    revision: int
    """The revision that is held."""
    baseline: int
    """Builds with a higher number release it."""
    requested_at: str | None = None
    """spec.rollback.requestedAt of the request."""
    since: str
    """When it began."""
    template: str
    """Hash of spec.template when the hold began; another one releases it."""
    request: str | None = None
    """spec.rollout.latest when the hold began; another one releases it."""
    withheld: int = 0
    """Images that triggers would have rolled out since."""


class Released(Model):
    """A rollback still written in spec that no longer holds."""

    to_revision: int
    """The revision that was held."""
    baseline: int
    """The baseline that it had."""
    requested_at: str | None = None
    """spec.rollback.requestedAt of the request."""
    message: str
    """What released it."""
    at: str
    """When."""


class PastRollout(Model):
    """How the last rollout of a kept revision ended."""

    revision: int
    """The revision."""
    phase: Phase
    """How its rollout ended."""
    reason: RolloutReason | None = None
    """Why it failed, in one word."""
    message: str | None = None
    """Why it failed, in a sentence."""
    problems: list[RolloutProblem] | None = None
    """What kept its pods from being ready."""
    started_at: str | None = None
    """When it started."""
    finished_at: str | None = None
    """When it ended."""
    build: str | None = None
    """The Build whose image it runs."""
    cause: str | None = None
    """Why it was made."""
    log: LongText | None = None
    """The end of the log of the container for which it failed; of the last five failures only."""


class Cause(Model):
    """Why a revision was made; `image*` only for ImageChange."""

    type: CauseType
    """What started it."""
    message: str | None = None
    """The same in words."""
    container: str | None = None
    """The container whose image changed."""
    from_tag: str | None = None
    """`<stream>:<tag>`."""
    old_image: str | None = None
    """The image before."""
    new_image: str | None = None
    """The image after."""
    build: str | None = None
    """The Build that made the new image."""
    build_number: int | None = None
    """Number of that Build."""
    commit: str | None = None
    """The commit that it was built from."""


class Tried(Model):
    """The Deployment looks different from what was applied, and was applied again at this generation:
    as long as it has it, the API server merely writes the same in another form."""

    uid: str
    """UID of the Deployment."""
    generation: int
    """Its metadata.generation after it was applied again."""


class Stripped(Model):
    """What nobody owns was taken out of the Deployment at this generation. What is there again at the same
    one, the cluster adds itself."""

    uid: str
    """UID of the Deployment."""
    generation: int
    """Its metadata.generation before."""


class Details(Model):
    """Why the newest revision was made."""

    message: str | None = None
    """In words."""
    causes: list[Cause] = Field(default_factory=list)
    """Each cause."""


class DeploymentConfigStatus(Status):
    """What runs, what rolls out, and what is held."""

    latest_version: int | None = None
    """Number of the newest revision."""
    active_revision: int | None = None
    """The last revision whose rollout was Complete: it serves, and a failed rollout returns to it."""
    rollout: Rollout | None = None
    """The current or last rollout."""
    hold: Hold | None = None
    """The rollback in force."""
    released: Released | None = None
    """The rollback that is still in the spec and was released."""
    history: list[PastRollout] | None = None
    """How the last rollout of each kept revision ended."""
    tried: Tried | None = None
    """Keeps the controller from applying the same again without end."""
    stripped: Stripped | None = None
    """Keeps the controller from taking out the same again without end."""
    details: Details | None = None
    """Why the newest revision was made."""
    image: str | None = None
    """Of the first container of the revision being served or rolled out."""
    selector: str | None = None
    """In text form, for the scale subresource."""
    replicas: int | None = None
    """How many pods there are."""
    updated_replicas: int | None = None
    """How many of them are of the newest revision."""
    ready_replicas: int | None = None
    """How many of them are ready."""
    available_replicas: int | None = None
    """How many of them are available."""
    unavailable_replicas: int | None = None
    """How many of them are missing or not available."""


_BLOCKED: Final = (
    Reason.WAITING_FOR_IMAGE,
    Reason.WAITING_FOR_ROLLOUT,
    Reason.PAUSED,
    Reason.ROLLOUT_FAILED,
    Reason.INVALID_SPEC,
    Reason.NAME_TAKEN,
    Reason.REFUSED,
    Reason.FOREIGN_AUTOSCALER,
)
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
    conditions=(
        ConditionType(
            Condition.READY,
            "The newest revision serves, or the one that a rollback holds.",
            (
                Reason.RECONCILED,
                Reason.RECONCILE_FAILED,
                Reason.ROLLBACK_HELD,
                Reason.ROLLOUT_STARTED,
                Reason.IN_PROGRESS,
                *_BLOCKED,
            ),
        ),
        ConditionType(
            Condition.AVAILABLE,
            "Enough pods serve, of whichever revision.",
            (Reason.MINIMUM_REPLICAS_AVAILABLE, Reason.MINIMUM_REPLICAS_UNAVAILABLE),
        ),
        ConditionType(
            Condition.PROGRESSING,
            "A rollout is under way or complete.",
            (
                Reason.ROLLOUT_STARTED,
                Reason.ROLLOUT_COMPLETE,
                Reason.PROGRESS_DEADLINE_EXCEEDED,
                Reason.IN_PROGRESS,
                *_BLOCKED,
            ),
        ),
        ConditionType(
            Condition.RECONCILING,
            "A rollout is under way or waits for something (absent when not).",
            (Reason.ROLLOUT_STARTED, Reason.IN_PROGRESS, Reason.RECONCILE_FAILED, *_BLOCKED),
        ),
        ConditionType(
            Condition.STALLED,
            "Nothing will go on until a person changes something (absent when not).",
            _BLOCKED,
        ),
        ConditionType(
            Condition.DRIFTED,
            "The Deployment has what the revision has not, written by somebody else (absent when not).",
            (Reason.FOREIGN_FIELDS,),
        ),
    ),
    example="""\
apiVersion: paas.dev/v1
kind: DeploymentConfig
metadata:
  name: shop
spec:
  replicas: 2
  triggers:
    - type: ConfigChange
    - type: ImageChange
      imageChangeParams:
        automatic: true
        containerNames: [shop]
        from:
          name: shop:latest
  template:
    metadata:
      labels:
        app: shop
    spec:
      containers:
        - name: shop
          image: shop:latest
          ports:
            - containerPort: 8080
""",
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
    """Merge patch that holds a revision; `baseline` is the newest Build number of the image triggers'
    tags (`hold.baseline`), 0 when there is none; `requested_at` any text not used before."""
    return {
        "spec": {"rollback": {"toRevision": to_revision, "baseline": baseline, "requestedAt": requested_at}}
    }


def unpin_patch() -> dict[str, Any]:
    """Merge patch that lets triggers go on."""
    return {"spec": {"rollback": None}}
