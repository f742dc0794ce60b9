"""ImageStream as people and controllers write it, with OpenShift's field names.

A stream is a set of tags; each tag has a history of images by digest, newest first. The history is the
store of record: completed Builds are merged into it, and it outlives them. Nothing moves in the registry
when a tag moves. OpenShift's fields that are not built yet are in the schema and refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from paas.api.base import Column, ConditionType, Kind, Model, Status, unsupported
from paas.api.names import Condition, Reason
from paas.api.resources import IMAGESTREAM

HISTORY_LIMIT: Final = 100
"""Items kept of each tag, newest first."""
TAG_LIMIT: Final = 64
"""Tags of a stream."""

TagName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, Field(max_length=253)]
Reference = Annotated[str, Field(max_length=512)]


class LookupPolicy(Model):
    """Whether pods of the project may name the stream as their image."""

    local: bool = False
    """Whether `image: shop:latest` in a pod means this stream."""
    cel = (("!self.local", "lookupPolicy.local is not supported yet; leave it out or set it to false"),)


class ObjectReference(Model):
    """What a spec tag comes from."""

    kind: Name
    """Its kind, such as DockerImage."""
    name: Reference
    """Its name."""
    namespace: Name | None = None
    """Its project."""


class ImportPolicy(Model):
    """How a tag's image is imported from elsewhere."""

    insecure: bool | None = None
    """Whether the registry may speak plain http."""
    scheduled: bool | None = None
    """Whether the image is imported again from time to time."""
    import_mode: Name | None = None
    """Whether one image or all of a manifest list are imported."""


class ReferencePolicy(Model):
    """Where pods pull a tag's image from."""

    type: Name
    """Source or Local."""


class TagReference(Model):
    """A tag that a person sets, instead of one that builds push."""

    name: TagName
    """Name of the tag."""
    annotations: Annotated[dict[str, Reference], Field(max_length=16)] | None = None
    """Notes on the tag."""
    from_: ObjectReference | None = Field(default=None, alias="from")
    """What the tag comes from."""
    reference: bool | None = None
    """Whether the tag is only a name, without an import."""
    generation: int | None = None
    """Raised to import again."""
    import_policy: ImportPolicy | None = None
    """How it is imported."""
    reference_policy: ReferencePolicy | None = None
    """Where pods pull it from."""


class ImageStreamSpec(Model):
    """A set of tags, each with the history of the images that builds pushed to it."""

    lookup_policy: LookupPolicy | None = None
    """Whether pods may name the stream as their image."""
    docker_image_repository: Reference | None = None
    """A repository elsewhere whose tags the stream follows."""
    tags: Annotated[tuple[TagReference, ...], Field(max_length=64)] | None = None
    """Tags that a person sets."""
    cel = unsupported("tags", "dockerImageRepository")


class TagEvent(Model):
    """One image of a tag's history."""

    created: str
    """When the image came to the tag: the completion of its Build."""
    docker_image_reference: Reference
    """Where pods pull it, by digest."""
    image: Digest
    """The image's digest."""
    generation: int = 0
    """The stream's generation when this was recorded."""
    build: Name = ""
    """Name of the Build that made it."""
    build_config_uid: Name = ""
    """UID of that Build's BuildConfig: numbers are compared only within it."""
    build_number: int = 0
    """Number of that Build."""
    commit: Name = ""
    """The commit that it was built from."""
    cause: Annotated[str, Field(max_length=32)] = ""
    """Type of the trigger of the Build: Push, WebHook, Manual…"""


class TagHistory(Model):
    """A tag and its images; `items[0]` is the current one."""

    tag: TagName
    """Name of the tag."""
    items: Annotated[tuple[TagEvent, ...], Field(max_length=HISTORY_LIMIT)] = ()
    """Its images, newest first."""


class ImageStreamStatus(Status):
    """What a stream holds."""

    docker_image_repository: Reference = ""
    """Address of the stream's images in the registry, as pods pull them."""
    tags: Annotated[
        tuple[TagHistory, ...],
        Field(
            max_length=TAG_LIMIT,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["tag"]},
        ),
    ] = ()
    """Every tag that has an image, with its history."""
    tag_names: Annotated[str, Field(max_length=1024)] = ""
    """The tags' names, for people: `latest,v2`."""
    updated: str | None = None
    """When a tag moved last."""


def current(stream: dict[str, Any] | None, tag: str) -> TagEvent | None:
    """The current image of a tag of an ImageStream (JSON data); None when stream, tag or image is absent."""
    for history in ((stream or {}).get("status") or {}).get("tags") or ():
        if history.get("tag") == tag and history.get("items"):
            return TagEvent.model_validate(history["items"][0])
    return None


KIND: Final = Kind(
    resource=IMAGESTREAM,
    singular="imagestream",
    short_names=("is",),
    spec=ImageStreamSpec,
    status=ImageStreamStatus,
    columns=(
        Column("Image Repository", ".status.dockerImageRepository"),
        Column("Tags", ".status.tagNames"),
        Column("Updated", ".status.updated", type="date"),
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status", priority=1),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
    ),
    conditions=(
        ConditionType(
            Condition.READY,
            "A tag has an image.",
            (Reason.RECONCILED, Reason.NO_IMAGES, Reason.HISTORY_UNREADABLE, Reason.RECONCILE_FAILED),
        ),
        ConditionType(
            Condition.TOO_MANY_TAGS,
            "Builds pushed tags for which the history has no room (absent when not).",
            (Reason.TAG_LIMIT,),
        ),
    ),
    example="""\
apiVersion: paas.dev/v1
kind: ImageStream
metadata:
  name: shop
spec: {}
""",
)
