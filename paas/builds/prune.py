"""Which ended Builds are deleted: those beyond the BuildConfig's limits, oldest first. Pure.

A Build goes only when nothing is lost with it: its trigger is noted in the BuildConfig's status, its image
is in the ImageStream's history or overtaken there, and it is not about to be run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paas.api.build import TERMINAL, Phase
from paas.api.resources import Manifest
from paas.builds.snapshot import phase_of


def to_prune(
    builds: Iterable[Manifest],
    *,
    successful: int | None,
    failed: int | None,
    streams: Mapping[str, Mapping[str, Any]],
    noted: Iterable[str],
    kept: Iterable[str] = (),
) -> list[Manifest]:
    """Builds to delete. `successful` and `failed` are the limits (None: all are kept; failed counts Failed,
    Error and Cancelled), `streams` the ImageStreams by name, `noted` the trigger ids in the BuildConfig's
    status, `kept` names to spare."""
    remembered, spared = set(noted), set(kept)
    ended = sorted(
        (build for build in builds if phase_of(build) in TERMINAL),
        key=lambda build: int(build["spec"]["number"]),
        reverse=True,
    )
    complete = [build for build in ended if phase_of(build) == Phase.COMPLETE]
    others = [build for build in ended if phase_of(build) != Phase.COMPLETE]
    surplus = [build for build in _beyond(complete, successful) if merged(build, streams)]
    surplus += _beyond(others, failed)
    return sorted(
        (
            build
            for build in surplus
            if build["spec"]["trigger"]["id"] in remembered
            and build["metadata"]["name"] not in spared
            and not build["metadata"].get("deletionTimestamp")
        ),
        key=lambda build: int(build["spec"]["number"]),
    )


def _beyond(builds: list[Manifest], limit: int | None) -> list[Manifest]:
    return [] if limit is None else builds[limit:]


def merged(build: Manifest, streams: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the history of the stream that the Build puts its image into has it, or one of the same
    BuildConfig that is later. The BuildConfig may have another output since."""
    name, _, tag = build["spec"]["output"]["to"]["name"].partition(":")
    stream, tag = streams.get(name), tag or "latest"
    if stream is None:
        return False
    number, uid = int(build["spec"]["number"]), build["spec"]["buildConfigUid"]
    for history in (stream.get("status") or {}).get("tags") or ():
        if history.get("tag") == tag:
            return any(
                item.get("buildConfigUid") == uid and int(item.get("buildNumber") or 0) >= number
                for item in history.get("items") or ()
            )
    return False


def pruned_build(config: Manifest, trigger_id: str) -> str | None:
    """Name of the Build that this trigger made, as the BuildConfig remembers it."""
    for record in (config.get("status") or {}).get("triggers") or ():
        if record["id"] == trigger_id:
            return str(record["build"])
    return None
