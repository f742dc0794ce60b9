"""An application at one look, as data: its source, builds, images, rollouts and addresses, what is wrong with
them, and the commands to type next. `summarize` derives it, `summary_text` has the words. Pure.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from paas.api.base import Model


class Problem(Model):
    """Why something is not as it should be: a reason as conditions have it, and a sentence."""

    reason: str = ""
    message: str = ""


class SourceSummary(Model):
    """Where a BuildConfig takes its source from."""

    build_config: str
    git: str | None = None
    """URL of the external repository; absent when people push to the platform."""
    repository: str | None = None
    """URL of the repository that is hosted here."""
    branch: str | None = None
    context_dir: str | None = None
    stalled: Problem | None = None


class BuildSummary(Model):
    """A Build: the newest, or one that is not over."""

    name: str
    phase: str
    problem: Problem | None = None
    """Why it failed, or what only a person can change so that it starts."""
    waits_for: list[str] = Field(default_factory=list)
    """Builds that run first."""
    ref: str = ""
    commit: str = ""
    commit_message: str = ""
    author: str = ""
    started_at: str | None = None
    """When it was made, until it has started."""
    completed_at: str | None = None
    seconds: int | None = None


class TagSummary(Model):
    """The image that a tag means now."""

    tag: str
    image: str = ""
    build: str | None = None
    created_at: str | None = None


class ImageStreamSummary(Model):
    """The tags of an ImageStream."""

    name: str
    tags: list[TagSummary] = Field(default_factory=list)
    stalled: Problem | None = None


class PodSummary(Model):
    """A pod of the current revision that does not run."""

    pod: str
    reason: str
    message: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False


class HoldSummary(Model):
    """A rollback that is in force."""

    revision: int
    withheld: int = 0


class RolloutSummary(Model):
    """A DeploymentConfig and its current or last rollout; `revision` and `phase` are absent before the
    first."""

    deployment_config: str
    revision: int | None = None
    phase: str | None = None
    build: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    serving: int | None = None
    """The last complete revision."""
    replicas: int = 1
    ready: int = 0
    """Ready pods of the revision, or of the serving one after a failure."""
    problems: list[Problem] = Field(default_factory=list)
    """Why it failed, or what keeps it."""
    pods: list[PodSummary] = Field(default_factory=list)
    waits_for: Problem | None = None
    """What the first rollout waits for."""
    hold: HoldSummary | None = None
    paused: bool = False
    drifted: Problem | None = None
    """What its Deployment runs beyond the revision, and whose it is."""
    stalled: Problem | None = None


class Backend(StrEnum):
    """What answers behind a Route, as far as it can be seen."""

    READY = "Ready"
    SCALED_TO_ZERO = "ScaledToZero"
    NOT_READY = "NotReady"
    UNKNOWN = "Unknown"  # its Service leads to no DeploymentConfig of this application


class RouteSummary(Model):
    """An address, and the Service that it leads to."""

    name: str
    url: str | None = None
    service: str = ""
    ready: bool | None = None
    """Whether it is published; absent while nobody has looked at it."""
    message: str = ""
    backend: Backend = Backend.UNKNOWN


class NextStep(Model):
    """A command to type next, and what for where that is not plain."""

    command: str
    note: str = ""


class AppSummary(Model):
    """An application at one look."""

    project: str
    name: str
    urls: list[str] = Field(default_factory=list)
    sources: list[SourceSummary] = Field(default_factory=list)
    builds: list[BuildSummary] = Field(default_factory=list)
    """The newest, and those that are not over."""
    image_streams: list[ImageStreamSummary] = Field(default_factory=list)
    rollouts: list[RolloutSummary] = Field(default_factory=list)
    routes: list[RouteSummary] = Field(default_factory=list)
    next: list[NextStep] = Field(default_factory=list)
    """The most urgent first, three at most."""
