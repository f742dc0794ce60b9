"""What the Deployment's pod template has beyond what the revision froze, and whose it is. Pure.

Server-side apply puts back what a revision says, and leaves alone what others have added: a variable of
`kubectl set env`, a sidecar. `additions` finds these by comparing, without what the API server fills in;
`by_manager` tells by managedFields who wrote each. What nobody but us owns is removed, what is somebody's is
named in a condition with the command that removes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paas.api.resources import Manifest

MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
}
"""The fields by which server-side apply tells the items of a list apart. A list that is not here belongs to
one owner as a whole."""
MAPS: Final = frozenset({"labels", "annotations", "limits", "requests"})
"""Whose keys are people's, so that the API server never fills one in."""
DEFAULTS: Final[Mapping[str, Sequence[Any]]] = {
    "creationTimestamp": (None,),
    "restartPolicy": ("Always",),
    "dnsPolicy": ("ClusterFirst",),
    "schedulerName": ("default-scheduler",),
    "securityContext": ({},),
    "terminationGracePeriodSeconds": (30,),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "imagePullPolicy": ("Always", "IfNotPresent"),
    "resources": ({},),
    "protocol": ("TCP",),
    "scheme": ("HTTP",),
    "timeoutSeconds": (1,),
    "periodSeconds": (10,),
    "successThreshold": (1,),
    "failureThreshold": (3,),
    "defaultMode": (420,),
    "apiVersion": ("v1",),
}
"""What the API server fills in, by field. One that is missing here costs a read of managedFields, which know
that nobody wrote it."""

Part = str | tuple[tuple[str, Any], ...]
"""A step of a path: a field, or the merge keys of an item."""


@dataclass(frozen=True)
class Addition:
    """A field, key or item that the revision does not have. `keyed`: an item of a list or a key of a map,
    which is there only because somebody wrote it."""

    path: tuple[Part, ...]
    """From the pod template."""
    pointer: str
    """The same as a JSON pointer into the Deployment."""
    keyed: bool
    managers: tuple[str, ...] = ()
    """Who wrote it, besides us; empty when nobody or not known yet."""

    @property
    def words(self) -> str:
        """`env X of containers web`, for people."""
        named = [_named(part) for part in self.path if part not in ("spec", "metadata")]
        *around, last = _pairs(named)
        return " of ".join([last, *reversed(around)])


def additions(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Addition, ...]:
    """What a Deployment's pod template has and the one that was applied has not, without defaults."""
    found = _of_map(_template(live), _template(wanted), (), "/spec/template", "template")
    return tuple(found)


def by_manager(
    found: Iterable[Addition], managed: Iterable[Mapping[str, Any]], *, ours: str
) -> tuple[Addition, ...]:
    """The additions that another manager owns, with its name, and those items and keys that nobody owns but
    us. A field that nobody owns was filled in."""
    others = [entry for entry in managed if entry.get("manager") != ours and not entry.get("subresource")]
    items: Items = {}
    result = []
    for each in found:
        owners = [str(e.get("manager")) for e in others if _owns(e.get("fieldsV1") or {}, each.path, items)]
        if owners or each.keyed:
            result.append(Addition(each.path, each.pointer, each.keyed, tuple(dict.fromkeys(owners))))
    return tuple(result)


def removal(found: Iterable[Addition]) -> list[Manifest]:
    """The JSON patch that takes these out of the Deployment; the last item of a list first, so that the
    others keep their places."""
    pointers = sorted({each.pointer for each in found}, key=_order, reverse=True)
    return [{"op": "remove", "path": pointer} for pointer in pointers]


def _template(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    template: Mapping[str, Any] = (deployment.get("spec") or {}).get("template") or {}
    return template


def _of_map(
    live: Mapping[str, Any], wanted: Mapping[str, Any], path: tuple[Part, ...], pointer: str, name: str
) -> Iterator[Addition]:
    for key, value in live.items():
        at, to = (*path, key), f"{pointer}/{_escaped(key)}"
        known = wanted.get(key)
        if isinstance(value, list) and key in MERGE_KEYS and _keyed(value, MERGE_KEYS[key]):
            yield from _of_list(value, known if isinstance(known, list) else [], at, to, MERGE_KEYS[key])
        elif isinstance(value, Mapping) and (isinstance(known, Mapping) or key in (*MAPS, "metadata")):
            yield from _of_map(value, known if isinstance(known, Mapping) else {}, at, to, key)
        elif known is None and name in MAPS:
            yield Addition(at, to, keyed=True)
        elif known is None and not _default(key, value, live):
            yield Addition(at, to, keyed=False)


def _of_list(
    live: Sequence[Any], wanted: Sequence[Any], path: tuple[Part, ...], pointer: str, keys: tuple[str, ...]
) -> Iterator[Addition]:
    known = {_key(item, keys): item for item in wanted if isinstance(item, Mapping)}
    for position, item in enumerate(live):
        key = _key(item, keys)
        at, to = (*path, key), f"{pointer}/{position}"
        if key in known:
            yield from _of_map(item, known[key], at, to, "")
        else:
            yield Addition(at, to, keyed=True)


def _keyed(items: Sequence[Any], keys: tuple[str, ...]) -> bool:
    return all(isinstance(item, Mapping) and keys[0] in item for item in items)


def _key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    filled = {"protocol": "TCP", **item}
    return tuple((key, filled.get(key)) for key in keys)


def _default(key: str, value: Any, beside: Mapping[str, Any]) -> bool:
    if key == "serviceAccount":
        return bool(value == beside.get("serviceAccountName"))  # its older name, kept alike
    if key == "type" and value == "":
        return True  # of a hostPath
    return value in (*DEFAULTS.get(key, ()), [], {})


Items = dict[int, dict[tuple[tuple[str, Any], ...], Any]]
"""The items of each list of a field set, by the list's id(): of thousands, each one is looked up."""


def _items(at: Mapping[str, Any], items: Items) -> dict[tuple[tuple[str, Any], ...], Any]:
    if id(at) not in items:
        items[id(at)] = {
            tuple(sorted(json.loads(name[2:]).items())): below
            for name, below in at.items()
            if name.startswith("k:")
        }
    return items[id(at)]


def _owns(fields: Mapping[str, Any], path: tuple[Part, ...], items: Items) -> bool:
    """Whether the field set of a managedFields entry has this path of the pod template."""
    at: Any = ((fields.get("f:spec") or {}).get("f:template")) or {}
    for part in path:
        following = None
        if isinstance(part, str):
            following = at.get(f"f:{part}")
        else:
            following = _items(at, items).get(tuple(sorted(part)))
        if following is None:
            return False
        at = following
    return True


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _order(pointer: str) -> list[tuple[int, int, str]]:
    """By position where it is one, so that item 10 comes after item 9."""
    parts = pointer.split("/")
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _named(part: Part) -> tuple[bool, str]:
    """Whether it names an item, and the words."""
    if isinstance(part, str):
        return False, part
    return True, "/".join(str(value) for _, value in part)


def _pairs(named: Sequence[tuple[bool, str]]) -> list[str]:
    """A list and its item, or a map and its key, as one: `env X`, `container web`."""
    said: list[str] = []
    for position, (item, text) in enumerate(named):
        before = named[position - 1] if position else (True, "")
        if said and not before[0] and (item or before[1] in MAPS):
            said[-1] = f"{_SINGULAR.get(said[-1], said[-1])} {text}"
        else:
            said.append(text)
    return said


_SINGULAR: Final = {
    "containers": "container",
    "initContainers": "init container",
    "volumes": "volume",
    "volumeMounts": "volume mount",
    "ports": "port",
    "env": "variable",
    "labels": "label",
    "annotations": "annotation",
    "limits": "limit",
    "requests": "request",
}
