"""Revisions: the pod template with its images resolved, frozen in a ControllerRevision `<dc>-<n>`.

A revision is never changed. Going back to one brings back its template and its images, and its pods get
the same label `paas.dev/revision` as before, so that the Deployment finds the ReplicaSet of then again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from paas.api import names
from paas.api.base import Model, Opaque
from paas.api.deployment_status import Cause, CauseType
from paas.api.resources import CONTROLLERREVISION, Manifest
from paas.reconcile import meta


class ResolvedImage(Model):
    """The image that a trigger gave to a container, and the Build it came from (if any)."""

    container: str
    tag: str
    """`<stream>:<tag>`."""
    image: str
    """sha256:…"""
    reference: str
    """Where the node pulls it, by digest."""
    build: str | None = None
    build_number: int | None = None
    build_config_uid: str | None = None
    commit: str | None = None
    cause: str | None = None
    """Type of the Build's trigger."""


class RevisionData(Model):
    """`data` of a ControllerRevision of ours."""

    template: Opaque
    images: list[ResolvedImage] = Field(default_factory=list)
    causes: list[Cause] = Field(default_factory=list)
    request: str | None = None
    """spec.rollout.latest when the revision was made: that request is answered by it."""


@dataclass(frozen=True)
class Revision:
    """One revision: its number, and what is frozen in it."""

    number: int
    data: RevisionData
    uid: str = ""
    """Of the ControllerRevision; empty when it is only planned."""

    @property
    def build(self) -> str | None:
        """The Build that this revision is about: of the image that caused it, else of its first image."""
        caused = (cause.build for cause in self.data.causes if cause.type == CauseType.IMAGE_CHANGE)
        first = (image.build for image in self.data.images)
        return next((build for build in (*caused, *first) if build), None)

    def image_of(self, container: str, tag: str) -> ResolvedImage | None:
        """What the trigger of this container and tag had resolved."""
        return next((i for i in self.data.images if (i.container, i.tag) == (container, tag)), None)


def name_of(dc_name: str, number: int) -> str:
    return f"{dc_name}-{number}"


def read(manifests: Iterable[Manifest], *, dc: Manifest) -> tuple[Revision, ...]:
    """The revisions of a DeploymentConfig, oldest first; what we cannot have written is skipped."""
    found = []
    for manifest in manifests:
        number = manifest.get("revision")
        if not meta.owned_by(manifest, dc["metadata"]["uid"]) or not isinstance(number, int):
            continue
        if manifest["metadata"]["name"] != name_of(dc["metadata"]["name"], number):
            continue
        try:
            data = RevisionData.model_validate(manifest.get("data"))
        except ValidationError:
            continue
        found.append(Revision(number=number, data=data, uid=manifest["metadata"].get("uid", "")))
    return tuple(sorted(found, key=lambda revision: revision.number))


def write(dc: Manifest, revision: Revision) -> Manifest:
    """The ControllerRevision of a revision (without the owner reference: `meta.create` adds it)."""
    dc_meta = dc["metadata"]
    return {
        "apiVersion": CONTROLLERREVISION.api_version,
        "kind": CONTROLLERREVISION.kind,
        "metadata": {
            "name": name_of(dc_meta["name"], revision.number),
            "namespace": dc_meta["namespace"],
            "labels": meta.labels(
                part_of=meta.part_of(dc),
                **{
                    names.LABEL_NAME: dc_meta["name"],
                    names.LABEL_DEPLOYMENTCONFIG: dc_meta["name"],
                    names.LABEL_REVISION: str(revision.number),
                },
            ),
        },
        "revision": revision.number,
        "data": revision.data.dump(),
    }


def describe(causes: Iterable[Cause]) -> str:
    """The causes in one line for people."""
    return "; ".join(cause.message or str(cause.type) for cause in causes)


def prunable(
    revisions: Iterable[Revision], *, limit: int | None, keep: Collection[int | None]
) -> tuple[Revision, ...]:
    """The revisions beyond the newest `limit` old ones (None: all are kept); those in `keep` are neither
    counted nor pruned."""
    if limit is None:
        return ()
    old = sorted((r for r in revisions if r.number not in keep), key=lambda r: r.number, reverse=True)
    return tuple(reversed(old[limit:]))


def find(revisions: Iterable[Revision], number: int | None) -> Revision | None:
    """The revision of this number, or None."""
    return next((revision for revision in revisions if revision.number == number), None)


def history_row(manifest: Manifest) -> dict[str, Any]:
    """A ControllerRevision for `rollout history`: revision, created, causes (text), images (by container),
    build, commit."""
    data = RevisionData.model_validate(manifest.get("data") or {"template": {}})
    revision = Revision(number=int(manifest.get("revision") or 0), data=data)
    return {
        "revision": revision.number,
        "created": manifest["metadata"].get("creationTimestamp"),
        "causes": describe(data.causes),
        "images": {image.container: image.reference for image in data.images},
        "build": revision.build,
        "commit": next((image.commit for image in data.images if image.commit), None),
    }
