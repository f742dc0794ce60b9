"""Triggers: whether a new revision is due, of what it consists, and what it waits for.

What triggers look at is always the newest revision, not the one that serves: a revision that failed is
therefore not made again until something changes, and neither is one that a rollback left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from paas.api.deployment import DeploymentConfigSpec, TriggerType
from paas.api.deployment_status import Cause, CauseType
from paas.api.image import TagEvent, TagHistory
from paas.api.resources import Manifest
from paas.deployments import template
from paas.deployments.revision import ResolvedImage, Revision, RevisionData


@dataclass(frozen=True)
class ImageTrigger:
    """One container that one ImageChange trigger covers."""

    container: str
    tag: str
    automatic: bool
    namespace: str | None

    @property
    def stream(self) -> str:
        return self.tag.partition(":")[0]


@dataclass(frozen=True)
class Due:
    """A revision is to be made of this."""

    data: RevisionData
    same_template: bool
    """Only images differ from the revision before."""


@dataclass(frozen=True)
class Waiting:
    """A revision is due, but these stream tags have no image yet. `by_hand`: they have one, but the
    trigger is not automatic, so that only a person's request resolves it."""

    tags: tuple[str, ...]
    by_hand: bool = False


@dataclass(frozen=True)
class Idle:
    """Nothing is due. `never`: there is no revision, and no trigger will make the first one."""

    never: bool = False


Verdict = Due | Waiting | Idle


def image_triggers(spec: DeploymentConfigSpec) -> tuple[ImageTrigger, ...]:
    """Every container that an image trigger covers."""
    return tuple(
        ImageTrigger(
            container=container,
            tag=params.from_.name,
            automatic=params.automatic,
            namespace=params.from_.namespace,
        )
        for trigger in spec.triggers
        if (params := trigger.image_change_params) is not None and trigger.type == TriggerType.IMAGE_CHANGE
        for container in params.container_names
    )


def covered(spec: DeploymentConfigSpec) -> frozenset[str]:
    """Containers whose image in the spec does not count."""
    return frozenset(trigger.container for trigger in image_triggers(spec))


def on_config_change(spec: DeploymentConfigSpec) -> bool:
    return any(trigger.type == TriggerType.CONFIG_CHANGE for trigger in spec.triggers)


def problem(spec: DeploymentConfigSpec, pods: Manifest, *, namespace: str) -> str | None:
    """What the schema cannot refuse about triggers and images, or None."""
    known = [str(container["name"]) for container in template.containers(pods)]
    seen: set[str] = set()
    for trigger in image_triggers(spec):
        if trigger.namespace not in (None, namespace):
            return (
                f"the image trigger of {trigger.tag} names namespace {trigger.namespace}; streams of other"
                f" namespaces are not supported yet: remove the namespace, or use {namespace}"
            )
        if trigger.container not in known:
            return (
                f"the image trigger of {trigger.tag} names container {trigger.container}, which the template"
                f" does not have (it has: {', '.join(known) or 'none'}); correct containerNames"
            )
        if trigger.container in seen:
            return f"two image triggers set the image of container {trigger.container}; remove one of them"
        seen.add(trigger.container)
    for container in template.containers(pods):
        # The API server accepts a blank image in a pod template; its pods would never start.
        if container["name"] not in seen and not str(container.get("image") or "").strip():
            return (
                f"container {container['name']} has no image, and no image trigger sets it;"
                " write one, or add an ImageChange trigger with its name in containerNames"
            )
    return None


Images = Mapping[str, tuple[TagEvent, ...]]
"""The images of tags, newest first, by `<stream>:<tag>`."""


def images(spec: DeploymentConfigSpec, streams: Mapping[str, Manifest]) -> Images:
    """The images of all tags that triggers name; none for a stream or tag that is absent or unreadable."""
    return {
        trigger.tag: _of_tag(streams.get(trigger.stream), trigger.tag) for trigger in image_triggers(spec)
    }


def _of_tag(stream: Manifest | None, name: str) -> tuple[TagEvent, ...]:
    status = (stream or {}).get("status") or {}
    for tag in status.get("tags") or ():
        if tag.get("tag") == name.partition(":")[2]:
            try:
                return tuple(TagHistory.model_validate(tag).items)
            except ValidationError:
                return ()
    return ()


def due(
    spec: DeploymentConfigSpec,
    pods: Manifest,
    *,
    images: Images,
    newest: Revision | None,
) -> Verdict:
    """Whether a revision is to be made after `newest`; `pods` is spec.template as it was written."""
    request = spec.rollout.latest if spec.rollout else None
    manual = request is not None and (newest is None or request != newest.data.request)
    same = newest is not None and (
        template.comparable(pods, covered(spec)) == template.comparable(newest.data.template, covered(spec))
    )
    causes = [Cause(type=CauseType.MANUAL, message="asked for by hand")] if manual else []
    if on_config_change(spec) and not same:
        text = "the first revision" if newest is None else "the pod template was edited"
        causes.append(Cause(type=CauseType.CONFIG_CHANGE, message=text))

    chosen: list[ResolvedImage] = []
    missing: list[str] = []
    by_hand = True
    for trigger in image_triggers(spec):
        known = newest.image_of(trigger.container, trigger.tag) if newest else None
        current = _resolved(trigger, images.get(trigger.tag, ()))
        before = known or _running(newest, trigger)
        if trigger.automatic and current is not None and (before is None or before.image != current.image):
            causes.append(_image_cause(trigger, before, current))
        taken = current if current is not None and (trigger.automatic or manual) else None
        taken = taken or known
        if taken is None:
            missing.append(trigger.tag)
            by_hand = by_hand and current is not None
        else:
            chosen.append(taken)
    if not causes and (newest is not None or not any(trigger.automatic for trigger in image_triggers(spec))):
        return Idle(never=newest is None)
    if missing:
        return Waiting(tuple(dict.fromkeys(missing)), by_hand=by_hand)
    frozen = template.with_images(
        template.normal(pods), {image.container: image.reference for image in chosen}
    )
    data = RevisionData(
        template=frozen,
        images=chosen,
        causes=causes,
        request=request if manual or newest is None else newest.data.request,
    )
    return Due(data, same_template=same)


def _resolved(trigger: ImageTrigger, items: tuple[TagEvent, ...]) -> ResolvedImage | None:
    if not items:
        return None
    item = items[0]
    return ResolvedImage(
        container=trigger.container,
        tag=trigger.tag,
        image=item.image,
        reference=item.docker_image_reference,
        build=item.build or None,
        build_number=item.build_number or None,
        build_config_uid=item.build_config_uid or None,
        commit=item.commit or None,
        cause=item.cause or None,
    )


def _running(newest: Revision | None, trigger: ImageTrigger) -> ResolvedImage | None:
    """The image that the newest revision gave the container without this trigger, if it is by digest:
    a trigger added for an image that is already there rolls out nothing."""
    reference = template.images(newest.data.template).get(trigger.container, "") if newest else ""
    _, at, digest = reference.partition("@")
    if not at:
        return None
    return ResolvedImage(container=trigger.container, tag=trigger.tag, image=digest, reference=reference)


def _image_cause(trigger: ImageTrigger, before: ResolvedImage | None, current: ResolvedImage) -> Cause:
    by = f" by Build {current.build}" if current.build else ""
    return Cause(
        type=CauseType.IMAGE_CHANGE,
        message=f"{trigger.tag} has a new image{by} for container {trigger.container}",
        container=trigger.container,
        from_tag=trigger.tag,
        old_image=before.image if before else None,
        new_image=current.image,
        build=current.build,
        build_number=current.build_number,
        commit=current.commit,
    )
