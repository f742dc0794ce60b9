"""Asks an API server what it serves, and keeps the answer in the user's cache folder for a few minutes."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import Any, Final

from paas.api.resources import Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError
from paas.kube.mapper import Mapper, Served, UnknownKind, of_aggregated, of_lists
from paas.kube.private_cache import NO_WRITE, PrivateCache, cache_folder

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
KEPT: Final = 600.0
"""Seconds that an answer is kept."""


async def discover(cluster: Cluster, *, again: bool = False) -> Mapper:
    """What the cluster serves; with `again` also if an answer is kept. Raises ApiError and the like."""
    name = _cache_name(cluster)
    served = None if again else _kept(name)
    if served is None:
        served = await _ask(cluster)
        _cache().write(name, json.dumps([asdict(each) for each in served]))
    return Mapper(served)


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


def _cache() -> PrivateCache:
    return PrivateCache(cache_folder(os.environ), NO_WRITE)


def _cache_name(cluster: Cluster) -> str:
    """Of this cluster and this user: another CA behind the same address is another cluster."""
    about = json.dumps([cluster.host, cluster.ca, cluster.user])
    return f"discovery-{hashlib.sha256(about.encode()).hexdigest()[:32]}.json"


def _kept(name: str) -> list[Served] | None:
    """The kept answer, or None when there is none, it is too old, or another version of us wrote it."""
    text = _cache().read(name, seconds=KEPT)
    try:
        return [_served(each) for each in json.loads(text)] if text else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _served(data: Any) -> Served:
    """One of the kept answer. Raises TypeError, KeyError when it is damaged."""
    resource = Resource(**data["resource"])
    words = (data["singular"], *data["short_names"], *data["verbs"])
    texts = (resource.group, resource.version, resource.kind, resource.plural, *words)
    if not all(isinstance(text, str) for text in texts) or not isinstance(resource.namespaced, bool):
        raise TypeError("a text is missing")
    return Served(resource, data["singular"], tuple(data["short_names"]), tuple(data["verbs"]))
