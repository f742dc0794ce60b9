"""Asks the cluster for what was named: the kind, then its table, its objects, or their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from paas.api.resources import Key, Manifest
from paas.cli.objects import OUR_WORDS, Named
from paas.cli.rows import as_table, metadata
from paas.kube import discovery
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Expired, NotFound
from paas.kube.mapper import Served, UnknownKind
from paas.terminal.problem import ExitCode, Problem, not_found, usage

TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PAUSE: Final = 1.0
"""Seconds before a watch that ended is made again, however it ended: an API server that is starting ends
watches at once, or knows no version yet."""


@dataclass(frozen=True)
class Selection:
    """Which objects of a kind: one by name, else those that the selectors fit."""

    namespace: str | None
    name: str | None = None
    labels: str | None = None
    fields: str | None = None

    def query(self, **more: str | int | None) -> dict[str, str | int | None]:
        if self.name is not None:
            return more
        return {"labelSelector": self.labels, "fieldSelector": self.fields, **more}


async def kinds_of(cluster: Cluster, named: Sequence[Named], *, verb: str) -> list[Served]:
    """The kinds of what was named, which is no application. Raises Problem when the cluster has none of
    that name; `verb` (get, delete) is the command that asks."""
    words = [each.kind or "" for each in named]
    try:
        return await discovery.find(cluster, *words)
    except UnknownKind as unknown:
        if unknown.word.lower().partition(".")[0] in OUR_WORDS:
            raise Problem(
                f'this cluster has no kind "{unknown.word}"',
                why="the platform is not installed on it",
                hint="paas install, or choose another cluster with --context",
                code=ExitCode.NOT_FOUND,
            ) from None
        if unknown.close:
            names = next((f"/{each.name}" for each in named if each.kind == unknown.word and each.name), "")
            hint = f"did you mean {' or '.join(f'paas {verb} {each}{names}' for each in unknown.close)}?"
        elif len(named) == 1 and named[0].name is None:
            hint = (
                f"if it is an application: paas {verb} app {unknown.word}; else kubectl api-resources lists "
                "the kinds of this cluster"
            )
        else:
            hint = "kubectl api-resources lists the kinds of this cluster"
        raise usage(f'there is no kind "{unknown.word}"', hint=hint) from None


async def table(cluster: Cluster, kind: Served, chosen: Selection, *, whole: bool = False) -> Manifest:
    """The table of what is chosen, with `whole` objects in its rows. Raises Problem when the object that is
    named does not exist."""
    path = kind.resource.path(chosen.namespace, chosen.name)
    include = "Object" if whole else None
    found: Manifest | None = None
    following: str | None = None
    while True:
        query = chosen.query(includeObject=include)
        if chosen.name is None:
            query |= {"limit": 500, "continue": following}
        try:
            page = as_table(await cluster.request("GET", path, query=query, accept=TABLE))
        except NotFound:
            if chosen.name is None:
                raise
            raise _missing(kind, chosen) from None
        found = page if found is None else {**found, "rows": [*found["rows"], *page["rows"]]}
        following = (page.get("metadata") or {}).get("continue") or None
        if following is None:
            return found


async def changes(
    cluster: Cluster,
    kind: Served,
    chosen: Selection,
    *,
    accept: str,
    since: Manifest | None = None,
    lost: Callable[[Exception], None] = lambda _problem: None,
) -> AsyncIterator[Manifest]:
    """Objects (or tables of one row each) as they change, without end; a change is told once.

    It begins after the table `since`, without that with all that exist. `lost` is called when the API server
    does not answer, once until it answers again.
    """
    answers = True
    fields = f"metadata.name={chosen.name}" if chosen.name else chosen.fields
    version: str | None = ((since or {}).get("metadata") or {}).get("resourceVersion")
    seen = {
        str(metadata(row).get("uid")): str(metadata(row).get("resourceVersion"))
        for row in (since or {}).get("rows") or ()
    }
    while True:
        try:
            async for _, obj in cluster.watch(
                kind.resource, chosen.namespace,
                labels=chosen.labels, fields=fields, resource_version=version, accept=accept,
            ):  # fmt: skip
                answers = True
                about = metadata(obj["rows"][0]) if obj.get("rows") else obj.get("metadata") or {}
                uid, new = str(about.get("uid")), str(about.get("resourceVersion"))
                if seen.get(uid) != new:
                    seen[uid] = version = new
                    yield obj
            answers = True
        except Expired:
            version = None
        except (ApiError, ClusterUnreachable) as problem:
            if isinstance(problem, ApiError) and not problem.is_passing:
                raise
            if answers:
                lost(problem)
            answers = False
        await asyncio.sleep(PAUSE)


def _missing(kind: Served, selection: Selection) -> Exception:
    where = f" -n {selection.namespace}" if selection.namespace else ""
    return not_found(
        kind.singular, selection.name or "", selection.namespace or "",
        hint=f"paas get {kind.resource.plural}{where}",
    )  # fmt: skip


async def objects(cluster: Cluster, kind: Served, selection: Selection) -> list[Manifest]:
    """The objects that are chosen. Raises Problem when the one that is named does not exist."""
    resource = kind.resource
    if selection.name is None:
        return await cluster.list(
            resource, selection.namespace, labels=selection.labels, fields=selection.fields
        )
    found = await cluster.get(resource, Key(selection.namespace or "", selection.name))
    if found is None:
        raise _missing(kind, selection)
    return [found]
