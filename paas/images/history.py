"""The history of a tag: completed Builds are merged into it, newest first, and never taken out.

The rules of adding are OpenShift's: the same image as the current one updates the current item in place,
another image becomes the new current one. Which of two Builds is newer: of one BuildConfig, the one with
the higher number; of two BuildConfigs that feed the same tag, the one that completed later. So a build that
was overtaken never moves a tag back, and merging the same Builds again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from paas.api.image import HISTORY_LIMIT, TAG_LIMIT, TagEvent, TagHistory
from paas.registry.reference import DEFAULT_TAG, is_digest, target

ITEMS_PER_STREAM = 1000
"""Items of all tags together: a stream must stay well below the size that etcd takes (1.5 MiB)."""


@dataclass(frozen=True)
class Output:
    """What a completed Build has to say to a stream's history."""

    tag: str
    image: str
    build: str
    build_config_uid: str
    number: int
    completed: str
    """RFC 3339, UTC, whole seconds: such texts compare like the times they say."""
    commit: str
    cause: str
    reference: str = ""
    """The image by digest, at the address that the Build was told of; empty when it does not say."""


def output(build: Mapping[str, Any]) -> Output | None:
    """What a Build brings, when it is Complete with a digest; else None."""
    spec, status = build.get("spec") or {}, build.get("status") or {}
    to = target(build)
    image = str(((status.get("output") or {}).get("to") or {}).get("imageDigest") or "")
    completed = _utc(str(status.get("completionTimestamp") or build["metadata"].get("creationTimestamp")))
    if to is None or completed is None or status.get("phase") != "Complete" or not is_digest(image):
        return None
    revision = (spec.get("revision") or {}).get("git") or {}
    reference = str(status.get("outputDockerImageReference") or "")
    return Output(
        tag=to.tag or DEFAULT_TAG,
        image=image,
        build=build["metadata"]["name"],
        build_config_uid=str(spec.get("buildConfigUid") or ""),
        number=int(spec.get("number") or 0),
        completed=completed,
        # a build of an external branch's head learns its commit while fetching
        commit=str(status.get("commit") or revision.get("commit") or ""),
        cause=str((spec.get("trigger") or {}).get("type") or ""),
        reference=reference if reference.endswith(f"@{image}") else "",
    )


def merge(
    tags: Iterable[TagHistory], builds: Iterable[Mapping[str, Any]], *, repository: str, generation: int
) -> tuple[TagHistory, ...]:
    """The tags' histories, sorted by tag, after these Builds; `repository` is the stream's pull address, for
    Builds that do not say where their image is.

    The Builds are those that still exist, in any order; all that were merged before may be among them.
    """
    histories = {history.tag: history.items for history in tags}
    for done in _in_time(found for build in builds if (found := output(build)) is not None):
        if done.tag in histories or len(histories) < TAG_LIMIT:
            histories[done.tag] = _add(
                histories.get(done.tag, ()), done, repository=repository, generation=generation
            )
    limit = min(HISTORY_LIMIT, ITEMS_PER_STREAM // max(1, len(histories)))
    return tuple(TagHistory(tag=tag, items=items[:limit]) for tag, items in sorted(histories.items()))


def left_out(tags: Iterable[TagHistory], builds: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The tags for which there was no room, each with the name of the newest Build that pushed it; `tags` are
    what `merge` made of the same Builds."""
    kept = {history.tag for history in tags}
    done = _in_time(found for build in builds if (found := output(build)) is not None)
    return {each.tag: each.build for each in done if each.tag not in kept}


def _in_time(outputs: Iterable[Output]) -> list[Output]:
    """Sorted by completion, without each Build that ended after one with a higher number.

    They are dropped here, and not only by comparison with the history: the item of the higher number may no
    longer be in the history, which has an end."""
    ordered = sorted(outputs, key=lambda done: (done.completed, done.build_config_uid, done.number))
    highest: dict[tuple[str, str], int] = {}
    kept = []
    for done in ordered:
        feed = (done.tag, done.build_config_uid)
        if done.number > highest.get(feed, 0):
            highest[feed] = done.number
            kept.append(done)
    return kept


def _add(
    items: tuple[TagEvent, ...], done: Output, *, repository: str, generation: int
) -> tuple[TagEvent, ...]:
    same = [item.build_number for item in items if item.build_config_uid == done.build_config_uid]
    if same and done.number <= max(same):
        return items  # merged already, or overtaken by a later build of the same BuildConfig
    top = items[0] if items else None
    # Of two BuildConfigs the later completion wins. Equal seconds are decided by the UID, so that the same
    # two Builds never change places.
    uid = done.build_config_uid
    overtaken = top is not None and (done.completed, uid) < (top.created, top.build_config_uid)
    if top is not None and uid != top.build_config_uid and overtaken:
        return items
    event = TagEvent(
        created=done.completed if top is None else max(done.completed, top.created),
        docker_image_reference=done.reference or f"{repository}@{done.image}",
        image=done.image,
        generation=generation,
        build=done.build,
        build_config_uid=done.build_config_uid,
        build_number=done.number,
        commit=done.commit,
        cause=done.cause,
    )
    if top is not None and top.image == done.image:
        return (event, *items[1:])
    return (event, *items)


def _utc(text: str) -> str | None:
    """The same moment in the one form whose texts compare like times; None when it says none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
