"""What a decision about one DeploymentConfig looks at: as it was gathered, and as it is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pydantic import ValidationError

from paas.api.deployment import DeploymentConfigSpec, DeploymentConfigStatus
from paas.api.names import Reason
from paas.api.resources import Manifest
from paas.deployments import hold, revision, rollout, template, triggers, workload
from paas.deployments.revision import Revision
from paas.reconcile import meta


@dataclass(frozen=True)
class Observed:
    """One snapshot."""

    dc: Manifest
    deployment: Manifest | None = None
    """Whatever Deployment has the DeploymentConfig's name."""
    revisions: tuple[Manifest, ...] = ()
    """ControllerRevisions that are ours, and any other that has the next revision's name."""
    streams: Mapping[str, Manifest] = field(default_factory=dict)
    """ImageStreams of the namespace by name, as far as triggers name them."""
    autoscalers: tuple[Manifest, ...] = ()
    """HorizontalPodAutoscalers that target the Deployment."""
    pods: tuple[Manifest, ...] = ()
    """Pods of the revision that is rolled out; empty when nobody needs to know why it takes so long."""
    refusal: str | None = None
    """Why the API server does not accept the Deployment of the revision that is due, if it does not."""


@dataclass(frozen=True)
class Blocker:
    """Why there is no next step now. `stalled`: not without a person."""

    reason: Reason
    message: str
    stalled: bool = True


@dataclass(frozen=True)
class Snapshot:
    """A snapshot whose spec could be read."""

    observed: Observed
    spec: DeploymentConfigSpec
    state: DeploymentConfigStatus
    now: datetime

    @property
    def dc(self) -> Manifest:
        return self.observed.dc

    @property
    def name(self) -> str:
        return str(self.dc["metadata"]["name"])

    @property
    def template(self) -> Manifest:
        """spec.template as it was written."""
        written: Manifest = self.dc["spec"]["template"]
        return written

    @cached_property
    def revisions(self) -> tuple[Revision, ...]:
        return revision.read(self.observed.revisions, owner_uid=self.dc["metadata"]["uid"])

    @property
    def newest(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def latest_version(self) -> int:
        """Number of the newest revision there ever was; 0 before the first."""
        return max(self.state.latest_version or 0, self.newest.number if self.newest else 0)

    @cached_property
    def due(self) -> triggers.Verdict:
        return triggers.due(self.spec, self.template, streams=self.observed.streams, newest=self.newest)

    @cached_property
    def next_revision(self) -> Revision | None:
        """The revision that triggers ask for, or None."""
        due = self.due
        return Revision(self.latest_version + 1, due.data) if isinstance(due, triggers.Due) else None

    @property
    def pin_in_force(self) -> bool:
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

    def target_deployment(self, state: DeploymentConfigStatus) -> Manifest | None:
        """The Deployment as it shall be, or None when there is nothing to run yet (or no more)."""
        chosen = revision.find(self.revisions, rollout.target(state))
        return workload.deployment(self.dc, self.spec, chosen) if chosen else None

    def progress(self, state: DeploymentConfigStatus) -> workload.Progress:
        """How far the Deployment is with what it shall run."""
        wanted = self.target_deployment(state)
        if wanted is None:
            return workload.Progress.ABSENT
        return workload.progress(self.observed.deployment, wanted)


def understand(observed: Observed, *, now: datetime) -> Snapshot | str:
    """The Snapshot, or what is wrong with the spec. A status that cannot be read counts as none: it is
    made anew from the revisions."""
    try:
        spec = DeploymentConfigSpec.model_validate(observed.dc.get("spec"))
    except ValidationError as problem:
        first = problem.errors()[0]
        return f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    try:
        state = DeploymentConfigStatus.model_validate(observed.dc.get("status") or {})
    except ValidationError:
        state = DeploymentConfigStatus()
    return Snapshot(observed, spec, state, now)


def foreign(manifest: Manifest | None, snapshot: Snapshot) -> bool:
    return manifest is not None and not meta.owned_by(manifest, snapshot.dc["metadata"]["uid"])


def first_blocker(snapshot: Snapshot, state: DeploymentConfigStatus) -> Blocker | None:
    """The first thing that stands in the way of the next step, or None. Whatever stands in the way of
    a new revision does not matter while one is held."""
    for rule in (_name_taken, _bad_triggers, _paused, _pinned_to_nothing):
        found = rule(snapshot)
        if found is not None:
            return found
    if state.hold is not None:
        return None
    return _not_due(snapshot) or _revision_name_taken(snapshot) or _refused(snapshot)


def _name_taken(snapshot: Snapshot) -> Blocker | None:
    if not foreign(snapshot.observed.deployment, snapshot):
        return None
    return Blocker(
        Reason.NAME_TAKEN,
        f"a Deployment {snapshot.name} exists that is not ours, and is left alone; rename or delete it"
        f" (kubectl delete deployment {snapshot.name}), or give this DeploymentConfig another name",
    )


def _bad_triggers(snapshot: Snapshot) -> Blocker | None:
    problem = triggers.problem(
        snapshot.spec, snapshot.template, namespace=snapshot.dc["metadata"]["namespace"]
    )
    return Blocker(Reason.INVALID_SPEC, problem) if problem else None


def _paused(snapshot: Snapshot) -> Blocker | None:
    if not snapshot.spec.paused:
        return None
    return Blocker(
        Reason.PAUSED,
        "paused: triggers and rollbacks wait; go on with: kubectl patch dc"
        f' {snapshot.name} --type=merge -p \'{{"spec":{{"paused":false}}}}\'',
        stalled=False,
    )


def _pinned_to_nothing(snapshot: Snapshot) -> Blocker | None:
    rollback = snapshot.spec.rollback
    if rollback is None or not snapshot.pin_in_force:
        return None
    if revision.find(snapshot.revisions, rollback.to_revision) is not None:
        return None
    kept = ", ".join(str(r.number) for r in snapshot.revisions) or "none"
    return Blocker(
        Reason.INVALID_SPEC,
        f"spec.rollback names revision {rollback.to_revision}, which does not exist (kept: {kept}); nothing"
        f" is rolled out until it names another one (paas rollout undo {snapshot.name}) or is removed"
        f" (paas unpin {snapshot.name})",
    )


def _not_due(snapshot: Snapshot) -> Blocker | None:
    match snapshot.due:
        case triggers.Waiting(tags, by_hand=True):
            return Blocker(
                Reason.WAITING_FOR_ROLLOUT,
                f"the image trigger of {', '.join(tags)} is not automatic; resolve it with:"
                f" paas rollout latest {snapshot.name}",
                stalled=False,
            )
        case triggers.Waiting(tags):
            return Blocker(
                Reason.WAITING_FOR_IMAGE,
                f"waiting for an image of {', '.join(tags)}; bring one with a git push, or with:"
                " paas start-build (paas status shows which BuildConfig makes it)",
                stalled=False,
            )
        case triggers.Idle(never=True):
            return Blocker(
                Reason.WAITING_FOR_ROLLOUT,
                f"no trigger starts a rollout; start one with: paas rollout latest {snapshot.name}",
                stalled=False,
            )
    return None


def _revision_name_taken(snapshot: Snapshot) -> Blocker | None:
    following = snapshot.next_revision
    if following is None:
        return None
    name = revision.name_of(snapshot.name, following.number)
    if not any(m["metadata"]["name"] == name and foreign(m, snapshot) for m in snapshot.observed.revisions):
        return None
    return Blocker(
        Reason.NAME_TAKEN,
        f"a ControllerRevision {name} exists that is not ours, and is left alone; delete it"
        f" (kubectl delete controllerrevision {name}) and the rollout goes on",
    )


def _refused(snapshot: Snapshot) -> Blocker | None:
    if snapshot.next_revision is None or not snapshot.observed.refusal:
        return None
    return Blocker(
        Reason.INVALID_SPEC,
        f"the cluster does not accept the pod template: {snapshot.observed.refusal};"
        f" correct spec.template (kubectl edit dc {snapshot.name})",
    )
