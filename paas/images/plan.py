"""The decision about one ImageStream: which completed Builds its tags have yet to learn of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.image import KIND, TAG_LIMIT, ImageStreamStatus, TagHistory
from paas.api.names import Condition, Reason
from paas.api.resources import IMAGESTREAM, Manifest, key_of
from paas.images.history import left_out, merge
from paas.reconcile.conditions import Wanted
from paas.reconcile.plan import Event, Plan
from paas.reconcile.status import Blocker, ConditionTable, generation_of
from paas.registry.repositories import Repositories
from paas.settings import Settings

TABLE: Final = ConditionTable(KIND, announced={Condition.TOO_MANY_TAGS: {Reason.TAG_LIMIT}})


@dataclass(frozen=True)
class Observed:
    """The stream, the repositories of its project, and all Builds of that project that feed the stream, in
    any phase."""

    stream: Manifest
    repositories: Repositories
    builds: tuple[Manifest, ...] = ()


def plan(observed: Observed, *, now: datetime, settings: Settings) -> Plan:
    """Merge what is new; write the status only when it differs; tell of each tag that moved."""
    stream = observed.stream
    metadata = stream["metadata"]
    key, generation = key_of(stream), generation_of(stream)
    stored = _stored(stream)
    if isinstance(stored, Blocker):
        return Plan.of(TABLE.failing(stream, stored, now=now))
    repository = f"{settings.registry_pull}/{observed.repositories.images(key.name)}"
    tags = merge(stored.tags, observed.builds, repository=repository, generation=generation)
    status = ImageStreamStatus(
        observed_generation=generation,
        docker_image_repository=repository,
        tags=tags,
        tag_names=_names(tags),
        updated=max((history.items[0].created for history in tags if history.items), default=None),
    ).dump()
    status["conditions"] = TABLE.conditions(
        stream, [*_conditions(tags, repository), *_limited(stream, left_out(tags, observed.builds))], now=now
    )
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


def _stored(stream: Manifest) -> ImageStreamStatus | Blocker:
    """The history. One that cannot be read (a later version of the platform wrote it) is not made again from
    the Builds: they are pruned, so images that revisions need would be forgotten."""
    try:
        return ImageStreamStatus.model_validate(stream.get("status") or {})
    except ValidationError as problem:
        key = key_of(stream)
        reset = '{"status":{"tags":null}}'
        return Blocker(
            Reason.HISTORY_UNREADABLE,
            f"{first_problem(problem, within='status')}; the history is kept as it is, and no build is "
            "added to it. Run the platform's version that wrote it, or forget what is older than the builds "
            f"that exist: kubectl patch is/{key.name} -n {key.namespace} --subresource=status --type=merge "
            f"-p '{reset}'",
        )


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


def _limited(stream: Manifest, dropped: Mapping[str, str]) -> list[Wanted]:
    if not dropped:
        return []
    key = key_of(stream)
    names = ", ".join(f"{tag} from {build}" for tag, build in sorted(dropped.items())[:5])
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    text = (
        f"a stream holds {TAG_LIMIT} tags, so these are not in it and start no rollout: {names}{more}; let "
        f"the BuildConfig push a tag that {key.name} has (kubectl get is/{key.name} -n {key.namespace} -o "
        "yaml), or another ImageStream, by its output.to"
    )
    return [Wanted(Condition.TOO_MANY_TAGS, "True", Reason.TAG_LIMIT, text)]
