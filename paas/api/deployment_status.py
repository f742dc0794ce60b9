"""What the controller answers on a DeploymentConfig."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from paas.api.base import Model, Status
from paas.api.common import LongText


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
