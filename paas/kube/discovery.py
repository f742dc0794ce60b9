"""Asks an API server what it serves, and keeps the answer in the user's cache folder for a few minutes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from paas.api.resources import Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.mapper import Mapper, Served, UnknownKind, of_aggregated, of_lists

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
KEPT: Final = 600.0
"""Seconds that an answer is kept."""


async def discover(cluster: Cluster, *, again: bool = False) -> Mapper:
    """What the cluster serves; with `again` also if an answer is kept. Raises ApiError and the like."""
    path = _cache_file(cluster.host)
    kept = None if again else _read(path)
    if kept is None:
        kept = await _ask(cluster)
        _write(path, kept)
    return Mapper(kept)


async def find(cluster: Cluster, *words: str) -> list[Served]:
    """The kinds that the words mean. A word that is new since the answer was kept is asked for again.

    Raises UnknownKind.
    """
    mapper = await discover(cluster)
    try:
        return [mapper.find(word) for word in words]
    except UnknownKind:
        mapper = await discover(cluster, again=True)
        return [mapper.find(word) for word in words]


async def _ask(cluster: Cluster) -> list[Served]:
    core = await cluster.request("GET", "/api", accept=AGGREGATED)
    groups = await cluster.request("GET", "/apis", accept=AGGREGATED)
    if core.get("kind") == groups.get("kind") == "APIGroupDiscoveryList":
        return list(of_aggregated(core, groups))
    lists = [await cluster.request("GET", "/api/v1")]
    for group in groups["groups"]:
        preferred = group["preferredVersion"]["groupVersion"]
        others = [each["groupVersion"] for each in group["versions"] if each["groupVersion"] != preferred]
        for group_version in (preferred, *others):
            try:
                lists.append(await cluster.request("GET", f"/apis/{group_version}"))
            except ApiError:
                continue  # the server of an aggregated API does not answer; the others do
    return list(of_lists(lists))


def _cache_file(host: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(home) if home else Path.home() / ".cache") / "paas"
    return folder / f"discovery-{hashlib.sha256(host.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> list[Served] | None:
    """The kept answer, or None when there is none, it is too old, or another version of us wrote it."""
    try:
        if not 0 <= time.time() - path.stat().st_mtime < KEPT:
            return None
        return [
            Served(
                Resource(**each["resource"]),
                each["singular"], tuple(each["short_names"]), tuple(each["verbs"]),
            )
            for each in json.loads(path.read_text())
        ]  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, served: Sequence[Served]) -> None:
    """Keep the answer. A folder that cannot be written only costs the next command."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            json.dump([asdict(each) for each in served], file)
        os.replace(name, path)
    except OSError:
        return
