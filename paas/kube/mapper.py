"""Which kind a word means on a cluster, by what its API server says that it serves (`kube.discovery`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from paas.api.names import GROUP
from paas.api.resources import Resource


@dataclass(frozen=True)
class Served:
    """A resource that the API server serves, with the words for it (in lower case)."""

    resource: Resource
    singular: str
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    def words(self) -> tuple[str, ...]:
        """Plural first."""
        return tuple(dict.fromkeys((self.resource.plural, self.singular, *self.short_names)))

    def can(self, verb: str) -> bool:
        return verb in self.verbs


class UnknownKind(Exception):
    """The cluster serves no kind of this name; `close` are words that look like it."""

    def __init__(self, word: str, close: Sequence[str]) -> None:
        super().__init__(word)
        self.word, self.close = word, tuple(close)


class Mapper:
    """Finds a kind by plural, singular, kind or short name, with its group behind a dot or without."""

    def __init__(self, served: Iterable[Served]) -> None:
        self.served = tuple(served)

    def find(self, word: str) -> Served:
        """What `deploy`, `Deployment`, `deployments.apps` or `deployments.v1.apps` mean. Raises UnknownKind.

        Of several with the name ours comes first, then the order of the API server.
        """
        name, _, where = word.lower().partition(".")
        candidates = [each for each in self.served if not where or _is_of(each.resource, where)]
        candidates.sort(key=lambda each: each.resource.group != GROUP)
        for matches in (
            lambda each: each.resource.plural == name,
            lambda each: name in (each.singular, each.resource.kind.lower()),
            lambda each: name in each.short_names,
        ):
            found = next((each for each in candidates if matches(each)), None)
            if found is not None:
                return found
        words = {w for each in self.served for w in (each.resource.plural, each.singular)}
        raise UnknownKind(word, get_close_matches(name, sorted(words), n=3, cutoff=0.75))


def _is_of(resource: Resource, where: str) -> bool:
    """Whether `apps`, `v1.apps` or the beginning of a group (`networking` of networking.k8s.io) fit."""
    exact = (resource.group, f"{resource.version}.{resource.group}", resource.version)
    return where in exact or resource.group.startswith(where + ".")


def of_aggregated(*answers: Mapping[str, Any]) -> Iterator[Served]:
    """The resources in APIGroupDiscoveryLists, each in the version that its group prefers."""
    for answer in answers:
        for group in answer["items"]:
            seen: set[str] = set()
            for version in group.get("versions") or ():
                for each in version.get("resources") or ():
                    if each["resource"] not in seen and each.get("responseKind"):
                        seen.add(each["resource"])
                        yield _served(
                            (group["metadata"].get("name") or "", version["version"]),
                            each["responseKind"]["kind"], each["resource"], each["scope"] == "Namespaced",
                            each.get("singularResource"), each.get("shortNames"), each.get("verbs"),
                        )  # fmt: skip


def of_lists(lists: Iterable[Mapping[str, Any]]) -> Iterator[Served]:
    """The resources in APIResourceLists, preferred versions first."""
    seen: set[tuple[str, str]] = set()
    for answer in lists:
        group, _, version = answer["groupVersion"].rpartition("/")
        for each in answer["resources"]:
            if "/" not in each["name"] and (group, each["name"]) not in seen:
                seen.add((group, each["name"]))
                yield _served(
                    (group, version), each["kind"], each["name"], each["namespaced"],
                    each.get("singularName"), each.get("shortNames"), each.get("verbs"),
                )  # fmt: skip


def _served(
    where: tuple[str, str],
    kind: str,
    plural: str,
    namespaced: bool,
    singular: str | None,
    short_names: Iterable[str] | None,
    verbs: Iterable[str] | None,
) -> Served:
    resource = Resource(*where, kind, plural, namespaced)
    return Served(resource, singular or kind.lower(), tuple(short_names or ()), tuple(verbs or ()))
