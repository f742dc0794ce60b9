"""Metadata of children: owner references, names that fit, and when a child must be applied again.

A child is applied when the hash of what is desired differs from the one noted on it, or when the live
object no longer covers what is desired (somebody changed it). Values that the API server fills in or
writes in another form (defaults, quantities, empty values) are covered, so they cause no loop.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from paas.api import names
from paas.api.resources import Manifest
from paas.reconcile.plan import Apply, Create

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$")
_SUFFIX = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def short_hash(text: str, *, length: int = 10) -> str:
    """Lower-case hex, for names that must stay apart when their readable part is cut."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def fit(name: str, limit: int = 63) -> str:
    """`name`, or when longer than `limit`, its beginning and a hash of the whole."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9].rstrip('-.')}-{short_hash(name, length=8)}"


def owner_reference(owner: Manifest) -> Manifest:
    """A controlling owner reference to `owner`, by which the garbage collector deletes the child."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned_by(child: Mapping[str, Any], owner_uid: str) -> bool:
    """Whether the child's controlling owner is this one: only then may it be touched."""
    return any(
        ref.get("controller") and ref.get("uid") == owner_uid
        for ref in child["metadata"].get("ownerReferences") or ()
    )


def labels(*, part_of: str | None, **more: str) -> dict[str, str]:
    """Labels of every child; `more` uses the names of `api.names` constants' values as keys."""
    common = {names.LABEL_MANAGED_BY: names.MANAGED_BY}
    if part_of:
        common[names.LABEL_PART_OF] = part_of
    return common | more


def part_of(owner: Mapping[str, Any]) -> str:
    """The application of an object: its part-of label, else its own name."""
    own_labels = owner["metadata"].get("labels") or {}
    return str(own_labels.get(names.LABEL_PART_OF) or owner["metadata"]["name"])


def desired(manifest: Manifest) -> Manifest:
    """The manifest with the hash of itself noted on it, as `Apply` wants it."""
    digest = short_hash(json.dumps(manifest, sort_keys=True, separators=(",", ":")), length=16)
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), names.ANNOTATION_DESIRED: digest}
    return {**manifest, "metadata": metadata}


def apply_if_needed(manifest: Manifest, live: Mapping[str, Any] | None) -> Apply | None:
    """The Apply that brings `live` (None: absent) to `manifest`, or None when it is there already."""
    wanted = desired(manifest)
    if live is None:
        return Apply(wanted)
    noted = (live["metadata"].get("annotations") or {}).get(names.ANNOTATION_DESIRED)
    if noted == wanted["metadata"]["annotations"][names.ANNOTATION_DESIRED] and covers(live, wanted):
        return None
    return Apply(wanted, uid=live["metadata"]["uid"])


def create(manifest: Manifest, *, owner: Manifest) -> Create:
    """A Create of `manifest` with a controlling reference to `owner`."""
    metadata = {**manifest["metadata"], "ownerReferences": [owner_reference(owner)]}
    return Create({**manifest, "metadata": metadata}, owner_uid=owner["metadata"]["uid"])


def covers(live: Any, wanted: Any) -> bool:
    """Whether `live` says all that `wanted` says, whatever else it says."""
    if wanted is None or wanted == {}:
        return True  # nothing is claimed
    if _empty(wanted):
        return _empty(live)  # the API server drops empty values, and zero is only equal to itself
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            covers(live.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and _list_covers(live, wanted)
    if live == wanted:
        return True
    return _quantity(live) is not None and _quantity(live) == _quantity(wanted)


def _list_covers(live: list[Any], wanted: list[Any]) -> bool:
    if wanted and all(isinstance(item, Mapping) and "name" in item for item in wanted):
        named: dict[str, list[Any]] = {}
        for item in live:
            if isinstance(item, Mapping):
                named.setdefault(str(item.get("name")), []).append(item)
        return all(any(covers(other, item) for other in named.get(str(item["name"]), ())) for item in wanted)
    return len(live) == len(wanted) and all(covers(a, b) for a, b in zip(live, wanted, strict=True))


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == {} or value == [] or value is False or value == 0


def _quantity(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    match = _QUANTITY.match(str(value))
    if match is None:
        return None
    number, suffix = match.group(1), match.group(2) or ""
    try:
        if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix not in _SUFFIX:
            return Decimal(number + suffix)
        return Decimal(number) * _SUFFIX[suffix]
    except InvalidOperation:
        return None
