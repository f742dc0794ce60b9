"""Held rollback: `spec.rollback` holds a revision while the triggers stay armed.

    spec.rollback ──adopt──▶ status.hold ──source change above the baseline, edited template,
                                │           `rollout latest`──▶ status.released (spec stays as it is)
                                └──spec.rollback removed (unpin)──▶ nothing held

A controller does not write the spec, so a release is recorded in the status: the same request in the spec
no longer holds. A new request differs from it in `requestedAt`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from paas.api.build import SOURCE_CHANGES, TriggerType
from paas.api.deployment import DeploymentConfigSpec, Rollback
from paas.api.deployment_status import Hold, Released
from paas.api.image import TagEvent
from paas.api.resources import Manifest
from paas.deployments import template, triggers
from paas.deployments.revision import Revision
from paas.deployments.triggers import Images
from paas.reconcile.conditions import timestamp


def same_as_hold(rollback: Rollback, hold: Hold | None) -> bool:
    """Whether this request is the one in force."""
    return hold is not None and (hold.revision, hold.baseline, hold.requested_at) == (
        rollback.to_revision,
        rollback.baseline,
        rollback.requested_at,
    )


def is_released(rollback: Rollback, released: Released | None) -> bool:
    """Whether this request has been released and no longer holds."""
    return released is not None and (released.to_revision, released.baseline, released.requested_at) == (
        rollback.to_revision,
        rollback.baseline,
        rollback.requested_at,
    )


def adopt(rollback: Rollback, spec: DeploymentConfigSpec, pods: Manifest, *, now: datetime) -> Hold:
    """The hold that a new request begins, with what it compares against to know its release."""
    return Hold(
        revision=rollback.to_revision,
        baseline=rollback.baseline,
        requested_at=rollback.requested_at,
        since=timestamp(now),
        template=template.fingerprint(pods, triggers.covered(spec)),
        request=spec.rollout.latest if spec.rollout else None,
    )


def release(hold: Hold, *, message: str, now: datetime) -> Released:
    """The end of a hold, as it is recorded."""
    return Released(
        to_revision=hold.revision,
        baseline=hold.baseline,
        requested_at=hold.requested_at,
        message=message,
        at=timestamp(now),
    )


def released_by(
    hold: Hold,
    spec: DeploymentConfigSpec,
    pods: Manifest,
    *,
    images: Images,
    revisions: Collection[Revision],
) -> str | None:
    """What ends the hold, in words, or None while it stands."""
    request = spec.rollout.latest if spec.rollout else None
    if request is not None and request != hold.request:
        return "a rollout of the latest was asked for by hand"
    edited = template.fingerprint(pods, triggers.covered(spec)) != hold.template
    if edited and triggers.on_config_change(spec):
        return "the pod template was edited"
    for trigger in triggers.image_triggers(spec):
        if not trigger.automatic:
            continue
        history = images.get(trigger.tag, ())
        for event in newer(history, trigger, revisions):
            if _brings_source(event, history, revisions) and _after(event, hold.baseline, revisions):
                return f"Build {event.build or event.image} brought new source"
    return None


def _after(event: TagEvent, baseline: int, revisions: Collection[Revision]) -> bool:
    """Whether the image's Build is later than the baseline. Numbers count only within one BuildConfig:
    one that no revision knows was made since, and numbers its Builds from 1 again."""
    known = {image.build_config_uid for revision in revisions for image in revision.data.images}
    return event.build_number > baseline or event.build_config_uid not in known


def _brings_source(event: TagEvent, history: tuple[TagEvent, ...], revisions: Collection[Revision]) -> bool:
    """Whether the image's Build was made because the source changed. The retry of a lost Build does not
    say why that one was made: it brings source when its commit was not there before."""
    if event.cause in SOURCE_CHANGES:
        return True
    if event.cause != TriggerType.RETRY or not event.commit:
        return False
    older = history[history.index(event) + 1 :]
    commits = {item.commit for item in older}
    commits |= {image.commit or "" for revision in revisions for image in revision.data.images}
    return event.commit not in commits


def withheld(spec: DeploymentConfigSpec, *, images: Images, revisions: Collection[Revision]) -> int:
    """How many images the triggers would have rolled out and did not, because of the hold."""
    return sum(
        len(newer(images.get(trigger.tag, ()), trigger, revisions))
        for trigger in triggers.image_triggers(spec)
        if trigger.automatic
    )


def newer(
    items: tuple[TagEvent, ...], trigger: triggers.ImageTrigger, revisions: Collection[Revision]
) -> tuple[TagEvent, ...]:
    """The tag's images that came after the one the newest revision was made with."""
    newest = max(revisions, key=lambda revision: revision.number, default=None)
    known = newest.image_of(trigger.container, trigger.tag) if newest else None
    for position, item in enumerate(items):
        if known is not None and item.image == known.image:
            return items[:position]
    return items


def baseline(spec: DeploymentConfigSpec, *, streams: Mapping[str, Manifest]) -> int:
    """For the writer of `spec.rollback`: the newest Build number in the triggers' tags, 0 when none."""
    images = triggers.images(spec, streams)
    return max((event.build_number for events in images.values() for event in events), default=0)
