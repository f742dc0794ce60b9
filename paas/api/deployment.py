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

from paas.api.base import Column, ConditionType, Kind, Model, NameRule
from paas.api.common import NotNegative, Positive, Text
from paas.api.deployment_status import DeploymentConfigStatus
from paas.api.deployment_strategy import Strategy
from paas.api.names import Condition, Reason
from paas.api.pod_template import PodTemplate
from paas.api.resources import DEPLOYMENTCONFIG

NAME_LIMIT: Final = 52
"""Leaves room for `-<revision>` and the pod's suffixes within a label of 63 characters."""

Name = Annotated[str, Field(min_length=1, max_length=253)]


class TriggerType(StrEnum):
    """What starts a rollout by itself."""

    CONFIG_CHANGE = "ConfigChange"
    """A change of the template."""
    IMAGE_CHANGE = "ImageChange"
    """A tag that moves to another image."""


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
