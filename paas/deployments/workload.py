"""The apps/v1 Deployment of a DeploymentConfig: what it must be, and what it says of itself.

It is named like the DeploymentConfig and follows its replicas. Nothing unseen goes into the pods but two
labels: which DeploymentConfig and which revision they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from paas.api import names
from paas.api.deployment import DeploymentConfigSpec
from paas.api.deployment_status import RolloutProblem, Stripped, Tried
from paas.api.resources import DEPLOYMENT, Manifest
from paas.deployments import listening
from paas.deployments.revision import Revision
from paas.kube import pods
from paas.kube.pods import Exit, PodProblem, Trouble
from paas.reconcile import meta
from paas.reconcile.plan import Apply
from paas.reconcile.refusal import Refusal
from paas.reconcile.refused_pods import FAILED_CREATE, refused_pods
from paas.reconcile.status import explained

REPLICA_SETS: Final = 10
"""How many old ReplicaSets are kept when nobody says how many revisions: Kubernetes' own number. No rollback
needs them."""
DEADLINE_REASON: Final = "ProgressDeadlineExceeded"
"""Of the Deployment's Progressing condition."""


class Progress(StrEnum):
    """How far the Deployment is with a revision."""

    ABSENT = "Absent"  # it does not have this revision, or not as it must be
    UNOBSERVED = "Unobserved"  # it has, and its controller has not reported on it yet
    RUNNING = "Running"
    COMPLETE = "Complete"  # all pods are of this revision and available
    TIMED_OUT = "TimedOut"  # its controller saw no progress for the deadline


def selector(dc: Manifest, spec: DeploymentConfigSpec) -> dict[str, str]:
    """Labels by which the pods are found; the default does not depend on the template."""
    return dict(spec.selector or {names.LABEL_DEPLOYMENTCONFIG: dc["metadata"]["name"]})


def deployment(dc: Manifest, spec: DeploymentConfigSpec, revision: Revision) -> Manifest:
    """The Deployment that runs this revision, without what the strategy adds, and without the note that
    `meta.desired` adds."""
    name = dc["metadata"]["name"]
    own = {names.LABEL_DEPLOYMENTCONFIG: name, names.LABEL_REVISION: str(revision.number)}
    frozen = revision.data.template
    pod_meta = frozen.get("metadata") or {}
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {
            "name": name,
            "namespace": dc["metadata"]["namespace"],
            "labels": meta.labels(
                part_of=meta.part_of(dc),
                **{names.LABEL_NAME: name, names.LABEL_DEPLOYMENTCONFIG: name},
            ),
            "ownerReferences": [meta.owner_reference(dc)],
        },
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": selector(dc, spec)},
            "template": {
                "metadata": {**pod_meta, "labels": {**(pod_meta.get("labels") or {}), **own}},
                "spec": frozen.get("spec") or {},
            },
            "minReadySeconds": spec.min_ready_seconds,
            "revisionHistoryLimit": REPLICA_SETS
            if spec.revision_history_limit is None
            else spec.revision_history_limit,
            "paused": spec.paused,
        },
    }


def noted(live: Manifest, wanted: Manifest) -> bool:
    """Whether what was applied last is `wanted` (as made by `deployment`)."""
    note = (live["metadata"].get("annotations") or {}).get(names.ANNOTATION_DESIRED)
    return bool(note == meta.desired(wanted)["metadata"]["annotations"][names.ANNOTATION_DESIRED])


def tried_at(live: Manifest) -> Tried:
    """What to remember when `live` looks different from what it was made of."""
    return Tried(uid=live["metadata"]["uid"], generation=int(live["metadata"].get("generation") or 0))


def stripped_at(live: Manifest) -> Stripped:
    """What to remember when something that nobody owns is taken out of `live`."""
    return Stripped(uid=live["metadata"]["uid"], generation=int(live["metadata"].get("generation") or 0))


def apply(wanted: Manifest, live: Manifest | None, *, tried: Tried | None) -> Apply | None:
    """The write that brings the Deployment to `wanted`, or None. When it looks different from what was
    applied (`periodSeconds: 0` becomes 10), it is applied once more a generation: if nobody has changed
    it, that changes nothing, and its generation stays."""
    needed = meta.apply_if_needed(wanted, live)
    if needed is None or live is None or not noted(live, wanted) or tried != tried_at(live):
        return needed
    return None if meta.covers(live["metadata"], wanted["metadata"]) else needed


def revision_of(live: Mapping[str, Any] | None) -> int | None:
    """The revision that a Deployment has in its pod template, or None."""
    labels = (((live or {}).get("spec") or {}).get("template") or {}).get("metadata", {}).get("labels") or {}
    text = str(labels.get(names.LABEL_REVISION, ""))
    return int(text) if text.isdecimal() else None


def progress(live: Manifest | None, wanted: Manifest) -> Progress:
    """How far `live` is with `wanted` (as made by `deployment`).

    Whether it has been applied is read from the note on it, not found by comparing the whole: a value that
    the API server writes in another form must not keep a rollout from ever being judged.
    """
    if live is None:
        return Progress.ABSENT
    if not noted(live, wanted) or revision_of(live) != revision_of(wanted):
        return Progress.ABSENT
    status = live.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0):
        return Progress.UNOBSERVED
    replicas = int(wanted["spec"]["replicas"])
    if all(int(status.get(f) or 0) == replicas for f in ("replicas", "updatedReplicas", "availableReplicas")):
        return Progress.COMPLETE
    progressing = condition(live, "Progressing")
    if progressing.get("status") == "False" and progressing.get("reason") == DEADLINE_REASON:
        return Progress.TIMED_OUT
    return Progress.RUNNING


def condition(live: Mapping[str, Any] | None, type_: str) -> Mapping[str, Any]:
    """A condition of the Deployment; empty when it has none of this type."""
    for found in ((live or {}).get("status") or {}).get("conditions") or ():
        if found.get("type") == type_:
            return found  # type: ignore[no-any-return]
    return {}


def counts(live: Mapping[str, Any] | None) -> dict[str, int]:
    """The Deployment's numbers of pods, under the names that the DeploymentConfig's status has."""
    status = (live or {}).get("status") or {}
    fields = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
    return {field: int(status.get(field) or 0) for field in fields}


def refused(live: Manifest | None) -> Refusal | None:
    """Why the pods of a Deployment cannot be made, as far as its ReplicaSet says so."""
    failure = condition(live, "ReplicaFailure")
    if live is None or failure.get("status") != "True":
        return None
    return refused_pods(str(failure.get("message") or failure.get("reason") or "no reason given"), live)


def problem(
    live: Manifest | None, observed: Iterable[Mapping[str, Any]], *, log: str = ""
) -> RolloutProblem | None:
    """Why pods do not become ready, in one line, as far as it can be seen; None when it cannot. `log` is the
    end of the log of a container that does not answer."""
    if (refusal := refused(live)) is not None:
        assert live is not None, "somebody must have said so"
        why, hint = explained(refusal, namespace=live["metadata"]["namespace"])
        return RolloutProblem(reason=FAILED_CREATE, message=f"{why}; {hint}")
    for pod in sorted(observed, key=lambda pod: str(pod["metadata"]["name"])):
        if (found := pods.why_not_ready(pod)) is not None:
            return in_words(found, log=log)
    return None


def in_words(found: PodProblem, *, log: str = "") -> RolloutProblem:
    """What keeps a pod, as the status says it."""
    said = _said(found)
    if found.trouble is Trouble.NOT_READY and found.port is not None:
        said += f"; {listening.advice(found.port, log)}"
    return RolloutProblem(reason=found.reason, message=f"pod {found.pod}: {said}")


def _said(found: PodProblem) -> str:
    name = found.container.name if found.container else ""
    ended = _exit(found.exit) if found.exit else ""
    match found.trouble:
        case Trouble.FAILED:
            reason = "evicted" if found.reason == pods.EVICTED else found.reason
            return _joined(reason, _line(found.message))
        case Trouble.NOT_SCHEDULED:
            return _joined("not scheduled", _line(found.message))
        case Trouble.WAITING:
            return _joined(f"container {name}: {found.reason}", ended or _line(found.message))
        case Trouble.ENDED:
            return f"container {name}: {ended}"
        case Trouble.RESTARTED:
            restarts = found.container.restarts if found.container else 0
            times = f"{restarts} times" if restarts > 1 else "once"
            return f"container {name} was restarted {times}: {ended}"
        case Trouble.NOT_READY:
            why = "its readiness probe fails" if found.probed else "it is not ready"
            return f"container {name} runs, but {why}"


def _joined(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _exit(ended: Exit) -> str:
    text = f"exit code {ended.code}"
    if ended.reason and ended.reason != "Error":
        text = f"{ended.reason}, {text}"
    return _joined(text, _line(ended.message, last=True))


def _line(text: Any, *, last: bool = False) -> str:
    """The first (or last) line that says something, not longer than 300 characters."""
    lines = [line.strip() for line in str(text or "").splitlines() if line.strip()]
    return lines[-1 if last else 0][:300] if lines else ""
