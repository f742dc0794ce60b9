"""What happens to a Build and to the rollouts of its image, as data: events in the order in which they come.

`read_progress` makes them of objects, and `render_progress` makes the lines that people read of them: nothing
here is a sentence. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paas.apps.rollouts import RolloutState
from paas.kube.pods import PodProblem


class Result(StrEnum):
    """How following a Build ended."""

    LIVE = "live"  # built, and every DeploymentConfig that deploys it runs it (or a later build)
    BUILT = "built"  # built, and nothing rolls it out by itself
    BUILD_FAILED = "build failed"
    CANCELLED = "cancelled"
    ROLLOUT_FAILED = "rollout failed"
    GONE = "gone"  # deleted meanwhile
    TIME_UP = "time up"


@dataclass(frozen=True)
class Failure:
    """What failed and why. `subject` is the name of the Build or DeploymentConfig, `details` are further
    reasons, `hint` the commands that show more."""

    subject: str
    reason: str
    message: str
    revision: int | None = None
    details: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()


# -- the build -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Queued:
    """The Build was made; `ahead` are the builds that it waits for."""

    build: str
    ahead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """The Build runs already when somebody begins to follow it."""

    build: str


class Recipe(StrEnum):
    """What the image is made by."""

    BUILDPACK = "buildpack"
    INLINE_DOCKERFILE = "inline Dockerfile"  # of the BuildConfig
    DOCKERFILE = "Dockerfile"  # of the source


@dataclass(frozen=True)
class Detected:
    """How the source becomes an image; `name` of the buildpack, or the path of the Dockerfile."""

    recipe: Recipe
    name: str = ""


@dataclass(frozen=True)
class BuildBlocked:
    """Why the build does not start, and what a person can do about it; the message says both."""

    build: str
    reason: str
    message: str


@dataclass(frozen=True)
class BuildPodWaits:
    """Why the build's pod does not start; it may yet."""

    problem: PodProblem


@dataclass(frozen=True)
class LogLine:
    """One line of a build's log, as a container wrote it."""

    text: str
    container: str


@dataclass(frozen=True)
class BuildComplete:
    """The image is in the registry; `image` is its repository and digest."""

    build: str
    image: str
    seconds: int | None = None


@dataclass(frozen=True)
class BuildFailed:
    """The build failed; `log_tail` is the end of its log, where it was not followed."""

    failure: Failure
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildCancelled:
    """Somebody cancelled it."""

    build: str
    config: str
    namespace: str


@dataclass(frozen=True)
class BuildDeleted:
    """The Build was deleted before it was over."""

    build: str


# -- the rollouts ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class NotDeployed:
    """No DeploymentConfig deploys the tag."""

    build: str
    tag: str
    digest: str


@dataclass(frozen=True)
class RolloutProgress:
    """How many pods of the new revision are ready."""

    config: str
    revision: int
    ready: int
    wanted: int


@dataclass(frozen=True)
class PodNotRunning:
    """A pod of the new revision does not run; `log` is the end of a crashed container's log."""

    problem: PodProblem
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class DoesNotAnswer:
    """A container of the new revision runs and does not answer; what was seen of it."""

    config: str
    message: str


@dataclass(frozen=True)
class RolloutBlocked:
    """Why nothing of the new revision is made, and what a person can do about it; the message says both."""

    config: str
    reason: str
    message: str


@dataclass(frozen=True)
class RolloutFailed:
    """The rollout failed; `serving` is the revision that still serves, if one does, `log` the end of the log
    that was kept of it."""

    failure: Failure
    serving: int | None
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unchanged:
    """The image is the one that runs already."""

    config: str


@dataclass(frozen=True)
class Published:
    """The build answers at this address."""

    url: str
    build: str
    revision: int | None


@dataclass(frozen=True)
class NoRoute:
    """The build runs, and has no address."""

    config: str
    build: str
    revision: int | None


@dataclass(frozen=True)
class ScaledToZero:
    """The rollout is complete, and no pod is wanted: nothing answers."""

    config: str
    namespace: str
    build: str
    revision: int | None


@dataclass(frozen=True)
class NotPublished:
    """The build runs, and its Route is not published; `reason` and `message` as far as anybody says."""

    route: str
    namespace: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class NotRolledOut:
    """Built, and this DeploymentConfig does not roll it out by itself: overtaken, held or by hand."""

    config: str
    namespace: str
    build: str
    state: RolloutState


@dataclass(frozen=True)
class ConfigDeleted:
    """The DeploymentConfig was deleted while it rolled out."""

    config: str


RolloutEvent = (
    NotDeployed
    | RolloutProgress
    | PodNotRunning
    | DoesNotAnswer
    | RolloutBlocked
    | RolloutFailed
    | Unchanged
    | Published
    | NoRoute
    | ScaledToZero
    | NotPublished
    | NotRolledOut
    | ConfigDeleted
)


# -- the end ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class StillRunning:
    """Following ends here; the work goes on."""

    build: str
    namespace: str


@dataclass(frozen=True)
class ContactLost:
    """The cluster does not say how it goes on."""


@dataclass(frozen=True)
class End:
    """The last event."""

    result: Result


ProgressEvent = (
    Queued
    | Running
    | Detected
    | BuildBlocked
    | BuildPodWaits
    | LogLine
    | BuildComplete
    | BuildFailed
    | BuildCancelled
    | BuildDeleted
    | RolloutEvent
    | StillRunning
    | ContactLost
    | End
)
