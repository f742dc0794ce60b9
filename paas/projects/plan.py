"""The decision about one project: what it has yet to be given, and what its Namespace says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from paas.api import names
from paas.api.names import Reason
from paas.api.project import ANNOTATION_STATUS, READY, SECRETS_ROLE, is_project, status_of
from paas.api.resources import NAMESPACE, ROLEBINDING, SECRET, Key, Manifest, Resource, key_of, resource_of
from paas.projects.default_objects import default_objects
from paas.reconcile.conditions import parse_time
from paas.reconcile.meta import apply_if_needed, desired, owned_by
from paas.reconcile.plan import Action, Apply, Effect, Event, Plan, Requeue
from paas.reconcile.refusal import Refusal, concerning
from paas.reconcile.status import Blocker, refused
from paas.settings import Settings

POD_SECURITY: Final = "pod-security.kubernetes.io/enforce"
BASELINE: Final = "baseline"

SOON: Final = 0.5
"""Seconds after which to look again whether a right that was given is in force; nothing tells of it."""
IN_FORCE_WITHIN: Final = 20.0
"""Seconds after which a right that was given and is not in force is not waited for any more, but said."""
RECHECK: Final = 15.0
"""Seconds after which to look again for the credential key, or at what has a name of ours: files and the
objects of others are not watched."""


@dataclass(frozen=True)
class GrantPull(Effect):
    """Add the pull Secret to those of a ServiceAccount that is not ours, leaving all else as it is."""

    namespace: str
    service_account: str

    @property
    def subject(self) -> str:
        return f"ServiceAccount {self.service_account}"


@dataclass(frozen=True)
class Observed:
    """The Namespace with the project label, and what has the names of its default objects."""

    namespace: Manifest
    pull_password: str | None = field(repr=False)
    """Of this project's pods for the registry; None while the platform's credential key cannot be read."""
    children: Mapping[tuple[Resource, str], Manifest] = field(default_factory=dict)
    default_account: Manifest | None = None
    """ServiceAccount `default`; the cluster makes it a moment after the Namespace."""
    may_write_secrets: bool = False
    """Whether the API server lets the operator write Secrets here: a moment after it has bound itself."""
    refusals: tuple[Refusal, ...] = ()


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """Give what is missing; take over nothing; say on the Namespace how far it is."""
    namespace = observed.namespace
    if not is_project(namespace):
        name = namespace["metadata"]["name"]
        text = f"the name {name} is reserved; make a project of another name"
        return Plan.of(said(namespace, Blocker(Reason.INVALID_SPEC, text)))
    actions: list[Action] = []
    taken: list[str] = []
    password = observed.pull_password
    wanted = default_objects(namespace, pull_password=password or "", settings=settings)
    if password is None or not observed.may_write_secrets:
        wanted = [manifest for manifest in wanted if resource_of(manifest) != SECRET]
    for manifest in wanted:
        resource, name = resource_of(manifest), manifest["metadata"]["name"]
        live = observed.children.get((resource, name))
        if live is not None and not owned_by(live, namespace["metadata"]["uid"]):
            taken.append(f"{resource.kind} {name}")
        elif (apply := apply_if_needed(manifest, live)) is not None:
            actions.append(apply)
    account = observed.default_account
    if account is not None and not _pulls(account):
        actions.append(GrantPull(namespace["metadata"]["name"], "default"))
    lack = None if observed.may_write_secrets else _lack(observed, now)
    if lack is not None:
        actions.append(Requeue(RECHECK if lack.stalled else SOON))
    blocker = None
    if taken:
        text = (
            f"{', '.join(taken)} exist but were not made by the platform; "
            f"delete them, and the platform makes its own"
        )
        blocker = Blocker(Reason.NAME_TAKEN, text)
        actions.append(Requeue(RECHECK))
    elif password is None:
        text = "the platform's credential key cannot be read; fix it with: paas up, or paas install"
        blocker = Blocker(Reason.KEY_UNREADABLE, text)
        actions.append(Requeue(RECHECK))
    elif observed.refusals:
        blocker = refused(observed.refusals[0], namespace=namespace["metadata"]["name"])
    elif lack is not None:
        blocker = lack
    elif account is None:
        text = "ServiceAccount default does not exist yet"
        blocker = Blocker(Reason.IN_PROGRESS, text, stalled=False)
    return Plan.of([*actions, *said(namespace, blocker)])


def _lack(observed: Observed, now: datetime) -> Blocker:
    """Why the operator may not write Secrets here. Its binding may be too young; or it gives nothing, as when
    the role is gone, and then looking again soon only costs the API server a question for each project."""
    binding = observed.children.get((ROLEBINDING, SECRETS_ROLE))
    bound = (binding or {"metadata": {}})["metadata"].get("creationTimestamp")
    old = bound is not None and (now - parse_time(bound)).total_seconds() > IN_FORCE_WITHIN
    refused = concerning(
        observed.refusals, ROLEBINDING, Key(observed.namespace["metadata"]["name"], SECRETS_ROLE)
    )
    if not old and not refused:
        return Blocker(Reason.IN_PROGRESS, "the operator may not write Secrets here yet", stalled=False)
    text = (
        f"the operator may not write Secrets here, although RoleBinding {SECRETS_ROLE} is there: ClusterRole "
        f"{SECRETS_ROLE} is missing or was changed; the platform is given its rights again by: paas up, or "
        "paas install"
    )
    return Blocker(Reason.REFUSED, text)


def _pulls(account: Manifest) -> bool:
    return any(ref.get("name") == names.PULL_SECRET for ref in account.get("imagePullSecrets") or ())


def said(namespace: Manifest, blocker: Blocker | None) -> list[Action]:
    """The Namespace with our part of it: the status in an annotation, as a Namespace has no conditions, and
    the pod security level unless an administrator chose another. What stalls is also told by an Event."""
    metadata = namespace["metadata"]
    status = READY
    if blocker is not None:
        status = f"{'stalled' if blocker.stalled else 'preparing'}: {blocker.message}"
    level = (metadata.get("labels") or {}).get(POD_SECURITY)
    secured = level is not None or not is_project(namespace)
    if status_of(namespace) == status and secured:
        return []
    ours: Manifest = {"name": metadata["name"], "annotations": {ANNOTATION_STATUS: status}}
    if level in (None, BASELINE) and is_project(namespace):
        ours["labels"] = {POD_SECURITY: BASELINE}
    manifest = desired({"apiVersion": "v1", "kind": "Namespace", "metadata": ours})
    actions: list[Action] = [Apply(manifest, uid=metadata["uid"])]
    if blocker is not None and blocker.stalled:
        about = NAMESPACE, key_of(namespace), metadata["uid"]
        actions.append(Event(*about, blocker.reason, status, "Warning"))
    return actions
