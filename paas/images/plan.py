"""The decision about one ImageStream: which completed Builds its tags have yet to learn of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from paas.api.image import KIND, ImageStreamStatus, TagHistory
from paas.api.names import Condition, Reason
from paas.api.resources import IMAGESTREAM, Manifest, key_of
from paas.images.history import merge
from paas.reconcile.conditions import Wanted
from paas.reconcile.plan import Event, Plan
from paas.reconcile.status import Blocker, ConditionTable, generation_of
from paas.registry.reference import stream_repository
from paas.settings import Settings

TABLE: Final = ConditionTable(KIND)


@dataclass(frozen=True)
class Observed:
    """The stream, and all Builds of its project that feed it, in any phase."""

    stream: Manifest
    builds: tuple[Manifest, ...] = ()


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """Merge what is new; write the status only when it differs; tell of each tag that moved."""
    stream = observed.stream
    metadata = stream["metadata"]
    key, generation = key_of(stream), generation_of(stream)
    stored = _stored(stream)
    repository = f"{settings.registry_pull}/{stream_repository(key.namespace, key.name)}"
    tags = merge(stored.tags, observed.builds, repository=repository, generation=generation)
    status = ImageStreamStatus(
        observed_generation=generation,
        docker_image_repository=repository,
        tags=tags,
        tag_names=_names(tags),
        updated=max((history.items[0].created for history in tags if history.items), default=None),
    ).dump()
    status["conditions"] = TABLE.conditions(stream, _conditions(tags, repository), now=now)
    actions = TABLE.write(stream, status)
    if not actions:
        return Plan()
    before = {history.tag: history for history in stored.tags}
    for history in tags:
        known = before.get(history.tag)
        top = history.items[0] if history.items else None
        if top is not None and (known is None or not known.items or known.items[0].image != top.image):
            actions.append(
                Event(
                    IMAGESTREAM,
                    key,
                    metadata["uid"],
                    Reason.TAG_UPDATED,
                    f"{history.tag} is now {top.image} ({top.build})",
                )
            )
    return Plan.of(actions)


def _stored(stream: Manifest) -> ImageStreamStatus:
    try:
        return ImageStreamStatus.model_validate(stream.get("status") or {})
    except ValidationError:
        # The schema guards the status; one that nevertheless cannot be read is made again from the Builds.
        return ImageStreamStatus()


def _names(tags: tuple[TagHistory, ...]) -> str:
    text = ",".join(history.tag for history in tags)
    return text if len(text) <= 1024 else f"{text[:1020]}..."


def _conditions(tags: tuple[TagHistory, ...], repository: str) -> list[Wanted]:
    current = [history for history in tags if history.items]
    blocker = None
    if not current:
        text = (
            f"no build has pushed to {repository} yet; push a commit, or run `paas start-build` to make one"
        )
        blocker = Blocker(Reason.NO_IMAGES, text, stalled=False)
    names = ", ".join(f"{history.tag} from {history.items[0].build}" for history in current[:5])
    more = f" and {len(current) - 5} more" if len(current) > 5 else ""
    return TABLE.summarised(
        blocker, Wanted(Condition.READY, "True", Reason.RECONCILED, f"holds {names}{more}")
    )
