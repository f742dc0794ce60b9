"""Which images in the registry somebody needs, and which may go. Pure.

Kept is what is mentioned: a digest, or the tag that a build pushed, anywhere in a Build, an ImageStream's
tags and history, a revision, a workload, a Job or a pod of any namespace, whoever made it. So an image that a
person uses by hand is kept as well, and a new field of a kind is never forgotten. Cached layers are kept for
streams that exist, for as long as builds take them. The platform's own images are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from paas.api.project import is_project
from paas.api.resources import Manifest
from paas.registry.reference import target
from paas.registry.repositories import CACHE, CACHE_HOURS, repositories_of
from paas.registry.token import PLATFORM_IMAGES

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_UID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ABOUT: Final = re.compile(r"sha256-([0-9a-f]{64})\..+")
"""Tag of what is said about an image, such as its signature."""


@dataclass(frozen=True)
class Stored:
    """One manifest in one repository, and its tags."""

    repository: str
    digest: str
    tags: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """Digests of the manifests that it is a list of."""
    about: str | None = None
    """Digest of the manifest that it says something about."""
    broken: bool = False
    """The manifest is not there, or is not what its digest says: nobody can pull it."""
    made: datetime | None = None
    """When a cached layer was made; None: that is not known."""

    @property
    def key(self) -> tuple[str, str]:
        return self.repository, self.digest


@dataclass(frozen=True)
class Needed:
    """What is mentioned, and the repositories of caches that builds use."""

    digests: frozenset[str]
    tags: frozenset[str]
    caches: frozenset[str]


def needed(
    objects: Iterable[Manifest],
    *,
    namespaces: Iterable[Manifest],
    streams: Iterable[Manifest],
    builds: Iterable[Manifest],
) -> Needed:
    """What these objects need; `builds` are BuildConfigs and Builds, and all are in `objects` too."""
    digests: set[str] = set()
    tags: set[str] = set()
    for text in (text for obj in objects for text in _texts(obj)):
        digests.update(_DIGEST.findall(text))
        tags.update(_UID.findall(text))
    builds = list(builds)
    tags.update(str(build["metadata"].get("uid")) for build in builds)
    fed = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in streams}
    fed |= {(b["metadata"]["namespace"], to.stream) for b in builds if (to := target(b)) is not None}
    caches = set()
    for namespace in namespaces:
        # Caches are bound to the UID whenever the project was made.
        own = repositories_of(namespace, by_name_until="") if is_project(namespace) else None
        name = namespace["metadata"]["name"]
        caches |= {own.cache(stream) for project, stream in fed if own is not None and project == name}
    return Needed(frozenset(digests), frozenset(tags), frozenset(caches))


def unneeded(stored: Iterable[Stored], need: Needed, *, now: datetime) -> list[Stored]:
    """The manifests that may go."""
    left = [image for image in stored if not image.repository.startswith(f"{PLATFORM_IMAGES}/")]
    # What stays when an image stays: its parts, and what is about it. Each is looked at once, since whoever
    # may push can make chains of thousands.
    stays: dict[tuple[str, str], list[tuple[str, str]]] = {image.key: [] for image in left}
    for image in left:
        stays[image.key] += [(image.repository, digest) for digest in image.names]
        for subject in _subjects(image):
            stays.setdefault(subject, []).append(image.key)
    waiting = [image.key for image in left if _kept(image, need, now)]
    kept: set[tuple[str, str]] = set()
    while waiting:
        key = waiting.pop()
        if key not in kept:
            kept.add(key)
            waiting += stays.get(key, ())
    return [image for image in left if image.key not in kept]


def _kept(image: Stored, need: Needed, now: datetime) -> bool:
    if image.digest in need.digests or not image.tags.isdisjoint(need.tags):
        return True
    fresh = image.made is None or now - image.made < timedelta(hours=CACHE_HOURS)
    return image.repository in need.caches and fresh


def _subjects(image: Stored) -> set[tuple[str, str]]:
    """What the image is about: it stays as long as that."""
    about = {f"sha256:{found[1]}" for tag in image.tags if (found := _ABOUT.fullmatch(tag))}
    about |= {image.about} if image.about else set()
    return {(image.repository, digest) for digest in about}


def is_cache(repository: str) -> bool:
    """Whether this is a repository of cached layers; a stream may have that name, too."""
    return repository.rpartition("/")[2] == CACHE


def _texts(value: Any) -> Iterator[str]:
    """Every text in an object, keys of maps as well."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list):
            waiting += found
