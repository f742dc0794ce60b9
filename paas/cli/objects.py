"""The kinds that `get` and `delete` know, and how people name an object: `bc/shop`, `bc shop`, `builds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from paas.api import resources as r
from paas.api.base import Column
from paas.api.resources import Resource
from paas.terminal.naming import APP_WORDS
from paas.terminal.problem import usage


@dataclass(frozen=True)
class Type:
    """A kind with its names on the command line; `words` in lower case."""

    resource: Resource
    words: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def title(self) -> str:
        """`buildconfig`, as messages say it."""
        return self.words[0]


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_CORE: Final = (
    Type(
        r.SERVICE,
        ("service", "services", "svc"),
        (
            Column("Type", ".spec.type"),
            Column("Cluster-IP", ".spec.clusterIP"),
            Column("Port", ".spec.ports[0].port"),
            _AGE,
        ),
    ),
    Type(
        r.POD,
        ("pod", "pods", "po"),
        (
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Status", ".status.phase"),
            Column("Restarts", ".status.containerStatuses[0].restartCount"),
            _AGE,
            Column("Image", ".spec.containers[0].image", priority=1),
            Column("Node", ".spec.nodeName", priority=1),
        ),
    ),
    Type(
        r.DEPLOYMENT,
        ("deployment", "deployments", "deploy"),
        (Column("Ready", ".status.readyReplicas"), Column("Desired", ".spec.replicas"), _AGE),
    ),
    Type(r.JOB, ("job", "jobs"), (Column("Succeeded", ".status.succeeded"), _AGE)),
    Type(
        r.INGRESS,
        ("ingress", "ingresses", "ing"),
        (Column("Class", ".spec.ingressClassName"), Column("Host", ".spec.rules[0].host"), _AGE),
    ),
    Type(
        r.CONTROLLERREVISION,
        ("controllerrevision", "controllerrevisions"),
        (Column("Revision", ".revision"), _AGE),
    ),
    Type(r.CONFIGMAP, ("configmap", "configmaps", "cm"), (_AGE,)),
    Type(r.SECRET, ("secret", "secrets"), (Column("Type", ".type"), _AGE)),
    Type(
        r.EVENT,
        ("event", "events", "ev"),
        (
            Column("Last seen", ".lastTimestamp", "date"),
            Column("Type", ".type"),
            Column("Reason", ".reason"),
            Column("Object", ".involvedObject.name"),
            Column("Message", ".message"),
        ),
    ),
    Type(r.NAMESPACE, ("namespace", "namespaces", "ns"), (Column("Status", ".status.phase"), _AGE)),
)
PROJECT_WORDS: Final = ("project", "projects")


@cache
def types() -> dict[str, Type]:
    """Every word and the Type it names; ours first, in the order in which a push goes through them."""
    from paas.api.kinds import KINDS

    found: dict[str, Type] = {}
    for kind in KINDS:
        words = tuple(dict.fromkeys((kind.singular, kind.resource.plural, *kind.short_names)))
        found |= dict.fromkeys(words, Type(kind.resource, words, kind.columns))
    for type_ in _CORE:
        found |= dict.fromkeys(type_.words, type_)
    return found


def own_types() -> list[Type]:
    """The Types of our five kinds, once each."""
    return list({t.resource: t for t in types().values() if t.resource.group == r.BUILD.group}.values())


def type_of(word: str) -> Type:
    """The Type that a word names (with or without its group). Raises Problem (usage)."""
    lower = word.lower().partition(".")[0]
    try:
        return types()[lower]
    except KeyError:
        known = ", ".join(t.words[-1] for t in own_types())
        raise usage(f'there is no kind "{word}"', hint=f"one of: all, app, {known}, svc, pod, …") from None


@dataclass(frozen=True)
class Named:
    """What a person named: `type` None stands for an application; `name` None for all of them."""

    type: Type | None
    name: str | None


def parse(arguments: Sequence[str]) -> list[Named]:
    """What `get`'s and `delete`'s arguments name: `bc`, `bc,dc`, `bc shop`, `bc/shop dc/shop`, `all`.

    Raises Problem (usage).
    """
    if not arguments:
        return [Named(type_, None) for type_ in own_types()]
    if any("/" in argument for argument in arguments):
        return [_pair(argument) for argument in arguments]
    words, names = arguments[0].split(","), arguments[1:]
    if words == ["all"]:
        if names:
            raise usage("all takes no names", hint=f"paas get app {names[0]}")
        return [Named(type_, None) for type_ in own_types()]
    kinds = [None if word.lower() in APP_WORDS else type_of(word) for word in words if word]
    return [Named(kind, name) for kind in kinds for name in (names or (None,))]


def _pair(argument: str) -> Named:
    word, slash, name = argument.partition("/")
    if not (word and slash and name) or "/" in name:
        raise usage(f'"{argument}" is not KIND/NAME', hint="write bc/shop dc/shop, or bc shop")
    return Named(None if word.lower() in APP_WORDS else type_of(word), name)
