"""What the decision about one DeploymentConfig looks at: the object and all it needs, parsed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.deployment import DeploymentConfigSpec
from paas.api.deployment_status import DeploymentConfigStatus
from paas.api.image import TagEvent
from paas.api.resources import Manifest
from paas.deployments import hold, revision, rollout, strategies, template, triggers, workload
from paas.deployments.drift import Addition
from paas.deployments.revision import Revision
from paas.deployments.strategies import Step
from paas.reconcile import meta
from paas.reconcile.refusal import Refusal


@dataclass(frozen=True)
class Unreadable:
    """A DeploymentConfig whose spec is not valid, and why."""

    dc: Manifest
    problem: str


@dataclass(frozen=True)
class Snapshot:
    """A DeploymentConfig and all it needs."""

    dc: Manifest
    spec: DeploymentConfigSpec
    state: DeploymentConfigStatus
    """The status as stored; one that cannot be read counts as none, and is made again from the revisions."""
    deployment: Manifest | None = None
    """Whatever Deployment has the DeploymentConfig's name."""
    revisions: tuple[Revision, ...] = ()
    """Its revisions, oldest first."""
    images: Mapping[str, tuple[TagEvent, ...]] = field(default_factory=dict)
    """The images of the tags that triggers name, newest first, by `<stream>:<tag>`."""
    autoscalers: tuple[Manifest, ...] = ()
    """HorizontalPodAutoscalers that target the Deployment."""
    next_name_taken: bool = False
    """Whether a ControllerRevision that is not ours has the name of the revision that is due."""
    pods: tuple[Manifest, ...] = ()
    """Pods of the revision that is rolled out; empty when nobody needs to know why it takes so long."""
    log: str = ""
    """The end of the log that explains what keeps the rollout (`judgement.log_source`)."""
    refusal: Refusal | None = None
    """Why the API server does not accept the Deployment of the revision that is due, if it does not."""
    additions: tuple[Addition, ...] = ()
    """What the Deployment has beyond its revision, and whose it is."""
    refusals: tuple[Refusal, ...] = ()
    """What was asked for before and refused."""

    @property
    def name(self) -> str:
        return str(self.dc["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.dc["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        return str(self.dc["metadata"]["uid"])

    @property
    def template(self) -> Manifest:
        """spec.template as it was written."""
        written: Manifest = self.dc["spec"]["template"]
        return written

    @property
    def foreign_deployment(self) -> bool:
        """Whether the Deployment of this name is not ours."""
        return self.deployment is not None and not meta.owned_by(self.deployment, self.uid)

    @property
    def newest(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def latest_version(self) -> int:
        """Number of the newest revision there ever was; 0 before the first."""
        return max(self.state.latest_version or 0, self.newest.number if self.newest else 0)

    @cached_property
    def due(self) -> triggers.Verdict:
        return triggers.due(self.spec, self.template, images=self.images, newest=self.newest)

    @cached_property
    def next_revision(self) -> Revision | None:
        """The revision that triggers ask for, or None."""
        due = self.due
        return Revision(self.latest_version + 1, due.data) if isinstance(due, triggers.Due) else None

    @property
    def hold_requested(self) -> bool:
        """Whether spec.rollback asks for a revision and has not been released."""
        rollback = self.spec.rollback
        return rollback is not None and not hold.is_released(rollback, self.state.released)

    @property
    def edited_in_vain(self) -> bool:
        """Whether the template was edited, but no trigger rolls that out."""
        if self.newest is None or triggers.on_config_change(self.spec):
            return False
        covered = triggers.covered(self.spec)
        return template.comparable(self.template, covered) != template.comparable(
            self.newest.data.template, covered
        )

    @property
    def not_removed(self) -> tuple[Addition, ...]:
        """What the Deployment has beyond its revision and keeps: it is somebody's, or the cluster adds it."""
        live, stripped = self.deployment, self.state.stripped
        at = workload.stripped_at(live) if live is not None else None
        # one later: what is added to our own write with another value each time (an admission webhook's time
        # of day) would else be taken out for ever, with new pods each time
        again = (
            at is not None
            and stripped is not None
            and at.uid == stripped.uid
            and at.generation - stripped.generation in (0, 1)
        )
        return tuple(each for each in self.additions if each.managers or again)

    def steps(self, revision: Revision) -> tuple[Step, ...]:
        """The steps by which a revision is rolled out."""
        return tuple(strategies.steps(self.dc, self.spec, revision))

    def step(self, state: DeploymentConfigStatus) -> Step | None:
        """What the Deployment must be in this state: the step that the rollout is at, or the last one of the
        revision that serves. None when there is nothing to run yet (or no more)."""
        chosen, current = revision.find(self.revisions, rollout.target(state)), state.rollout
        if chosen is None or current is None:
            return None
        found = self.steps(chosen)
        serves = current.revision != chosen.number or rollout.is_complete(state)
        return found[-1] if serves else strategies.find(found, current.step)

    def progress(self, state: DeploymentConfigStatus) -> workload.Progress:
        """How far the Deployment is with what it must be."""
        step = self.step(state)
        if step is None:
            return workload.Progress.ABSENT
        return workload.progress(self.deployment, step.deployment)


def parse(
    dc: Manifest,
    *,
    deployment: Manifest | None,
    revisions: Iterable[Manifest],
    streams: Mapping[str, Manifest],
    autoscalers: Iterable[Manifest],
) -> Snapshot | Unreadable:
    """The picture of a DeploymentConfig, of objects as they are stored; `streams` are the ImageStreams of
    its namespace by name, as far as triggers name them."""
    try:
        spec = DeploymentConfigSpec.model_validate(dc.get("spec"))
    except ValidationError as problem:
        return Unreadable(dc, first_problem(problem))
    try:
        state = DeploymentConfigStatus.model_validate(dc.get("status") or {})
    except ValidationError:
        state = DeploymentConfigStatus()
    return Snapshot(
        dc=dc,
        spec=spec,
        state=state,
        deployment=deployment,
        revisions=revision.read(revisions, dc=dc),
        images=triggers.images(spec, streams),
        autoscalers=tuple(autoscalers),
    )
