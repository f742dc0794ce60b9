"""Cached reads of the watched resources.

kopf's watches feed it; a LIST at resync replaces what a broken watch may have missed. Readers get the
stored objects themselves and must not change them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from paas.api.resources import Key, Manifest, Resource


class View:
    """Objects by resource and key. Single-threaded: only the event loop touches it."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[str, dict[str, Manifest]]] = defaultdict(lambda: defaultdict(dict))
        self._by_owner: dict[tuple[Resource, str], dict[Key, Manifest]] = defaultdict(dict)
        self._gone: dict[tuple[Resource, Key], int] = {}
        self._changed = asyncio.Event()

    def get(self, resource: Resource, key: Key) -> Manifest | None:
        return self._objects[resource][key.namespace].get(key.name)

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label: tuple[str, str] | None = None,
        owner_uid: str | None = None,
    ) -> list[Manifest]:
        """Objects sorted by namespace and name; `label` is one (name, value) that they must have."""
        found: Iterable[Manifest]
        if owner_uid is not None:
            found = self._by_owner[resource, owner_uid].values()
        elif namespace is not None:
            found = self._objects[resource][namespace].values()
        else:
            found = (obj for objects in self._objects[resource].values() for obj in objects.values())
        chosen = [
            obj
            for obj in found
            if (namespace is None or obj["metadata"].get("namespace") == namespace)
            and (label is None or (obj["metadata"].get("labels") or {}).get(label[0]) == label[1])
        ]
        return sorted(
            chosen, key=lambda obj: (obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
        )

    def put(self, resource: Resource, body: Mapping[str, Any]) -> Manifest | None:
        """Store an object unless a newer version of it is known; returns what is now stored.

        Events of one watch come in order, but a live read can be ahead of them: without the
        comparison an event in flight would take the view back in time.
        """
        obj = _trimmed(resource, body)
        key = _key(obj)
        version = version_of(obj)
        if version <= self._gone.get((resource, key), 0):
            return None
        known = self.get(resource, key)
        if known is not None and version_of(known) >= version:
            return known
        if known is not None:
            self._unlink(resource, key, known)
        self._objects[resource][key.namespace][key.name] = obj
        for uid in _owners(obj):
            self._by_owner[resource, uid][key] = obj
        self._notify()
        return obj

    def remove(self, resource: Resource, body: Mapping[str, Any]) -> None:
        """Forget an object that was deleted; an event of it still in flight cannot bring it back."""
        obj = _trimmed(resource, body)
        key, version = _key(obj), version_of(obj)
        known = self.get(resource, key)
        if known is not None and known["metadata"]["uid"] == obj["metadata"]["uid"]:
            self._unlink(resource, key, known)
            del self._objects[resource][key.namespace][key.name]
            version = max(version, version_of(known))
        self._gone[resource, key] = max(version, self._gone.get((resource, key), 0))
        if len(self._gone) > 10_000:
            for stale in list(self._gone)[:5_000]:
                del self._gone[stale]
        self._notify()

    def replace(self, resource: Resource, objects: Iterable[Manifest], *, version: int) -> set[Key]:
        """Take over a complete LIST made at `version`; the keys of objects that this changed."""
        changed: set[Key] = set()
        listed: set[Key] = set()
        for body in objects:
            key = _key(body)
            listed.add(key)
            before = self.get(resource, key)
            if self.put(resource, body) is not before:
                changed.add(key)
        for obj in self.list(resource):
            if _key(obj) not in listed and version_of(obj) <= version:
                changed.add(_key(obj))
                self.remove(resource, obj)
        return changed

    def has_seen(self, resource: Resource, key: Key, version: int) -> bool:
        """Whether the view is at least as new as a write that answered with `version`."""
        known = self.get(resource, key)
        if known is not None and version_of(known) >= version:
            return True
        return self._gone.get((resource, key), 0) >= version

    async def wait_seen(self, writes: Iterable[tuple[Resource, Key, int]], *, seconds: float) -> bool:
        """Wait until all these writes are seen; False when that takes longer than `seconds`."""
        wanted = list(writes)
        try:
            async with asyncio.timeout(seconds):
                while not all(self.has_seen(*write) for write in wanted):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _unlink(self, resource: Resource, key: Key, obj: Manifest) -> None:
        for uid in _owners(obj):
            children = self._by_owner[resource, uid]
            children.pop(key, None)
            if not children:
                del self._by_owner[resource, uid]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def version_of(obj: Mapping[str, Any]) -> int:
    """resourceVersion as a number: comparable within a resource (documented since Kubernetes 1.35)."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def _key(obj: Mapping[str, Any]) -> Key:
    return Key(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def _owners(obj: Mapping[str, Any]) -> list[str]:
    return [ref["uid"] for ref in obj["metadata"].get("ownerReferences") or () if ref.get("controller")]


def _trimmed(resource: Resource, body: Mapping[str, Any]) -> Manifest:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
